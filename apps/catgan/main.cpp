// catgan: a generative adversarial net that learns to draw cats.

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <execinfo.h>
#include <filesystem>
#include <iostream>
#include <new>
#include <system_error>

#include "commands/commands.h"
#include "config.h"
#include "terminal_text.h"
#include "training/stop_request.h"

namespace {

constexpr const char* kFooter = R"(Start here:
  catgan train                     learn to draw cats, with pictures that it draws itself
  catgan train --data ~/cats       or with yours: any folder of JPEG and PNG files
  catgan sample runs/00000-demo-drawn
  catgan help COMMAND              what a command does, its flags and examples

Exit codes: 0 done, 2 usage, 3 bad input, 4 input or output failed, 5 out of memory, 6 a number
became infinite or NaN, 129, 130 and 143 stopped by a closed terminal (SIGHUP), Ctrl-C and SIGTERM,
with a checkpoint saved. After a run that ends with 4 because a grid or a line could not be written
its weights are saved all the same.)";

int fail(int code, const char* what) {
  try {
    std::cerr << "catgan: " << catgan::printable(what) << '\n';
  } catch (const std::bad_alloc&) {
    std::cerr << "out of memory, also for saying what went wrong\n";
    return 5;
  }
  return code;
}

/// Says what the exception is that is being handled; returns the exit code for it.
int report_exception() {
  try {
    throw;
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

/// For exceptions that no handler can reach, in other threads or in a destructor.
[[noreturn]] void end_program() {
  _exit(std::current_exception() ? report_exception() : fail(1, "the program ended itself"));
}

bool main_has_ended = false;

/// libgomp ends the program by exit(1) when it gets no memory or no thread.
void correct_exit_code(int code, void*) {
  if (code == EXIT_FAILURE && !main_has_ended) _exit(5);
}

/// Before the constructors of libraries run, as they need memory, too.
void prepare_for_the_worst() {
  std::set_terminate(end_program);
  on_exit(correct_exit_code, nullptr);
}
__attribute__((section(".preinit_array"), used)) void (*const kFirst)() = prepare_for_the_worst;

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
  } else if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) &&
             what.find("At Most") != std::string::npos) {
    what = what.substr(0, what.find(':')) + " is given more than once; leave all but one out";
  } else if (what.ends_with(" missing")) {
    what = what.substr(0, what.find(':')) + ": its value is missing";
  }
  const auto parsed = app->get_subcommands();
  const std::string about = parsed.empty() ? "" : " " + parsed.front()->get_name();
  return whisker::str("catgan: ", catgan::printable(what), "; `catgan help", about,
                      "` lists what there is\n");
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
  refuse_repeated_options(app);
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

/// Exceptions that pass through a function of the C library make it load libgcc, for which there is
/// no memory when they say so.
void load_unwinder() {
  void* frame = nullptr;
  (void)::backtrace(&frame, 1);
}

}  // namespace

int main(int argc, char** argv) {
  load_unwinder();
  open_closed_streams();
  int code = 0;
  try {
    code = run(argc, argv);
  } catch (...) {
    code = report_exception();
  }
  main_has_ended = true;
  return code;
}
