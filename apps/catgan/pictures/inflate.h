// Unpacking of zlib streams (RFC 1950, RFC 1951) with every rule of the formats checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace catgan {

/// Takes the unpacked bytes piece by piece.
using InflateSink = std::function<void(std::span<const std::uint8_t>)>;

/// Unpacks a zlib stream in constant memory and compares its Adler-32. Bytes after the end are
/// ignored. Throws ImageError (damaged) if the stream breaks a rule, ends early, or unpacks to more
/// than `most` bytes.
void inflate_zlib(std::span<const std::uint8_t> stream, std::uint64_t most,
                  const InflateSink& sink);

}  // namespace catgan
