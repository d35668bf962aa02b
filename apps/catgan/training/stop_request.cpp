#include "training/stop_request.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

#include <whisker/kernels/check.h>

namespace catgan {
namespace {

std::atomic<int> received{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler must not wait");

extern "C" void on_signal(int signal) {
  if (received.exchange(signal) != 0) _exit(exit_code_of(signal));
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
