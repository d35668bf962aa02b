#include <cstdlib>

#include <whisker/kernels/check.h>
#include <whisker/kernels/cuda/library_choice.h>

namespace whisker::inline v0_1::kernels::cuda {

Policy parse_policy(const LibraryOp& op, std::string_view text) {
  if (text.empty() || text == "auto") return Policy::automatic;
  if (text == "own") return Policy::own;
  check(text == op.value, op.name, ": ", op.variable, " is auto, own or ", op.value, ", not '",
        text, "'");
  return Policy::library;
}

Policy read_policy(const LibraryOp& op) {
  return parse_policy(op, environment(op.variable));
}

void check_found(const LibraryOp& op, Policy policy, bool found) {
  check(policy != Policy::library || found, op.name, ": ", op.variable, "=", op.value, ", but ",
        op.library, " was not found; install it, put its folder on LD_LIBRARY_PATH, or set ",
        op.variable, "=auto");
}

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace whisker::inline v0_1::kernels::cuda
