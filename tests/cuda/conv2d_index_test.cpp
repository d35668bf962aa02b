// The index functions of the implicit GEMMs, walked on the host as the kernels walk them.
#include <algorithm>
#include <array>
#include <utility>

#include <whisker/kernels/cuda/conv2d_tile.h>

#include "catch.h"
#include "conv2d_cases.h"
#include "reference/conv2d.h"

namespace whisker::testing {
namespace {

using namespace kernels::cuda;
using kernels::Conv2dShape;

/// One product: offsets in x, weight and y (or their gradients).
using Product = std::array<std::int64_t, 3>;

/// The products of the definition, to be crossed off. y and the weight name one; x is its third.
class Checklist {
 public:
  explicit Checklist(const Conv2dShape& shape)
      : outputs_(shape.out_channels),
        terms_(shape.weight_size() / shape.out_channels),
        x_(static_cast<std::size_t>(shape.output_size() * terms_), kNone) {
    reference::for_each_product(
        shape, shape.out_h(), shape.out_w(),
        [&](std::int64_t x, std::int64_t weight, std::int64_t y) { x_[place(weight, y)] = x; });
  }

  /// Whether it was on the list; then it no longer is.
  bool cross_off(const Product& product) {
    const auto [x, weight, y] = product;
    if (weight / terms_ != y % outputs_ || place(weight, y) >= x_.size()) return false;
    return x != kNone && std::exchange(x_[place(weight, y)], kNone) == x;
  }
  bool done() const {
    return std::all_of(x_.begin(), x_.end(), [](std::int64_t x) { return x == kNone; });
  }

 private:
  static constexpr std::int64_t kNone = -1;

  std::size_t place(std::int64_t weight, std::int64_t y) const {
    return static_cast<std::size_t>(y * terms_ + weight % terms_);
  }

  std::int64_t outputs_, terms_;  // of a pixel, and of a result
  std::vector<std::int64_t> x_;
};

/// A tiling of any of the kernels.
struct Tiling {
  std::string name;
  int block_m, block_n, block_k;
  int chunk;  // neighbours that one copy moves
};

std::vector<Tiling> all_tilings() {
  std::vector<Tiling> tilings{{"simt", kSimtBlock, kSimtBlock, kSimtBlockK, 1},
                              {"simt by 4", kSimtBlock, kSimtBlock, kSimtBlockK, 4}};
  for (const MmaTile& tile : kMmaTiles)
    for (const int bytes : {2, 4})
      tilings.push_back({str(tile.block_m, "x", tile.block_n, ", ", bytes, " bytes"), tile.block_m,
                         tile.block_n, kMmaBlockKBytes / bytes, kChunkBytes / bytes});
  return tilings;
}

bool fits(const Tiling& tiling, const Conv2dShape& shape) {
  return shape.in_channels % tiling.chunk == 0 && shape.out_channels % tiling.chunk == 0;
}

/// What one copy starting at an even place moves: neighbours, or nothing but zeros.
template <class Operand>
bool is_chunk(const Operand& operand, int mn, int k, int chunk) {
  const std::int64_t first = operand.offset(operand.mn(mn), operand.k(k));
  for (int i = 1; i < chunk; ++i) {
    const bool along_k = Operand::kMajor == Major::k;
    const std::int64_t next =
        operand.offset(operand.mn(along_k ? mn : mn + i), operand.k(along_k ? k + i : k));
    if (next != (first == kOutside ? kOutside : first + i)) return false;
  }
  return first == kOutside || first % chunk == 0;
}

/// Walks all blocks and splits of a group as the kernels do. Calls product(a, b, c) for each
/// product that is not with a zero of the padding, and result(c) for each result of each split.
template <class Gemm, class OnProduct, class OnResult>
void walk(const GemmGroup<Gemm>& group, const Tiling& tiling, int splits, const OnProduct& product,
          const OnResult& result) {
  for (int block = 0; block < group.tiles(); ++block) {
    const auto tile = group.tile(block);
    const Gemm& gemm = group.gemms[tile.gemm];
    const int first_m = tile.m * tiling.block_m, first_n = tile.n * tiling.block_n;
    const int end_m = std::min(first_m + tiling.block_m, gemm.m);
    const int end_n = std::min(first_n + tiling.block_n, gemm.n);
    for (int split = 0; split < splits; ++split) {
      const KRange range = split_k(gemm.k, tiling.block_k, splits, split);
      REQUIRE(range.begin % tiling.chunk == 0);
      for (int m = first_m; m < end_m; ++m)
        for (int n = first_n; n < end_n; ++n)
          result(gemm.c.row(m) + n);
      for (int k = range.begin; k < range.end; ++k)
        for (int m = first_m; m < end_m; ++m) {
          const std::int64_t a = gemm.a.offset(gemm.a.mn(m), gemm.a.k(k));
          if (a == kOutside) continue;
          for (int n = first_n; n < end_n; ++n) {
            const std::int64_t b = gemm.b.offset(gemm.b.mn(n), gemm.b.k(k));
            if (b != kOutside) product(a, b, gemm.c.row(m) + n);
          }
        }
    }
  }
}

template <class Gemm>
std::vector<GemmGroup<Gemm>> groups_of(const std::vector<Gemm>& gemms, const Tiling& tiling) {
  std::vector<GemmGroup<Gemm>> groups(1);
  for (const Gemm& gemm : gemms) {
    if (groups.back().count == Gemm::kMaxGroup) groups.emplace_back();
    groups.back().add(gemm, tiling.block_m, tiling.block_n);
  }
  return groups;
}

std::vector<BackwardDataGemm> phases_of(const Conv2dShape& shape) {
  std::vector<BackwardDataGemm> gemms;
  for (int h = 0; h < std::min<std::int64_t>(shape.stride_h, shape.in_h); ++h)
    for (int w = 0; w < std::min<std::int64_t>(shape.stride_w, shape.in_w); ++w)
      gemms.push_back(backward_data_gemm(shape, h, w));
  return gemms;
}

/// Whether the GEMMs, walked in tiles, do each product of the definition once, and write each of
/// `results` results once per split. order: which of (a, b, c) are x, weight and y.
template <class Gemm>
void check_walk(const std::vector<Gemm>& gemms, const Tiling& tiling, int splits,
                std::array<int, 3> order, std::int64_t results, Checklist products) {
  bool right = true;
  std::vector<int> written(static_cast<std::size_t>(results));
  for (const GemmGroup<Gemm>& group : groups_of(gemms, tiling))
    walk(
        group, tiling, splits,
        [&](std::int64_t a, std::int64_t b, std::int64_t c) {
          const Product found{a, b, c};
          right &= products.cross_off({found[order[0]], found[order[1]], found[order[2]]});
        },
        [&](std::int64_t c) { ++written.at(static_cast<std::size_t>(c)); });
  CHECK(right);
  CHECK(products.done());
  CHECK(std::all_of(written.begin(), written.end(), [&](int count) { return count == splits; }));
}

template <class Gemm>
void check_chunks(const std::vector<Gemm>& gemms, int chunk) {
  bool good = true;
  for (const Gemm& gemm : gemms) {
    const bool a_along_k = Gemm::A::kMajor == Major::k, b_along_k = Gemm::B::kMajor == Major::k;
    for (int k = 0; k < gemm.k; ++k) {
      for (int m = 0; m < gemm.m; ++m)
        if ((a_along_k ? k : m) % chunk == 0) good &= is_chunk(gemm.a, m, k, chunk);
      for (int n = 0; n < gemm.n; ++n)
        if ((b_along_k ? k : n) % chunk == 0) good &= is_chunk(gemm.b, n, k, chunk);
    }
  }
  CHECK(good);
}

/// Whether the last product is of the last elements of arrays of these sizes.
template <class Gemm>
void check_last(const Gemm& gemm, std::int64_t a, std::int64_t b, std::int64_t c) {
  const int m = gemm.m - 1, n = gemm.n - 1, k = gemm.k - 1;
  CHECK(gemm.a.offset(gemm.a.mn(m), gemm.a.k(k)) == a - 1);
  CHECK(gemm.b.offset(gemm.b.mn(n), gemm.b.k(k)) == b - 1);
  CHECK(gemm.c.row(m) + n == c - 1);
}

std::vector<CudaConvCase> all_cases() {
  std::vector<CudaConvCase> cases = small_cuda_convs();
  cases.insert(cases.end(), tiled_cuda_convs().begin(), tiled_cuda_convs().end());
  return cases;
}

}  // namespace

TEST_CASE("conv2d's tiles do every product of the definition exactly once", "[conv2d][index]") {
  for (const CudaConvCase& c : all_cases()) {
    const Checklist expected(c.shape);
    for (const Tiling& tiling : all_tilings()) {
      if (!fits(tiling, c.shape)) continue;
      INFO(c.remark << ", " << c.shape.to_string() << ", tile " << tiling.name);
      check_walk<ForwardGemm>({forward_gemm(c.shape)}, tiling, 1, {0, 1, 2}, c.shape.output_size(),
                              expected);
      check_walk<BackwardDataGemm>(phases_of(c.shape), tiling, 1, {2, 1, 0}, c.shape.input_size(),
                                   expected);
      for (const int splits : {1, 3})
        check_walk<BackwardWeightGemm>({backward_weight_gemm(c.shape)}, tiling, splits, {1, 2, 0},
                                       c.shape.weight_size(), expected);
    }
  }
}

TEST_CASE("what conv2d's kernels copy in one piece are neighbours of one tap", "[conv2d][index]") {
  for (const CudaConvCase& c : tiled_cuda_convs()) {
    INFO(c.remark);
    for (const int chunk : {4, 8}) {
      check_chunks<ForwardGemm>({forward_gemm(c.shape)}, chunk);
      check_chunks<BackwardDataGemm>(phases_of(c.shape), chunk);
      check_chunks<BackwardWeightGemm>({backward_weight_gemm(c.shape)}, chunk);
    }
  }
}

TEST_CASE("backward_data multiplies no zeros but those of the border", "[conv2d][index]") {
  // Of an unpadded image whose size the stride divides, all taps inside are real.
  const Conv2dShape shape = padded_shape(2, 12, 12, 8, 16, 3, 3, {});
  std::int64_t products = 0;
  for (const BackwardDataGemm& gemm : phases_of(shape))
    products += std::int64_t{gemm.m} * gemm.n * gemm.k;
  CHECK(static_cast<double>(products) == shape.flops() / 2);
}

TEST_CASE("splits of k cover it once, in whole blocks", "[conv2d][index]") {
  for (const int k : {0, 1, 31, 32, 33, 1000})
    for (const int splits : {1, 2, 3, 7, 64}) {
      int end = 0;
      for (int split = 0; split < splits; ++split) {
        const KRange range = split_k(k, 32, splits, split);
        CHECK(range.begin == (range.begin < range.end ? end : range.begin));
        CHECK(range.begin % 32 == 0);
        end = std::max(end, range.end);
      }
      CHECK(end == k);
    }
}

TEST_CASE("IndexDivisor divides exactly", "[conv2d][index]") {
  std::vector<int> divisors{46341, 65535, 65536, 1 << 30, (1 << 30) + 1, 2147483647};
  for (int d = 1; d < 700; ++d)
    divisors.push_back(d);
  bool good = true;
  for (const int d : divisors) {
    const IndexDivisor divisor(d);
    const std::int64_t last = 2147483647;
    for (std::int64_t q = 0; q * d <= last; q += std::max<std::int64_t>(1, last / d / 500))
      for (const std::int64_t n : {q * d - 1, q * d, q * d + d - 1})
        if (n >= 0 && n <= last) good &= divisor.divide(static_cast<int>(n)) == n / d;
    good &= divisor.divide(2147483647) == 2147483647 / d;
  }
  CHECK(good);
}

TEST_CASE("conv2d's offsets reach beyond 2^31 elements", "[conv2d][index]") {
  const Conv2dShape shape = same_shape(500, 1024, 1024, 16, 24, 1, 1, 1, 1);
  check_gemm_sizes(shape);
  const std::int64_t x = shape.input_size(), weight = shape.weight_size(), y = shape.output_size();
  REQUIRE(std::min(x, y) > std::int64_t{1} << 31);
  check_last(forward_gemm(shape), x, weight, y);
  check_last(backward_data_gemm(shape, 0, 0), y, weight, x);
  check_last(backward_weight_gemm(shape), y, x, weight);
}

TEST_CASE("conv2d says how to split a problem that 32-bit indices do not reach",
          "[conv2d][index][errors]") {
  const Conv2dShape shape = same_shape(40000, 256, 256, 3, 8, 3, 3, 1, 1);
  CHECK_THROWS_WITH(check_gemm_sizes(shape), Catch::Contains("conv2d: 2621440000 pixels of x") &&
                                                 Catch::Contains("split the batch"));
}

}  // namespace whisker::testing
