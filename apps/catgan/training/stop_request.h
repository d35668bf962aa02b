// Ctrl-C and SIGTERM as a request that the training loop reads.
#pragma once

namespace catgan {

/// From now on SIGINT and SIGTERM only leave a note, and a second one ends the process at once with
/// 130 or 143. A reader that went away (SIGPIPE) is an error of write(), not the end.
void catch_stop_signals();

/// SIGINT or SIGTERM if one came, else 0.
int stop_signal();

/// 130 for SIGINT, 143 for SIGTERM.
int exit_code_of(int signal);

/// Thrown to leave work that cannot be saved, such as decoding pictures.
struct Stopped {
  int signal;
};
void throw_if_stopped();

}  // namespace catgan
