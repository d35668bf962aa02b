// The header of a safetensors file: two bytes say how much data follows it, the rest is its JSON.
#include <algorithm>

#include <whisker/core/safetensors_header.h>
#include <whisker/kernels/check.h>

#include "target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace whisker;
  if (size < 2) return 0;
  const std::uint64_t data_size = static_cast<std::uint64_t>(data[0] | data[1] << 8);
  const std::string text = fuzz::text_of(data + 2, size - 2);
  const std::string quoted = quote_untrusted(text);
  fuzz::require(std::none_of(quoted.begin(), quoted.end(),
                             [](char c) { return (c >= 0 && c < 0x20) || c == 0x7F; }),
                "quoted text has no control characters");

  const auto header = fuzz::attempt<InputError>(
      "file", [&] { return parse_safetensors_header(text, data_size, "file"); });
  if (!header) return 0;
  std::uint64_t covered = 0;
  for (const SafetensorsEntry& entry : header->entries) {
    fuzz::require(entry.begin == covered && entry.end >= entry.begin, "tensors leave no hole");
    covered = entry.end;
  }
  fuzz::require(covered == data_size, "tensors cover all data");

  SafetensorsHeader written = *header;
  const std::string printed = format_safetensors_header(written);
  const SafetensorsHeader again = parse_safetensors_header(printed, data_size, "again");
  fuzz::require(again.metadata == header->metadata, "metadata come back as they were");
  fuzz::require(again.entries.size() == header->entries.size(), "all tensors come back");
  for (const SafetensorsEntry& entry : again.entries) {
    const bool found = std::any_of(header->entries.begin(), header->entries.end(), [&](auto& e) {
      return e.name == entry.name && e.dtype == entry.dtype && e.shape == entry.shape;
    });
    fuzz::require(found, "a tensor comes back as it was");
  }
  return 0;
}
