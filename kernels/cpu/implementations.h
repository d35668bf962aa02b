// Which implementations oneDNN picked, so that a test can refuse its slow reference ones.
#pragma once

#include <set>
#include <string>

namespace whisker::inline v0_1::kernels::cpu {

/// The names of all implementations picked so far, such as "brgconv:avx512_core".
std::set<std::string> used_implementations();

/// Whether this CPU has bfloat16 arithmetic, without which bfloat16 is slower than float32.
bool has_native_bfloat16();

/// The vector instruction set that oneDNN uses here, for logs: "avx512_core_bf16".
std::string instruction_set();

}  // namespace whisker::inline v0_1::kernels::cpu
