// The TIFF block of EXIF data: no input is refused, and what it says is an orientation or nothing.
#include "pictures/exif.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto exif = catgan::exif_orientation({data, size});
  if (exif) fuzz::require(size >= 22, "an orientation was read from an entry");
  const auto xmp = catgan::xmp_orientation({reinterpret_cast<const char*>(data), size});
  const int orientation = catgan::orientation_of(exif, xmp);
  fuzz::require(orientation >= 1 && orientation <= 8, "an orientation is from 1 to 8");
  return 0;
}
