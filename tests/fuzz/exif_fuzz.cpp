// The TIFF block of EXIF data: no input is refused, and none gives an orientation that is none.
#include "pictures/exif.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int orientation = catgan::exif_orientation({data, size});
  fuzz::require(orientation >= 1 && orientation <= 8, "an orientation is from 1 to 8");
  if (orientation != 1)
    fuzz::require(size >= 22, "an orientation other than 1 was read from an entry");
  return 0;
}
