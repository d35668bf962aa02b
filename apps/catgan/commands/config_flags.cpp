#include "commands/config_flags.h"

#include "training/run_folder.h"

namespace catgan {

void ConfigFlags::add_all_to(CLI::App& command) {
  command.add_option("--preset", preset, "demo (the default), article or recommended")
      ->type_name("NAME");
  command.add_option("--config", file, "a file of settings, as catgan config prints them")
      ->type_name("FILE")
      ->excludes("--preset");
  add_settings_to(command);
}

void ConfigFlags::add_settings_to(CLI::App& command) {
  for (const Setting& setting : settings_of(make_preset("demo"))) {
    if (setting.name == "preset") continue;
    const std::string& name = setting.name;
    CLI::Option* option = nullptr;
    if (name == "flip") {
      option = command.add_flag_callback(
          "--flip", [this] { given["flip"] = "true"; }, setting.help);
      command
          .add_flag_callback(
              "--no-flip", [this] { given["flip"] = "false"; }, "do not")
          ->excludes(option)
          ->group("Settings");
    } else {
      option = command
                   .add_option_function<std::string>(
                       setting.flag, [this, name](const std::string& text) { given[name] = text; },
                       setting.help)
                   ->type_name("");
    }
    option->group("Settings");
  }
}

void ConfigFlags::apply_to(Config& config) const {
  for (const auto& [name, text] : given)
    set_setting(config, name, text);
  // Whoever asks for epochs does not want the number of steps that the preset has.
  if (given.contains("epochs") && !given.contains("steps")) config.steps = 0;
  // A run is resumed from any folder.
  if (!config.data.empty()) {
    const auto path = std::filesystem::absolute(config.data).lexically_normal();
    config.data = path.has_filename() ? path.string() : path.parent_path().string();
  }
  validate(config);
}

Config ConfigFlags::config() const {
  Config config = file ? config_from_json(read_text_file(*file), *file) : make_preset(preset);
  apply_to(config);
  return config;
}

}  // namespace catgan
