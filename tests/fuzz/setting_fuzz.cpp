// Values on the command line: the first byte says of which setting, the rest is the value.
#include "config.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace catgan;
  if (size == 0) return 0;
  static const Config preset = make_preset("demo");
  static const std::vector<Setting> all = settings_of(preset);
  const std::size_t index = data[0] % all.size();
  const std::string text = fuzz::text_of(data + 1, size - 1);

  Config config = preset;
  const auto done = fuzz::attempt<UsageError>(all[index].flag, [&] {
    set_setting(config, all[index].name, text);
    return true;
  });
  if (!done) return 0;
  fuzz::require(differences(preset, config).size() <= 1, "one value changes one setting");
  const std::string printed = settings_of(config)[index].value;
  Config again = preset;
  set_setting(again, all[index].name, printed);
  fuzz::require(again == config, "a value that was printed is the same value when it is read");
  if (!fuzz::attempt<UsageError>("", [&] { return validate(config), true; })) return 0;
  fuzz::require(config_from_json(to_json(config), "json") == config,
                "JSON can hold every setting that is valid");
  return 0;
}
