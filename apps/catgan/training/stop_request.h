// Ctrl-C, SIGTERM and the end of the terminal as a request that the training loop reads.
#pragma once

namespace catgan {

/// From now on SIGINT, SIGTERM and SIGHUP only leave a note, and a second SIGINT or SIGTERM ends
/// the process at once with 130 or 143. SIGHUP comes twice when a terminal is closed, so it never
/// ends the process at once; where it is ignored, as under nohup, it stays so. A reader that went
/// away (SIGPIPE) is an error of write(), not the end.
void catch_stop_signals();

/// The signal that came first, else 0.
int stop_signal();

/// 129 for SIGHUP, 130 for SIGINT, 143 for SIGTERM.
int exit_code_of(int signal);

/// Thrown to leave work that cannot be saved, such as decoding pictures.
struct Stopped {
  int signal;
};
void throw_if_stopped();

}  // namespace catgan
