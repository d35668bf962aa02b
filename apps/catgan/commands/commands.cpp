#include "commands/commands.h"

#include <cerrno>
#include <cstring>
#include <iostream>

#include "config.h"

namespace catgan {

void add_seed_to(CLI::App& command, std::uint64_t& seed, const std::string& help) {
  const auto read = [&seed](const std::string& text) {
    Config config;
    set_setting(config, "seed", text);
    seed = config.seed;
  };
  command.add_option_function<std::string>("--seed", read, help)->type_name("S");
}

void refuse_repeated_options(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands({}))
    for (CLI::Option* option : command->get_options())
      option->multi_option_policy(CLI::MultiOptionPolicy::Throw);
}

void print(const std::string& text) {
  std::cout << text << std::flush;
  whisker::check<whisker::IoError>(std::cout.good(),
                                   "standard output cannot be written: ", std::strerror(errno));
}

}  // namespace catgan
