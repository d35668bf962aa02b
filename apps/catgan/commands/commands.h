// The commands of catgan; each lives in a file of its own.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace catgan {

struct Command {
  CLI::App* parser;
  std::function<int()> run;  // returns the exit code
};

Command train_command(CLI::App& app);
Command resume_command(CLI::App& app);
Command sample_command(CLI::App& app);
Command config_command(CLI::App& app);
Command draw_command(CLI::App& app);

}  // namespace catgan
