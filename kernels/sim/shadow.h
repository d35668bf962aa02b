// What the checker remembers of every byte that kernels can share.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <whisker/kernels/sim/location.h>

namespace whisker::inline v0_1::kernels::sim {

/// One access. All zero: none.
struct Record {
  static constexpr std::uint16_t kHost = 0xFFFF;  // a copy or fill that a stream does

  std::uint32_t operation = 0, block = 0, stamp = 0;
  Location location = 0;
  std::uint16_t agent = 0;  // 1 + the thread's rank, 1 + 1024 + the engine's number, or kHost
  bool atomic = false;
  bool in_flight = false;  // written by an asynchronous copy that is not complete

  bool exists() const { return agent != 0; }
};

/// The last write and two reads since; of more readers than two the checker forgets some.
struct Cell {
  Record write;
  std::array<Record, 2> reads;
};

/// Four bytes share a cell until one of them is accessed alone.
struct Word {
  Cell cell;
  std::uint32_t split = 0;  // 1 + the place of its four cells in the pool
};

/// The cells of words that are split.
class SplitPool {
 public:
  std::array<Cell, 4>& of(Word& word) {
    if (word.split == 0) {
      if (free_.empty()) {
        cells_.emplace_back();
        free_.push_back(static_cast<std::uint32_t>(cells_.size()));
      }
      word.split = free_.back();
      free_.pop_back();
      cells_[word.split - 1].fill(word.cell);
    }
    return cells_[word.split - 1];
  }
  void forget(Word& word) {
    if (word.split != 0) free_.push_back(word.split);
    word = Word{};
  }
  void clear() {
    cells_.clear();
    free_.clear();
  }

 private:
  std::vector<std::array<Cell, 4>> cells_;
  std::vector<std::uint32_t> free_;
};

}  // namespace whisker::inline v0_1::kernels::sim
