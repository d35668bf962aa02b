#include "terminal_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

namespace catgan {
namespace {

bool is_control(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0);
}

/// Reorders the text around it on a terminal, or breaks the line.
bool is_layout(std::uint32_t c) {
  return (c >= 0x200E && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069);
}

/// How many bytes the UTF-8 character at the front takes; 0 if it is none.
std::size_t take_character(std::string_view text, std::uint32_t& character) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  character = first;
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  character = first & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    character = character << 6 | (byte(i) & 0x3Fu);
  }
  constexpr std::array<std::uint32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = character >= 0xD800 && character < 0xE000;
  return character < kLeast[length] || character > 0x10FFFF || surrogate ? 0 : length;
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    char code[8];
    std::snprintf(code, sizeof code, "\\x%02x",
                  static_cast<unsigned>(static_cast<std::uint8_t>(c)));
    result += code;
  }
  return result;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    std::uint32_t c = 0;
    const std::size_t length = take_character(text, c);
    const std::string_view bytes = text.substr(0, std::max<std::size_t>(length, 1));
    const bool plain = length > 0 && !is_layout(c) && (!is_control(c) || c == '\n' || c == '\t');
    result += plain ? std::string(bytes) : escaped(bytes);
    text.remove_prefix(bytes.size());
  }
  return result;
}

std::string printable_line(std::string_view text) {
  std::string result;
  for (const char c : printable(text))
    result += c == '\n' || c == '\t' ? escaped({&c, 1}) : std::string(1, c);
  return result;
}

std::string shell_word(std::string_view text) {
  if (text.starts_with('-')) return shell_word("./" + std::string(text));
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-+,:@%=";
  if (!text.empty() && text.find_first_not_of(kPlain) == text.npos) return std::string(text);
  const bool shows = printable(text) == text && text.find_first_of("\n\t") == text.npos;
  std::string word = shows ? "'" : "$'";
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (c == '\'') {
      word += shows ? "'\\''" : "\\'";
    } else if (!shows && (byte < 0x20 || byte >= 0x7F || c == '\\')) {
      char octal[8];  // three digits always, as a digit may follow
      std::snprintf(octal, sizeof octal, "\\%03o", static_cast<unsigned>(byte));
      word += octal;
    } else {
      word += c;
    }
  }
  return word + "'";
}

}  // namespace catgan
