// The fingerprint of the data in a checkpoint.
#include "target.h"
#include "training/training_data.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace catgan;
  const std::string text = fuzz::text_of(data, size);
  const auto read =
      fuzz::attempt<whisker::InputError>("file", [&] { return parse_fingerprint(text, "file"); });
  if (!read) return 0;
  fuzz::require(parse_fingerprint(read->to_string(), "again") == *read,
                "a fingerprint comes back from its text as it was");
  return 0;
}
