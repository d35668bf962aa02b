// Descriptions of tensors in device memory for the tensor memory accelerator (sm_90).
#pragma once

#include <array>
#include <cstdint>

#include <whisker/kernels/cuda/call_site.h>
#ifdef WHISKER_SIM
#include <whisker/kernels/sim/tensor_map.h>
#else
#include <cuda.h>
#endif

namespace whisker::inline v0_1::kernels::cuda {

/// A tensor of bfloat16, dimension 0 innermost and dense, and the box that one copy moves.
struct TensorMapShape {
  const void* base = nullptr;               // 16-byte aligned
  int rank = 2;                             // 2 to 5
  std::array<std::uint64_t, 5> size{};      // in elements
  std::array<std::uint64_t, 5> stride{};    // in bytes, multiples of 16; [0] is not used
  std::array<std::uint32_t, 5> box{};       // in elements; box[0] * 2 <= 128
};

/// Copies with this map swizzle by 128 bytes and fill with zeros what lies outside the tensor.
/// Throws Error if the shape breaks a rule of the hardware.
CUtensorMap make_tensor_map(const TensorMapShape& shape, CallSite site = CallSite::here());

}  // namespace whisker::inline v0_1::kernels::cuda
