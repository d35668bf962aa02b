// Settings as JSON: config.json, and what a checkpoint holds of it.
#include "config.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace catgan;
  const std::string text = fuzz::text_of(data, size);
  const auto config =
      fuzz::attempt<whisker::InputError>("file", [&] { return config_from_json(text, "file"); });
  if (!config) return 0;
  validate(*config);
  fuzz::require(config_from_json(to_json(*config), "again") == *config,
                "settings come back from JSON as they were");
  return 0;
}
