// What the choice between a kernel of ours and one of NVIDIA's libraries needs, whatever the op.
#pragma once

#include <string_view>
#include <type_traits>

#include <whisker/kernels/bfloat16.h>

namespace whisker::inline v0_1::kernels::cuda {

/// What products are rounded to; sums are in float32 always.
enum class MathType { float32, tf32, bfloat16 };

template <class T>
constexpr MathType math_type(bool tf32) {
  return std::is_same_v<T, bfloat16> ? MathType::bfloat16
         : tf32                      ? MathType::tf32
                                     : MathType::float32;
}

/// Who computes, and who may.
enum class Backend { own, library };
enum class Policy { automatic, own, library };

/// An op that a library has as well, and how people say so.
struct LibraryOp {
  const char *name, *variable, *value;  // "conv2d", "WHISKER_CONV", "cudnn"
  const char* library;                  // "cuDNN 9"
};
inline constexpr LibraryOp kConv2dByCudnn{"conv2d", "WHISKER_CONV", "cudnn", "cuDNN 9"};
inline constexpr LibraryOp kMatmulByCublas{"matmul", "WHISKER_MATMUL", "cublas", "cuBLAS"};
inline constexpr LibraryOp kBatchNormByCudnn{"batch_norm", "WHISKER_NORM", "cudnn", "cuDNN 9"};

/// "auto", "own" or the op's value, or empty for auto; throws Error for another text.
Policy parse_policy(const LibraryOp& op, std::string_view text);
/// The same of the op's environment variable.
Policy read_policy(const LibraryOp& op);
/// Throws Error with the remedy if the policy wants a library that was not found.
void check_found(const LibraryOp& op, Policy policy, bool found);

/// An environment variable, empty where it is not set.
std::string_view environment(const char* name);

}  // namespace whisker::inline v0_1::kernels::cuda
