// Errors of the whole project and the helpers that raise them.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace whisker::inline v0_1 {

/// Concatenates anything that can be streamed: str("got ", 3, " rows") == "got 3 rows".
template <class... Args>
std::string str(const Args&... args) {
  std::ostringstream out;
  out.exceptions(std::ios::badbit);  // else a text for which memory is short is cut in silence
  (out << ... << args);
  return out.str();
}

/// Base of every exception that whisker throws; wrong use of the interface throws it directly.
/// The message begins with the op or the file and says what was expected and what came.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Shapes, dtypes or devices of an op's arguments do not fit together.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// A file or folder given by the user has bad content.
class InputError : public Error {
 public:
  using Error::Error;
};

/// The operating system refused a read or a write; the message carries the path and errno's text.
class IoError : public Error {
 public:
  using Error::Error;
};

/// A value that must be finite is not.
class NumericError : public Error {
 public:
  using Error::Error;
};

/// An allocation failed; the message says how much was wanted and how much is held.
class OutOfMemory : public Error {
 public:
  using Error::Error;
};

/// Throws E with the concatenated message unless the condition holds.
template <class E = Error, class... Args>
void check(bool condition, const Args&... message) {
  if (!condition) [[unlikely]]
    throw E(str(message...));
}

}  // namespace whisker::inline v0_1
