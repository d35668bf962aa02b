// The settings as flags of a command.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <optional>
#include <string>

#include "config.h"

namespace catgan {

struct ConfigFlags {
  std::string preset = "demo";
  std::optional<std::string> file;
  std::map<std::string, std::string> given;  // name of the setting to its text

  /// --preset, --config and one flag for each setting. This object must outlive the parser.
  void add_all_to(CLI::App& command);
  /// Only the flags of the settings.
  void add_settings_to(CLI::App& command);

  /// The preset or file, changed by the flags and checked. Throws UsageError, whisker::InputError.
  Config config() const;
  /// The flags on top of a configuration.
  void apply_to(Config& config) const;
};

}  // namespace catgan
