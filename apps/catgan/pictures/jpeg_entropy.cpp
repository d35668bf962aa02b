#include "pictures/jpeg_entropy.h"

#include <algorithm>

#include "pictures/image_check.h"

namespace catgan {
namespace {

// Of 8-bit samples, T.81 tables F.1 and F.2.
constexpr unsigned kMaxDcBits = 11, kMaxAcBits = 10;

[[noreturn]] void damaged(const char* reason) {
  throw ImageError(Fault::damaged, whisker::str("the JPEG ", reason));
}

/// Bits from the highest of each byte on, without the zeros that are stuffed behind FF.
class ScanBits {
 public:
  explicit ScanBits(std::span<const std::uint8_t> data) : data_(data) {}

  unsigned peek16() {
    fill(16);
    return static_cast<unsigned>(bits_ >> (held_ - 16) & 0xFFFFu);
  }
  void drop(int count) {
    held_ -= count;
    if (held_ < invented_)
      throw ImageError(Fault::truncated,
                       "the JPEG is cut off in its pixels: the data ends before "
                       "the last block");
  }
  unsigned take(int count) {
    if (count == 0) return 0;
    fill(count);
    const auto value =
        static_cast<unsigned>(bits_ >> (held_ - count) & ((std::uint64_t{1} << count) - 1));
    drop(count);
    return value;
  }
  unsigned decode(const JpegCode& code) {
    const JpegCode::Found found = code.find(peek16());
    if (found.bits == 0 && held_ - 16 < invented_) drop(16);
    if (found.bits == 0) damaged("has a code that stands for nothing in its pixels");
    drop(found.bits);
    return found.value;
  }

  /// Goes on behind the restart marker of this number.
  void restart(unsigned number) {
    while (next_ + 1 < data_.size() &&
           (data_[next_] != 0xFF || data_[next_ + 1] == 0 || data_[next_ + 1] == 0xFF))
      ++next_;
    if (next_ + 1 >= data_.size()) damaged("lacks a restart marker");
    if (data_[next_ + 1] != 0xD0 + number) damaged("has restart markers out of order");
    next_ += 2;
    bits_ = 0;
    held_ = invented_ = 0;
  }

 private:
  void fill(int count) {
    while (held_ < count) {
      std::uint8_t byte = 0;
      if (at_marker()) {
        invented_ += 8;
      } else {
        byte = data_[next_];
        next_ += byte == 0xFF ? 2 : 1;
      }
      bits_ = bits_ << 8 | byte;
      held_ += 8;
    }
  }
  bool at_marker() const {
    if (next_ >= data_.size()) return true;
    return data_[next_] == 0xFF && (next_ + 1 >= data_.size() || data_[next_ + 1] != 0);
  }

  std::span<const std::uint8_t> data_;
  std::size_t next_ = 0;
  std::uint64_t bits_ = 0;
  int held_ = 0, invented_ = 0;  // the last invented_ of the held_ bits lie behind the data
};

class ScanWalk {
 public:
  explicit ScanWalk(const Scan& scan) : scan_(scan), bits_(scan.data) {}

  void run() {
    if (scan_.components.size() == 1) {
      const ScanComponent& component = scan_.components.front();
      for (int y = 0; y < component.blocks_high; ++y)
        for (int x = 0; x < component.blocks_wide; ++x) {
          begin_unit();
          read_block(component, x, y);
        }
      return;
    }
    for (int y = 0; y < scan_.units_high; ++y)
      for (int x = 0; x < scan_.units_wide; ++x) {
        begin_unit();
        for (const ScanComponent& component : scan_.components)
          for (int v = 0; v < component.vertical; ++v)
            for (int h = 0; h < component.horizontal; ++h)
              read_block(component, x * component.horizontal + h, y * component.vertical + v);
      }
  }

 private:
  void begin_unit() {
    if (scan_.restart_interval != 0 && units_ != 0 && units_ % scan_.restart_interval == 0) {
      bits_.restart(restarts_++ % 8);
      end_of_band_run_ = 0;
    }
    ++units_;
  }

  void read_block(const ScanComponent& component, int x, int y) {
    if (!scan_.progressive) {
      read_difference(component);
      read_band(component, nullptr);
      return;
    }
    if (scan_.first == 0) {
      if (scan_.high == 0)
        read_difference(component);
      else
        bits_.take(1);
      return;
    }
    std::uint64_t& nonzero =
        (*component.nonzero)[static_cast<std::size_t>(y) * component.blocks_stride +
                             static_cast<std::size_t>(x)];
    if (scan_.high != 0)
      refine_band(component, nonzero);
    else if (end_of_band_run_ > 0)
      --end_of_band_run_;
    else
      read_band(component, &nonzero);
  }

  void read_difference(const ScanComponent& component) {
    const unsigned size = bits_.decode(*component.dc);
    if (size > kMaxDcBits) damaged("has a coefficient too large in its pixels");
    bits_.take(static_cast<int>(size));
  }

  // T.81, F.2.2.2 and G.1.2.2.
  void read_band(const ScanComponent& component, std::uint64_t* nonzero) {
    for (int k = std::max(scan_.first, 1); k <= scan_.last; ++k) {
      const unsigned code = bits_.decode(*component.ac), run = code >> 4, size = code & 15u;
      k += static_cast<int>(run);
      if (size == 0 && run != 15) {
        if (nonzero != nullptr)
          end_of_band_run_ = (1u << run) - 1 + bits_.take(static_cast<int>(run));
        return;
      }
      if (size == 0) continue;
      if (k > scan_.last) damaged("has a coefficient beyond the last in its pixels");
      if (size > kMaxAcBits) damaged("has a coefficient too large in its pixels");
      bits_.take(static_cast<int>(size));
      if (nonzero != nullptr) *nonzero |= std::uint64_t{1} << k;
    }
  }

  // G.1.2.3: one bit for every coefficient that is not zero yet, and new ones between them.
  void refine_band(const ScanComponent& component, std::uint64_t& nonzero) {
    int k = scan_.first;
    while (end_of_band_run_ == 0 && k <= scan_.last) {
      const unsigned code = bits_.decode(*component.ac), size = code & 15u;
      unsigned run = code >> 4;
      if (size == 0 && run != 15) {
        end_of_band_run_ = (1u << run) + bits_.take(static_cast<int>(run));
        break;
      }
      if (size != 0) bits_.take(1);
      for (; k <= scan_.last; ++k) {
        if (is_nonzero(nonzero, k))
          bits_.take(1);
        else if (run-- == 0)
          break;
      }
      if (size != 0) {
        if (k > scan_.last) damaged("has a coefficient beyond the last in its pixels");
        nonzero |= std::uint64_t{1} << k;
      }
      ++k;
    }
    if (end_of_band_run_ == 0) return;
    for (; k <= scan_.last; ++k)
      if (is_nonzero(nonzero, k)) bits_.take(1);
    --end_of_band_run_;
  }

  static bool is_nonzero(std::uint64_t mask, int k) { return (mask >> k & 1u) != 0; }

  const Scan& scan_;
  ScanBits bits_;
  std::size_t units_ = 0;
  unsigned restarts_ = 0, end_of_band_run_ = 0;
};

}  // namespace

JpegCode::JpegCode(std::span<const std::uint8_t> counts, std::span<const std::uint8_t> values)
    : values_(values.begin(), values.end()) {
  unsigned code = 0, place = 0;
  for (std::size_t bits = 1; bits <= 16; ++bits, code <<= 1) {
    place_[bits] = place - code;  // modulo 2^32: added to a code, it gives the place
    for (unsigned i = 0; i < counts[bits - 1]; ++i, ++code, ++place) {
      if (bits > kFastBits) continue;
      const auto entry = static_cast<std::uint16_t>(values_[place] << 8 | static_cast<int>(bits));
      const std::size_t copies = std::size_t{1} << (kFastBits - bits);
      std::fill_n(fast_.begin() + static_cast<std::ptrdiff_t>(code * copies), copies, entry);
    }
    end_[bits] = code;
  }
}

JpegCode::Found JpegCode::find(unsigned bits16) const {
  const unsigned entry = fast_[bits16 >> (16 - kFastBits)];
  if (entry != 0) return {static_cast<int>(entry & 0xFFu), static_cast<std::uint8_t>(entry >> 8)};
  for (std::size_t bits = kFastBits + 1; bits <= 16; ++bits) {
    const unsigned code = bits16 >> (16 - bits);
    if (code < end_[bits]) return {static_cast<int>(bits), values_[code + place_[bits]]};
  }
  return {};
}

void check_scan(const Scan& scan) {
  ScanWalk(scan).run();
}

}  // namespace catgan
