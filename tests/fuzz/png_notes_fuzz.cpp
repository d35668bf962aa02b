// The chunks of a PNG that say which way up it is: a letter for the type, a length, and the data,
// again and again. No chunk is refused.
#include <algorithm>

#include "pictures/png_notes.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::string_view kTypes[] = {"eXIf", "tEXt", "zTXt", "iTXt"};
  std::span<const std::uint8_t> rest(data, size);
  catgan::PngNotes notes;
  while (rest.size() >= 3) {
    const std::size_t length = std::min<std::size_t>(rest[1] | rest[2] << 8, rest.size() - 3);
    notes.read(kTypes[rest[0] % std::size(kTypes)], rest.subspan(3, length));
    rest = rest.subspan(3 + length);
  }
  fuzz::require(notes.orientation() >= 1 && notes.orientation() <= 8,
                "an orientation is from 1 to 8");
  fuzz::require(std::all_of(notes.own_kind().begin(), notes.own_kind().end(),
                            [](char c) { return c == ' ' || (c >= 'a' && c <= 'z'); }),
                "the name of a kind is of plain letters");
  return 0;
}
