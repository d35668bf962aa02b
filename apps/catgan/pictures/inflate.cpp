#include "pictures/inflate.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "pictures/image_check.h"

namespace catgan {
namespace {

using whisker::str;

constexpr int kMaxCodeBits = 15;
constexpr int kFastBits = 10;

[[noreturn]] void damaged(const std::string& reason) {
  throw ImageError(Fault::damaged, str("its compressed data ", reason));
}

/// Bits from the lowest of each byte on. Beyond the end there are zeros, until they are taken.
class BitReader {
 public:
  explicit BitReader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  unsigned peek(int count) {
    while (held_ < count) {
      const std::uint64_t byte = next_ < bytes_.size() ? bytes_[next_] : 0u;
      ++next_;
      bits_ |= byte << held_;
      held_ += 8;
    }
    return static_cast<unsigned>(bits_ & ((std::uint64_t{1} << count) - 1));
  }
  void drop(int count) {
    bits_ >>= count;
    held_ -= count;
    if (next_ - static_cast<std::size_t>(held_ / 8) > bytes_.size())
      damaged("ends before the picture does");
  }
  unsigned take(int count) {
    const unsigned value = peek(count);
    drop(count);
    return value;
  }
  void drop_rest_of_byte() { drop(held_ % 8); }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t next_ = 0;
  std::uint64_t bits_ = 0;
  int held_ = 0;
};

/// A prefix code, decoded by one look-up of kFastBits, or bit by bit where it is longer.
class HuffmanCode {
 public:
  /// lengths[symbol] in bits, 0 for a symbol without a code.
  HuffmanCode(std::span<const std::uint8_t> lengths, std::string_view name) {
    for (const std::uint8_t length : lengths)
      ++counts_[length];
    counts_[0] = 0;
    check_complete(name);
    std::array<unsigned, kMaxCodeBits + 2> next_code{}, next_place{};
    for (std::size_t bits = 1; bits <= kMaxCodeBits; ++bits) {
      next_code[bits + 1] = (next_code[bits] + counts_[bits]) << 1;
      next_place[bits + 1] = next_place[bits] + counts_[bits];
    }
    symbols_.resize(next_place[kMaxCodeBits + 1]);
    for (std::size_t symbol = 0; symbol < lengths.size(); ++symbol) {
      const int bits = lengths[symbol];
      if (bits == 0) continue;
      const auto at = static_cast<std::size_t>(bits);
      symbols_[next_place[at]++] = static_cast<std::uint16_t>(symbol);
      add_fast(next_code[at]++, bits, static_cast<unsigned>(symbol));
    }
  }

  unsigned decode(BitReader& in) const {
    const unsigned entry = fast_[in.peek(kFastBits)];
    if (entry != 0) {
      in.drop(static_cast<int>(entry & 15u));
      return entry >> 4;
    }
    unsigned code = 0, first = 0, place = 0;
    for (std::size_t bits = 1; bits <= kMaxCodeBits; ++bits) {
      code |= in.take(1);
      if (code - first < counts_[bits]) return symbols_[place + code - first];
      place += counts_[bits];
      first = (first + counts_[bits]) << 1;
      code <<= 1;
    }
    damaged("has a code that stands for nothing");
  }

 private:
  // No code at all, or a single one of one bit but for the lengths themselves, is the only
  // incomplete set that is allowed.
  void check_complete(std::string_view name) const {
    int left = 1, total = 0;
    for (std::size_t bits = 1; bits <= kMaxCodeBits; ++bits) {
      left = 2 * left - static_cast<int>(counts_[bits]);
      total += static_cast<int>(counts_[bits]);
      if (left < 0) break;
    }
    const bool single = total == 0 || (total == 1 && counts_[1] == 1 && name != "length");
    if (left < 0 || (left > 0 && !single)) damaged(str("has a bad set of ", name, " codes"));
  }

  // Codes are sent from their highest bit on, all else from the lowest.
  void add_fast(unsigned code, int bits, unsigned symbol) {
    if (bits > kFastBits) return;
    unsigned reversed = 0;
    for (int bit = 0; bit < bits; ++bit)
      reversed |= (code >> bit & 1u) << (bits - 1 - bit);
    for (unsigned at = reversed; at < fast_.size(); at += 1u << bits)
      fast_[at] = static_cast<std::uint16_t>(symbol << 4 | static_cast<unsigned>(bits));
  }

  std::array<unsigned, kMaxCodeBits + 1> counts_{};
  std::array<std::uint16_t, 1 << kFastBits> fast_{};
  std::vector<std::uint16_t> symbols_;
};

struct Range {
  std::uint16_t base;
  std::uint8_t extra_bits;
};

// RFC 1951, section 3.2.5.
constexpr std::array<Range, 29> kLengths = {
    {{3, 0},  {4, 0},  {5, 0},  {6, 0},   {7, 0},   {8, 0},   {9, 0},   {10, 0},  {11, 1}, {13, 1},
     {15, 1}, {17, 1}, {19, 2}, {23, 2},  {27, 2},  {31, 2},  {35, 3},  {43, 3},  {51, 3}, {59, 3},
     {67, 4}, {83, 4}, {99, 4}, {115, 4}, {131, 5}, {163, 5}, {195, 5}, {227, 5}, {258, 0}}};
constexpr std::array<Range, 30> kDistances = {
    {{1, 0},     {2, 0},     {3, 0},     {4, 0},      {5, 1},      {7, 1},
     {9, 2},     {13, 2},    {17, 3},    {25, 3},     {33, 4},     {49, 4},
     {65, 5},    {97, 5},    {129, 6},   {193, 6},    {257, 7},    {385, 7},
     {513, 8},   {769, 8},   {1025, 9},  {1537, 9},   {2049, 10},  {3073, 10},
     {4097, 11}, {6145, 11}, {8193, 12}, {12289, 12}, {16385, 13}, {24577, 13}}};

/// The last 32 KiB and more of what was unpacked, passed on whenever half of it is new.
class Window {
 public:
  Window(std::uint64_t most, const InflateSink& sink) : most_(most), sink_(sink) {}

  void put(std::uint8_t byte) {
    bytes_[at_++] = byte;
    if (at_ % kHalf == 0) flush();
  }
  void repeat(std::size_t distance, std::size_t length) {
    if (distance > total_ + at_ - flushed_) damaged("refers to bytes before its begin");
    for (; length > 0; --length)
      put(bytes_[(at_ + bytes_.size() - distance) % bytes_.size()]);
  }
  void flush() {
    const auto fresh = std::span(bytes_).subspan(flushed_, at_ - flushed_);
    total_ += fresh.size();
    if (total_ > most_)
      throw ImageError(Fault::damaged, str("unpacks to more data than its size calls for (over ",
                                           most_, " bytes)"));
    for (auto left = fresh; !left.empty();) {
      constexpr std::size_t kBeforeOverflow = 5552;  // of 32 bits, as RFC 1950 computes
      const auto part = left.first(std::min(left.size(), kBeforeOverflow));
      for (const std::uint8_t byte : part)
        sum_b_ += sum_a_ += byte;
      sum_a_ %= 65521;
      sum_b_ %= 65521;
      left = left.subspan(part.size());
    }
    sink_(fresh);
    if (at_ == bytes_.size()) at_ = 0;
    flushed_ = at_;
  }
  std::uint32_t adler() const { return sum_b_ << 16 | sum_a_; }

 private:
  static constexpr std::size_t kHalf = 32768;

  std::uint64_t most_;
  const InflateSink& sink_;
  std::vector<std::uint8_t> bytes_ = std::vector<std::uint8_t>(2 * kHalf);
  std::size_t at_ = 0, flushed_ = 0;
  std::uint64_t total_ = 0;  // passed on
  std::uint32_t sum_a_ = 1, sum_b_ = 0;
};

void copy_stored(BitReader& in, Window& out) {
  in.drop_rest_of_byte();
  const unsigned length = in.take(16), complement = in.take(16);
  if (length != (complement ^ 0xFFFFu)) damaged("has a stored block of a broken length");
  for (unsigned i = 0; i < length; ++i)
    out.put(static_cast<std::uint8_t>(in.take(8)));
}

void copy_compressed(BitReader& in, Window& out, const HuffmanCode& literals,
                     const HuffmanCode& distances) {
  constexpr unsigned kEndOfBlock = 256;
  for (unsigned symbol = literals.decode(in); symbol != kEndOfBlock; symbol = literals.decode(in)) {
    if (symbol < kEndOfBlock) {
      out.put(static_cast<std::uint8_t>(symbol));
      continue;
    }
    const std::size_t length_code = symbol - kEndOfBlock - 1;
    if (length_code >= kLengths.size()) damaged("has a bad length");
    const std::size_t length =
        kLengths[length_code].base + in.take(kLengths[length_code].extra_bits);
    const std::size_t distance_code = distances.decode(in);
    if (distance_code >= kDistances.size()) damaged("has a bad distance");
    out.repeat(kDistances[distance_code].base + in.take(kDistances[distance_code].extra_bits),
               length);
  }
}

void copy_fixed(BitReader& in, Window& out) {
  std::array<std::uint8_t, 288> lengths{};
  for (std::size_t symbol = 0; symbol < lengths.size(); ++symbol)
    lengths[symbol] = symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8;
  std::array<std::uint8_t, 32> five{};
  five.fill(5);
  copy_compressed(in, out, {lengths, "literal"}, {five, "distance"});
}

void copy_dynamic(BitReader& in, Window& out) {
  constexpr std::array<std::uint8_t, 19> kOrder = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                   11, 4,  12, 3, 13, 2, 14, 1, 15};
  const std::size_t literals = in.take(5) + 257, distances = in.take(5) + 1, sent = in.take(4) + 4;
  if (literals > 286 || distances > 30) damaged("has too many codes");
  std::array<std::uint8_t, 19> own_lengths{};
  for (std::size_t i = 0; i < sent; ++i)
    own_lengths[kOrder[i]] = static_cast<std::uint8_t>(in.take(3));
  const HuffmanCode code(own_lengths, "length");
  std::vector<std::uint8_t> lengths;
  while (lengths.size() < literals + distances) {
    const unsigned symbol = code.decode(in);
    if (symbol < 16) {
      lengths.push_back(static_cast<std::uint8_t>(symbol));
      continue;
    }
    if (symbol == 16 && lengths.empty()) damaged("repeats a length before the first");
    const std::uint8_t value = symbol == 16 ? lengths.back() : std::uint8_t{0};
    const unsigned times = symbol == 16   ? 3 + in.take(2)
                           : symbol == 17 ? 3 + in.take(3)
                                          : 11 + in.take(7);
    lengths.insert(lengths.end(), times, value);
  }
  if (lengths.size() > literals + distances) damaged("has too many lengths");
  if (lengths[256] == 0) damaged("has no code for the end of a block");
  const std::span<const std::uint8_t> all(lengths);
  copy_compressed(in, out, {all.first(literals), "literal"}, {all.subspan(literals), "distance"});
}

}  // namespace

void inflate_zlib(std::span<const std::uint8_t> stream, std::uint64_t most,
                  const InflateSink& sink) {
  BitReader in(stream);
  const unsigned method = in.take(8), flags = in.take(8);
  if ((method << 8 | flags) % 31 != 0 || (method & 15u) != 8 || method >> 4 > 7)
    damaged("has no zlib header");
  if ((flags & 0x20u) != 0) damaged("wants a dictionary");
  Window out(most, sink);
  bool last = false;
  while (!last) {
    last = in.take(1) != 0;
    switch (in.take(2)) {
      case 0:
        copy_stored(in, out);
        break;
      case 1:
        copy_fixed(in, out);
        break;
      case 2:
        copy_dynamic(in, out);
        break;
      default:
        damaged("has a block of an unknown kind");
    }
  }
  out.flush();
  in.drop_rest_of_byte();
  std::uint32_t stored = 0;
  for (int i = 0; i < 4; ++i)
    stored = stored << 8 | in.take(8);
  if (stored != out.adler()) damaged("fails its Adler-32");
}

}  // namespace catgan
