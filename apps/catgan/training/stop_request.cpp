#include "training/stop_request.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

#include <whisker/kernels/check.h>

namespace catgan {
namespace {

std::atomic<int> received{0};
std::atomic<bool> asked{false};  // by a user who can ask again
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler must not wait");

extern "C" void on_signal(int signal) {
  int none = 0;
  received.compare_exchange_strong(none, signal);
  if (signal != SIGHUP && asked.exchange(true)) _exit(exit_code_of(signal));
}

bool is_ignored(int signal) {
  struct sigaction action {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  whisker::check<whisker::IoError>(sigaction(signal, &action, nullptr) == 0,
                                   "signals: the handler of signal ", signal,
                                   " cannot be installed");
}

}  // namespace

void catch_stop_signals() {
  handle(SIGINT, on_signal);
  handle(SIGTERM, on_signal);
  if (!is_ignored(SIGHUP)) handle(SIGHUP, on_signal);
  // The call that fails then says why.
  handle(SIGPIPE, SIG_IGN);
  handle(SIGXFSZ, SIG_IGN);
}

int stop_signal() {
  return received.load();
}

int exit_code_of(int signal) {
  return 128 + signal;
}

void throw_if_stopped() {
  if (const int signal = stop_signal()) throw Stopped{signal};
}

}  // namespace catgan
