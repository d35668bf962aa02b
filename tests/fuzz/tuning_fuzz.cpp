// The file of kernels that were measured to be the fastest.
#include <whisker/core/cuda/tuning.h>
#include <whisker/kernels/check.h>

#include "target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace whisker;
  const std::string text = fuzz::text_of(data, size);
  const auto rows =
      fuzz::attempt<InputError>("tuning: file", [&] { return parse_tuning(text, "gpu", "file"); });
  if (!rows) return 0;
  const std::string written = replace_tuning(text, "gpu", *rows, "file");
  fuzz::require(parse_tuning(written, "gpu", "again") == *rows,
                "rows come back from their file as they were");
  fuzz::require(parse_tuning(replace_tuning("", "gpu", *rows, "new"), "gpu", "again") == *rows,
                "rows come back from a new file as they were");
  return 0;
}
