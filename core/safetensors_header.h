// The JSON header of a safetensors file; used by safetensors.cpp alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <whisker/core/dtype.h>
#include <whisker/core/shape.h>

namespace whisker::inline v0_1 {

inline constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;

struct SafetensorsEntry {
  std::string name;
  Dtype dtype = Dtype::float32;
  Shape shape;
  std::uint64_t begin = 0, end = 0;  // bytes, counted from the end of the header
  std::string unsupported{};         // why there can be no such tensor; empty if there can
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in the order of their bytes
  std::map<std::string, std::string> metadata;
};

/// Parses and checks a header that `data_size` bytes of elements follow; `file` begins messages.
/// Throws InputError for every violation of the format, and for entries that whisker has no tensors
/// for unless these are to be kept, with their reason.
SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t data_size,
                                           const std::string& file, bool keep_unsupported = false);

/// The header as JSON, padded with spaces to a multiple of 8 bytes. Sorts the entries into the
/// order of writing and sets their offsets. Throws Error for names that no reader would take.
std::string format_safetensors_header(SafetensorsHeader& header);

/// "F32" for float32.
const char* safetensors_code(Dtype dtype);

/// Untrusted text for a message: in quotes, shortened, control characters escaped.
std::string quote_untrusted(std::string_view text);

}  // namespace whisker::inline v0_1
