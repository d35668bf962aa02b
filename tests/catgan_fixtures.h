// What the tests of catgan's training share.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <whisker/core/tensor.h>

#include "config.h"
#include "file_fixtures.h"

namespace catgan_fixtures {

/// 16x16 nets that step in a millisecond.
catgan::Config tiny_config();
/// The same as flags of `catgan train`; 3 checkpoints are kept, one is written every second step.
std::vector<std::string> tiny_flags();
/// `catgan train --out run` with these, except what `more` gives itself.
std::vector<std::string> train_tiny(const std::vector<std::string>& more);

using file_fixtures::ContainsSubstring;
using file_fixtures::Folder;
using file_fixtures::read_text;
using file_fixtures::write_text;

using Tensors = std::map<std::string, whisker::Tensor>;
/// Copies that later steps do not change.
Tensors clone(const Tensors& tensors);
/// Empty if both have the same names, shapes and bits, else the first difference.
std::string difference(const Tensors& a, const Tensors& b);

/// A finished program.
struct Outcome {
  int code = -1;  // exit code, or -signal
  std::string out, err;
};

struct ProcessOptions {
  std::size_t max_file_bytes = 0;  // 0: no limit
  std::size_t max_memory = 0;      // 0: no limit
  const char* output = nullptr;    // where standard output goes instead of to the test
  std::vector<std::pair<std::string, std::string>> environment;  // variables to set
  bool closed_streams = false;  // begin without any of the three standard streams
  int ignored_signal = 0;       // 0: none
};

/// The catgan program, begun; `folder` is its current folder. One thread, whatever the machine has.
class Process {
 public:
  Process(const std::vector<std::string>& arguments, const std::filesystem::path& folder,
          const ProcessOptions& options = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// Waits until the text is in the program's output; false if the program ends without it.
  bool wait_for(const std::string& text);
  void send(int signal);
  /// Closes the reading end of the program's standard output.
  void close_output();
  /// Waits for the end.
  Outcome wait();

 private:
  bool read_more();

  pid_t pid_ = -1;
  int out_ = -1;
  std::filesystem::path error_file_;
  std::string text_;
};

Outcome run_catgan(const std::vector<std::string>& arguments, const std::filesystem::path& folder,
                   const ProcessOptions& options = {});

/// Copies the run of `catgan train` with tiny_flags(), which is trained once for all tests.
void copy_trained_run(const std::filesystem::path& to);

}  // namespace catgan_fixtures
