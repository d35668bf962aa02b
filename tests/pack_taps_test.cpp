#include <cstring>
#include <limits>
#include <vector>

#include <whisker/core/memory_pool.h>
#include <whisker/core/random.h>
#include <whisker/kernels/cpu/pack_taps.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

constexpr auto kFloat = memory::data_type::f32;

/// Memory of a layout, filled with NaN so that padding left unwritten is seen.
std::vector<float> unwritten(const memory::desc& desc) {
  return std::vector<float>(kernels::cpu::bytes_of(desc) / sizeof(float),
                            std::numeric_limits<float>::quiet_NaN());
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

struct PackCase {
  std::int64_t out, in, rows, columns;
};
const PackCase kCases[] = {{64, 32, 3, 3}, {32, 17, 2, 3}, {16, 1, 1, 1},
                           {3, 20, 3, 2},  {70, 5, 2, 2},  {129, 40, 1, 5}};
const Tag kBlocked[] = {Tag::Acdb4a,  Tag::Acdb8a,  Tag::Acdb16a,
                        Tag::Acdb32a, Tag::Acdb48a, Tag::Acdb64a};

}  // namespace

TEST_CASE("taps are packed into blocked layouts bit by bit as oneDNN reorders them", "[pack]") {
  for (const PackCase& c : kCases) {
    // Memory order [i][r][s][o], every second tap is used, and the kernel is flipped or not.
    const std::int64_t row = 2 * c.columns * c.out, input = 2 * c.rows * row;
    const Tensor weight = random_tensor({c.in, 2 * c.rows, 2 * c.columns, c.out});
    for (const bool flipped : {false, true})
      for (const Tag tag : kBlocked) {
        INFO(c.out << " <- " << c.in << ", " << c.rows << "x" << c.columns << ", flipped "
                   << flipped << ", layout " << static_cast<int>(tag));
        const float* first = weight.data<float>() + row + c.out;
        const float* last = first + 2 * ((c.rows - 1) * row + (c.columns - 1) * c.out);
        const std::int64_t sign = flipped ? -1 : 1;
        const kernels::cpu::Taps taps{.data = flipped ? last : first,
                                      .i_stride = input,
                                      .r_stride = sign * 2 * row,
                                      .s_stride = sign * 2 * c.out};

        std::vector<float> plain;  // the same taps as [r, s, i, o]
        for (std::int64_t r = 0; r < c.rows; ++r)
          for (std::int64_t s = 0; s < c.columns; ++s)
            for (std::int64_t i = 0; i < c.in; ++i) {
              const std::int64_t from_r = flipped ? c.rows - 1 - r : r;
              const std::int64_t from_s = flipped ? c.columns - 1 - s : s;
              const float* run = first + i * input + 2 * (from_r * row + from_s * c.out);
              plain.insert(plain.end(), run, run + c.out);
            }

        const memory::dims dims{c.out, c.in, c.rows, c.columns};
        const memory::desc from(dims, kFloat, Tag::cdba), to(dims, kFloat, tag);
        std::vector<float> expected = unwritten(to), packed = unwritten(to);
        kernels::cpu::reorder(kernels::cpu::view(from, plain.data()),
                              kernels::cpu::view(to, expected.data()), cpu_context());
        REQUIRE(kernels::cpu::pack_taps(taps, to, packed.data()));
        CHECK(same_bits(packed, expected));
      }
  }
}

TEST_CASE("taps are left to oneDNN where the layout is not blocks of output channels", "[pack]") {
  const Tensor weight = random_tensor({32, 3, 3, 64});
  const kernels::cpu::Taps taps{weight.data<float>(), 9 * 64, 3 * 64, 64};
  const memory::dims dims{64, 32, 3, 3};
  const memory::desc refused[] = {{dims, kFloat, Tag::cdba},
                                  {dims, kFloat, Tag::ABcd16b16a},
                                  {dims, kFloat, Tag::aBcd16b},
                                  {dims, memory::data_type::bf16, Tag::Acdb16a}};
  for (const memory::desc& desc : refused) {
    std::vector<float> target(64 * 32 * 9, 1.0f);
    CHECK_FALSE(kernels::cpu::pack_taps(taps, desc, target.data()));
    CHECK(target == std::vector<float>(64 * 32 * 9, 1.0f));
  }
}

}  // namespace whisker::testing
