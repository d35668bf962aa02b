// Runs kernels that may be broken.
#pragma once

#include <string>
#include <vector>

#include "bugs.h"
#include "cuda/device_array.h"

namespace whisker::testing {

/// Compares with what is expected, after the launches that fill `result` were queued.
template <class T>
Outcome outcome_of(const DeviceArray<T>& result, const std::vector<T>& expected) {
  Outcome outcome;
  try {
    outcome.right = result.download() == expected;
  } catch (const Error& error) {
    outcome = {error.what(), false};
  }
  return outcome;
}

}  // namespace whisker::testing
