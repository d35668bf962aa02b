// catgan: a generative adversarial net that learns to draw cats.

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <new>
#include <system_error>

#include "commands/commands.h"
#include "config.h"
#include "training/stop_request.h"

namespace {

constexpr const char* kFooter = R"(Start here:
  catgan train                     learn to draw cats, with pictures that it draws itself
  catgan train --data ~/cats       or with yours: any folder of JPEG and PNG files
  catgan sample runs/00000-demo-drawn
  catgan help COMMAND              what a command does, its flags and examples

Exit codes: 0 done, 2 usage, 3 bad input, 4 input or output failed, 5 out of memory, 6 a number
became infinite or NaN, 130 and 143 stopped by Ctrl-C and SIGTERM (with a checkpoint saved).)";

int fail(int code, const char* what) {
  std::cerr << "catgan: " << what << '\n';
  return code;
}

/// A file opened in place of a closed standard stream would get what is printed.
void open_closed_streams() {
  int descriptor = 0;
  do {
    descriptor = ::open("/dev/null", O_RDWR);
  } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor >= 0) ::close(descriptor);
}

/// What is wrong with the command line; CLI11 prints surplus arguments backwards.
std::string describe(const CLI::App* app, const CLI::Error& error) {
  std::string what = error.what();
  if (dynamic_cast<const CLI::ExtrasError*>(&error)) {
    what = "this argument is not expected:";
    for (const std::string& word : app->remaining(true))
      what += " " + word;
  } else if (what.ends_with(" missing")) {
    what = what.substr(0, what.find(':')) + ": its value is missing";
  }
  const auto parsed = app->get_subcommands();
  const std::string about = parsed.empty() ? "" : " " + parsed.front()->get_name();
  return whisker::str("catgan: ", what, "; `catgan help", about, "` lists what there is\n");
}

int run(int argc, char** argv) {
  CLI::App app{"catgan learns to draw cats: a DCGAN on the whisker library", "catgan"};
  app.require_subcommand(0, 1);
  app.footer(kFooter);
  app.failure_message(describe);
  using namespace catgan;
  const Command commands[] = {train_command(app),  resume_command(app), sample_command(app),
                              config_command(app), draw_command(app),   cache_command(app),
                              help_command(app)};
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;  // help is an "error", too
  }
  for (const Command& command : commands)
    if (command.parser->parsed()) return command.run();
  std::cerr << app.help();
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  open_closed_streams();
  try {
    return run(argc, argv);
  } catch (const catgan::Stopped& stopped) {
    return catgan::exit_code_of(stopped.signal);
  } catch (const catgan::UsageError& error) {
    return fail(2, error.what());
  } catch (const whisker::InputError& error) {
    return fail(3, error.what());
  } catch (const whisker::IoError& error) {
    return fail(4, error.what());
  } catch (const std::system_error& error) {
    return fail(4, error.what());
  } catch (const whisker::OutOfMemory& error) {
    return fail(5, error.what());
  } catch (const std::bad_alloc&) {
    return fail(5, "out of memory; a smaller --batch, --size or narrower nets need less");
  } catch (const whisker::NumericError& error) {
    return fail(6, error.what());
  } catch (const std::exception& error) {
    return fail(1, error.what());
  }
}
