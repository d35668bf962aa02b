#include <memory>

#include "commands/commands.h"
#include "commands/config_flags.h"
#include "net_summary.h"

namespace catgan {
namespace {

struct ConfigOptions {
  ConfigFlags flags;
  bool summary = false;
};

constexpr const char* kFooter = R"(Examples:
  catgan config --preset article             all settings as JSON
  catgan config --preset article --summary   shapes, parameters and FLOPs of every layer
  catgan config --size 32 --steps 500 > mine.json && catgan train --config mine.json)";

int print_config(const ConfigOptions& options) {
  const Config config = options.flags.config();
  print(options.summary ? net_summary(config) : to_json(config));
  return 0;
}

}  // namespace

Command config_command(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("config", "Print settings, or a table of the layers");
  auto options = std::make_shared<ConfigOptions>();
  parser->add_flag("--summary", options->summary, "print a table of the layers instead");
  options->flags.add_all_to(*parser);
  parser->footer(kFooter);
  return {parser, [options] { return print_config(*options); }};
}

}  // namespace catgan
