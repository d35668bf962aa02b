// Memory that is short at a chosen moment.
#pragma once

namespace failing_new {

/// The n-th allocation by operator new in this thread fails, counted from 1, while this lives.
class Failure {
 public:
  explicit Failure(long n);
  ~Failure();
  Failure(const Failure&) = delete;
  Failure& operator=(const Failure&) = delete;

  /// Whether it has failed.
  bool happened() const;
};

}  // namespace failing_new
