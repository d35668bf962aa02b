// The commands of catgan; each lives in a file of its own.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>

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
Command cache_command(CLI::App& app);
Command help_command(CLI::App& app);

/// --seed S; it refuses what CLI11 would bend into the range, such as -1.
void add_seed_to(CLI::App& command, std::uint64_t& seed, const std::string& help);
/// Makes an option that is given twice to a command an error, CLI::ArgumentMismatch: of two
/// different values neither can be meant.
void refuse_repeated_options(CLI::App& app);
/// Writes all of a text to standard output; throws whisker::IoError.
void print(const std::string& text);

}  // namespace catgan
