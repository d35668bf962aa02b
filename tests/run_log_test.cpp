#include "training/run_log.h"

#include <signal.h>
#include <sys/resource.h>

#include <new>

#include <whisker/kernels/check.h>

#include "catch.h"
#include "file_fixtures.h"

using namespace file_fixtures;
using catgan::Console;
using catgan::LineFile;
using catgan::progress_bar;
using catgan::RunLog;

namespace {

/// No file grows beyond so many bytes while this lives, as on a disk that is full.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : old_handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, old_handler_);
  }

 private:
  sighandler_t old_handler_;
  rlimit old_{};
};

}  // namespace

TEST_CASE("What a killed writer left of a line is cut off before the next one", "[run_log]") {
  const Folder folder;
  for (const auto& [found, kept] :
       {std::pair<std::string, std::string>{"", ""},
        {"whole\n", "whole\n"},
        {"half", ""},
        {"whole\nsaved r/checkpoints/ste", "whole\n"},
        {"whole\n" + std::string(10000, 'x'), "whole\n"},
        {std::string(4095, 'x') + "\n" + std::string(4096, 'y'), std::string(4095, 'x') + "\n"}}) {
    write_text(folder / "log", found);
    LineFile file(folder / "log");
    file.write("one");
    file.write("two");
    CHECK(read_text(folder / "log") == kept + "one\ntwo\n");
  }
}

TEST_CASE("A full disk leaves whole lines, and later ones are written when there is room",
          "[run_log]") {
  const Folder folder;
  LineFile file(folder / "log");
  file.write("12345");
  {
    const FullDisk disk(10);
    CHECK_THAT(message_of<whisker::IoError>([&] { file.write("67890"); }),
               ContainsSubstring("log: cannot be written: File too large"));
    CHECK(read_text(folder / "log") == "12345\n");
  }
  file.write("abc");
  CHECK(read_text(folder / "log") == "12345\nabc\n");
}

TEST_CASE("What cannot be written is warned of once and said at the end by its kind", "[run_log]") {
  const Folder folder;
  const auto end_after = [&](auto error) {
    Console console;
    RunLog log(console, folder / "log");
    log.throw_if_incomplete();
    log.attempt("the first grid", [&] { throw error; });
    log.attempt("another", [] { throw whisker::IoError("later"); });
    log.throw_if_incomplete();
  };
  CHECK_THAT(message_of<whisker::IoError>([&] { end_after(whisker::IoError("disk: full")); }),
             ContainsSubstring("the first grid could not be written: disk: full; and 1 more"));
  CHECK_THROWS_AS(end_after(whisker::InputError("is a folder")), whisker::IoError);
  CHECK_THROWS_AS(end_after(std::bad_alloc()), whisker::OutOfMemory);
  CHECK_THROWS_AS(end_after(whisker::OutOfMemory("none")), whisker::OutOfMemory);
  CHECK_THROWS_AS(end_after(whisker::NumericError("NaN")), whisker::NumericError);
}

TEST_CASE("A log that cannot be opened is no reason to stop", "[run_log]") {
  const Folder folder;
  std::filesystem::create_directory(folder / "log");
  Console console;
  RunLog log(console, folder / "log");
  log.line("one");
  CHECK_THAT(message_of<whisker::IoError>([&] { log.throw_if_incomplete(); }),
             ContainsSubstring("Is a directory"));
}

TEST_CASE("A progress bar fits, and shows what is done", "[run_log]") {
  CHECK(progress_bar("", 5, 10, "  D 1", 200) == "5/10 [============>           ]  D 1");
  CHECK(progress_bar("", 10, 10, "", 200) == "10/10 [========================]");
  CHECK(progress_bar("drawing  ", 0, 4, "", 200) == "drawing  0/4 [>                       ]");
  const std::string after = "  D 0.354  G 4.207  626.4 img/s  ETA 3:22:01";
  for (int columns = 0; columns <= 120; ++columns) {
    const std::string bar = progress_bar("", 123456, 2000000, after, columns);
    CHECK(static_cast<int>(bar.size()) <= columns);
    const std::string text = "123456/2000000" + after;
    if (columns >= static_cast<int>(text.size())) CHECK_THAT(bar, ContainsSubstring(after));
    if (columns == 79) CHECK_THAT(bar, ContainsSubstring(" [=>"));
  }
}
