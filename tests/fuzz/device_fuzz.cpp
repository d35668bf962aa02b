// The name of a device.
#include <whisker/core/device.h>
#include <whisker/kernels/check.h>

#include "target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = fuzz::text_of(data, size);
  const auto device =
      fuzz::attempt<whisker::InputError>("", [&] { return whisker::parse_device(text); });
  if (!device) return 0;
  fuzz::require(whisker::parse_device(whisker::str(*device)) == *device,
                "a device comes back from its name as it was");
  return 0;
}
