// JPEG files.
#include "picture.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::check_picture({data, size});
  return 0;
}
