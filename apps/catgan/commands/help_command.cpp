#include <memory>

#include "commands/commands.h"
#include "config.h"

namespace catgan {
namespace {

int help(const CLI::App& app, const std::string& topic) {
  const auto about =
      app.get_subcommands([&](const CLI::App* command) { return command->get_name() == topic; });
  whisker::check<UsageError>(topic.empty() || !about.empty(), "help: there is no command ", topic,
                             "; `catgan help` lists all");
  const CLI::App* shown = topic.empty() ? &app : about.front();
  const std::string name = topic.empty() ? app.get_name() : app.get_name() + " " + topic;
  // app.help() would be the help of the command that was given, which is this one.
  print(shown->get_formatter()->make_help(shown, name, CLI::AppFormatMode::Normal));
  return 0;
}

}  // namespace

Command help_command(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("help", "Print this, or all about a command");
  auto topic = std::make_shared<std::string>();
  parser->add_option("COMMAND", *topic, "such as train");
  return {parser, [&app, topic] { return help(app, *topic); }};
}

}  // namespace catgan
