// How tiles lie in shared memory: every element once, and no two accesses on one bank.
#include <set>

#include <whisker/kernels/bfloat16.h>
#include <whisker/kernels/cuda/conv2d_tile.h>

#include "catch.h"

namespace whisker::testing {
namespace {

using namespace kernels::cuda;

constexpr int kBanks = 32, kBankBytes = 4;

/// The most distinct words that one bank is asked for when `bytes` are read at each address.
int worst_bank(const std::vector<int>& addresses, int bytes) {
  std::set<int> words[kBanks];
  for (const int address : addresses)
    for (int word = address / kBankBytes; word < (address + bytes) / kBankBytes; ++word)
      words[word % kBanks].insert(word);
  std::size_t worst = 0;
  for (const auto& bank : words)
    worst = std::max(worst, bank.size());
  return static_cast<int>(worst);
}

template <class Tile>
void check_copies(int threads) {
  std::set<int> places;
  for (int pass = 0; pass < Tile::kPasses; ++pass)
    for (int first = 0; first < threads; first += 8) {  // 16-byte accesses go 8 threads at a time
      std::vector<int> addresses;
      for (int thread = first; thread < first + 8; ++thread) {
        const int place = Tile::offset(Tile::row(thread, pass), Tile::chunk(thread));
        CHECK(place % kChunkBytes == 0);
        CHECK((place >= 0 && place < Tile::kBytes));
        places.insert(place);
        addresses.push_back(place);
      }
      CHECK(worst_bank(addresses, kChunkBytes) == 1);
    }
  CHECK(static_cast<int>(places.size()) == Tile::kBytes / kChunkBytes);
}

/// The place of element (mn, k) as the copies leave it.
template <class Tile, class T, Major kMajor>
int place_of(int mn, int k) {
  const int row = kMajor == Major::k ? mn : k, column = kMajor == Major::k ? k : mn;
  return Tile::offset(row, column / Tile::kChunk) +
         column % Tile::kChunk * static_cast<int>(sizeof(T));
}

template <class Tile, class T, Major kMajor>
void check_fragments(int block_mn) {
  constexpr int kStepK = kMmaStepBytes / static_cast<int>(sizeof(T));
  for (int mn = 0; mn < block_mn; mn += 16)
    for (int step = 0; step < 2; ++step)
      for (int matrix = 0; matrix < 4; ++matrix) {
        const int first_mn = mn + matrix % 2 * 8, first_k = step * kStepK + matrix / 2 * kStepK / 2;
        std::vector<int> addresses;
        if constexpr (Tile::kByLdmatrix) {
          for (int row = 0; row < 8; ++row) {
            addresses.push_back(Tile::matrix_row(matrix * 8 + row, mn, step));
            const bool along_k = kMajor == Major::k;
            CHECK(addresses.back() == (place_of<Tile, T, kMajor>(first_mn + (along_k ? row : 0),
                                                                 first_k + (along_k ? 0 : row))));
          }
          CHECK(worst_bank(addresses, kChunkBytes) == 1);
        } else {
          for (int lane = 0; lane < 32; ++lane) {
            addresses.push_back(Tile::element(lane, mn, step, matrix));
            CHECK(addresses.back() ==
                  (place_of<Tile, T, kMajor>(first_mn + lane / 4, first_k + lane % 4)));
          }
          CHECK(worst_bank(addresses, kBankBytes) == 1);
        }
      }
}

template <class T, Major kMajor, int kBlockMn, int kThreads>
void check_operand_tile() {
  using Tile = OperandTile<T, kMajor, kBlockMn, kThreads>;
  INFO((kMajor == Major::k ? "along k, " : "along mn, ")
       << kBlockMn << ", " << kThreads << " threads, " << sizeof(T) << " bytes");
  check_copies<Tile>(kThreads);
  check_fragments<Tile, T, kMajor>(kBlockMn);
  for (int mn = 0; mn + Tile::kPeriod < kBlockMn; ++mn)
    for (int k = 0; k < Tile::kBlockK; ++k)
      CHECK((place_of<Tile, T, kMajor>(mn + Tile::kPeriod, k) ==
             place_of<Tile, T, kMajor>(mn, k) + Tile::kPeriod * Tile::kMnBytes));
}

template <int kTile = 0>
void check_tiles() {
  if constexpr (kTile < kMmaTileCount) {
    constexpr MmaTile kSizes = kMmaTiles[kTile];
    constexpr int kThreads = kSizes.threads();
    check_operand_tile<float, Major::k, kSizes.block_m, kThreads>();
    check_operand_tile<float, Major::mn, kSizes.block_m, kThreads>();
    check_operand_tile<bfloat16, Major::k, kSizes.block_m, kThreads>();
    check_operand_tile<bfloat16, Major::mn, kSizes.block_m, kThreads>();
    check_operand_tile<float, Major::k, kSizes.block_n, kThreads>();
    check_operand_tile<float, Major::mn, kSizes.block_n, kThreads>();
    check_operand_tile<bfloat16, Major::k, kSizes.block_n, kThreads>();
    check_operand_tile<bfloat16, Major::mn, kSizes.block_n, kThreads>();
    check_tiles<kTile + 1>();
  }
}

}  // namespace

TEST_CASE("tiles in shared memory hold every chunk once and never make banks wait",
          "[conv2d][index]") {
  check_tiles();
}

TEST_CASE("every tile fits on the smallest GPU, and as often as it wants on the largest",
          "[conv2d][index]") {
  // Shared memory of sm_86 and sm_89, and of sm_90, of which the system takes 1 KiB per block (CUDA
  // programming guide, table of technical specifications).
  constexpr int kSmallest = 100 * 1024, kLargest = 228 * 1024, kReserved = 1024;
  for (const MmaTile& tile : kMmaTiles) {
    INFO(tile.block_m << "x" << tile.block_n);
    CHECK(tile.shared_bytes() + kReserved <= kSmallest);
    CHECK(tile.blocks * (tile.shared_bytes() + kReserved) <= kLargest);
  }
}

}  // namespace whisker::testing
