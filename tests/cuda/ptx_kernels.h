// One warp through one PTX wrapper: registers in, registers out.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace whisker::testing {

inline constexpr int kLanes = 32;
/// Registers of all lanes: [lane][register].
template <std::size_t kCount>
using Registers = std::array<std::array<std::uint32_t, kCount>, kLanes>;

enum class Load { kX4, kX4Trans, kX2, kX2Trans };

/// Loads 8x8 matrices of 16-bit words, stored row after row; the x2 forms fill registers 0 and 1.
Registers<4> run_ldmatrix(Load form, const std::vector<std::uint16_t>& matrices);
/// d += a * b, with d as the bits of floats.
Registers<4> run_mma_bf16(const Registers<4>& a, const Registers<2>& b, const Registers<4>& d);
Registers<4> run_mma_tf32(const Registers<4>& a, const Registers<2>& b, const Registers<4>& d);
/// Copies 16 bytes per lane, or zeros where not wanted; two groups, the even lanes' copies first.
std::vector<std::uint32_t> run_cp_async(const std::vector<std::uint32_t>& words,
                                        const std::vector<int>& wanted);
std::vector<std::uint32_t> run_to_tf32(const std::vector<float>& values);
/// Pairs (0, 1), (2, 3), ...
std::vector<std::uint32_t> run_to_bfloat16x2(const std::vector<float>& values);

}  // namespace whisker::testing
