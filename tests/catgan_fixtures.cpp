#include "catgan_fixtures.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "testing.h"

namespace catgan_fixtures {

using catgan::Config;
using whisker::str;

Config tiny_config() {
  Config config = catgan::make_preset("demo");
  config.device = "cpu";
  config.drawn_cats = 10;
  config.flip = true;
  config.size = 16;
  config.z_size = 8;
  config.g_widths = {8, 4, 4};
  config.d_widths = {4, 8};
  config.d_strides = {2, 2};
  config.batch = 4;
  config.steps = 12;
  config.ema_decay = 0.9;
  config.log_interval = 5;
  config.sample_interval = 4;
  config.checkpoint_interval = 2;
  config.grid = 2;
  config.threads = 1;
  return config;
}

std::vector<std::string> tiny_flags() {
  std::vector<std::string> flags{"--flip"};
  for (const catgan::Difference& difference :
       catgan::differences(catgan::make_preset("demo"), tiny_config())) {
    if (difference.is.name == "flip") continue;
    flags.push_back(difference.is.flag);
    flags.push_back(difference.is.value);
  }
  return flags;
}

std::vector<std::string> train_tiny(const std::vector<std::string>& more) {
  std::vector<std::string> words{"train"}, usual{"--out", "run"};
  const std::vector<std::string> tiny = tiny_flags();
  usual.insert(usual.end(), tiny.begin() + 1, tiny.end());
  words.push_back(tiny.front());  // --flip has no value
  for (std::size_t i = 0; i < usual.size(); i += 2)
    if (std::find(more.begin(), more.end(), usual[i]) == more.end())
      words.insert(words.end(), {usual[i], usual[i + 1]});
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

Tensors clone(const Tensors& tensors) {
  Tensors copies;
  for (const auto& [name, tensor] : tensors)
    copies[name] = tensor.clone();
  return copies;
}

std::string difference(const Tensors& a, const Tensors& b) {
  for (const auto& [name, tensor] : a) {
    const auto other = b.find(name);
    if (other == b.end()) return name + " is in the first alone";
    if (tensor.shape() != other->second.shape() || tensor.dtype() != other->second.dtype())
      return name + " has another shape or type";
    if (!whisker::testing::same_bits(tensor, other->second)) return name + " has other elements";
  }
  for (const auto& [name, tensor] : b)
    if (!a.contains(name)) return name + " is in the second alone";
  return {};
}

Process::Process(const std::vector<std::string>& arguments, const std::filesystem::path& folder,
                 const ProcessOptions& options)
    : error_file_(folder / str("stderr-", ::getpid(), ".txt")) {
  std::vector<std::string> words{CATGAN_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    const int errors = ::open(error_file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(pipe_ends[1], STDOUT_FILENO);
    ::dup2(errors, STDERR_FILENO);
    ::setenv("OMP_NUM_THREADS", "1", 1);
    for (const auto& [name, value] : options.environment)
      ::setenv(name.c_str(), value.c_str(), 1);
    ::unsetenv("XDG_CACHE_HOME");
    ::setenv("HOME", folder.c_str(), 1);
    const auto limit = [](auto resource, std::size_t most) {
      const rlimit both{most, most};
      if (most > 0) ::setrlimit(resource, &both);
    };
    limit(RLIMIT_FSIZE, options.max_file_bytes);
    limit(RLIMIT_AS, options.max_memory);
    if (options.ignored_signal != 0) ::signal(options.ignored_signal, SIG_IGN);
    if (options.output) ::dup2(::open(options.output, O_WRONLY), STDOUT_FILENO);
    if (options.closed_streams)
      for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        ::close(stream);
    if (::chdir(folder.c_str()) == 0) ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(pipe_ends[1]);
  out_ = pipe_ends[0];
}

Process::~Process() {
  close_output();
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool Process::read_more() {
  char buffer[4096];
  const ssize_t count = ::read(out_, buffer, sizeof buffer);
  if (count <= 0) return false;
  text_.append(buffer, static_cast<std::size_t>(count));
  return true;
}

bool Process::wait_for(const std::string& text) {
  while (text_.find(text) == std::string::npos)
    if (!read_more()) return false;
  return true;
}

void Process::send(int signal) {
  ::kill(pid_, signal);
}

void Process::close_output() {
  if (out_ >= 0) ::close(out_);
  out_ = -1;
}

Outcome Process::wait() {
  while (out_ >= 0 && read_more()) {
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return {code, text_, read_text(error_file_)};
}

Outcome run_catgan(const std::vector<std::string>& arguments, const std::filesystem::path& folder,
                   const ProcessOptions& options) {
  return Process(arguments, folder, options).wait();
}

void copy_trained_run(const std::filesystem::path& to) {
  static const Folder folder;
  static const Outcome outcome = run_catgan(train_tiny({}), folder.path());
  if (outcome.code != 0) throw std::runtime_error(outcome.err);
  std::filesystem::copy(folder / "run", to, std::filesystem::copy_options::recursive);
}

}  // namespace catgan_fixtures
