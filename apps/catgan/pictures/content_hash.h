// A fast 64-bit fingerprint of bytes: finds changed and equal files, is no defence against forgery.
#pragma once

#include <cstdint>
#include <span>

namespace catgan {

/// XXH64 (Collet, xxHash specification 0.1.1), little-endian.
std::uint64_t content_hash(std::span<const std::uint8_t> bytes, std::uint64_t seed = 0);

}  // namespace catgan
