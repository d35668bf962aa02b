// wgmma.mma_async m64nNk16 of bfloat16 with operands in shared memory, 128-byte swizzle (PTX ISA
// 9.7.15). Warp w of a warpgroup holds rows 16 w to 16 w + 15 of d.
#include <bit>
#include <cstring>

#include <whisker/kernels/check.h>
#include <whisker/kernels/sim/block.h>
#include <whisker/kernels/sim/checker.h>
#include <whisker/kernels/sim/matrix.h>

namespace whisker::inline v0_1::kernels::sim {
namespace {

constexpr unsigned kFullMask = 0xFFFFFFFFu, kWarpsOfGroup = 4;

WarpProducts& products(unsigned warp) { return BlockRunner::current()->hopper().warps[warp]; }

/// Where element (row, k) of an operand is; `row` counts along M of a and N of b.
std::uint32_t element_offset(std::uint64_t descriptor, int row, int k, bool mn_major) {
  const auto field = [descriptor](int bit) {
    return static_cast<std::uint32_t>(descriptor >> bit & 0x3FFFu) << 4;
  };
  const std::uint32_t start = field(0), leading = field(16), stride = field(32);
  const auto r = static_cast<std::uint32_t>(row), c = static_cast<std::uint32_t>(k);
  // Atoms of 8 rows of 128 bytes; along the contiguous axis one atom holds 64 elements.
  const std::uint32_t inside =
      mn_major ? r % 64 * 2 + r / 64 * leading + c % 8 * 128 + c / 8 * stride
               : r % 8 * 128 + r / 8 * stride + c * 2;
  return swizzle_128(start + inside);
}

float load(std::uint64_t descriptor, int row, int k, bool mn_major) {
  std::uint16_t bits;
  std::memcpy(&bits,
              BlockRunner::current()->shared().at(element_offset(descriptor, row, k, mn_major)), 2);
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

/// Tells the checker of the reads of an operand, 16 bytes at a time.
void note_reads(std::uint64_t descriptor, int first_row, int rows, bool mn_major, CallSite site) {
  const SharedArena& arena = BlockRunner::current()->shared();
  for (int row = first_row; row < first_row + rows; row += mn_major ? 8 : 1)
    for (int k = 0; k < 16; k += mn_major ? 1 : 8) {
      const std::uint32_t offset = element_offset(descriptor, row, k, mn_major);
      if (!arena.valid(offset, 16))
        fail(str("wgmma.mma_async at ", site, ": the descriptor reaches ", arena.describe(offset)));
      note_access(arena.at(offset), 16, Access::kRead, site);
    }
}

void compute(const WarpProducts::Issued& issued, int warp_of_group) {
  const MatrixProduct& product = issued.product;
  const int first_row = 16 * warp_of_group;
  note_reads(product.a, first_row, 16, product.a_is_mn_major, issued.site);
  note_reads(product.b, 0, product.columns, product.b_is_mn_major, issued.site);
  float a[16][16];
  for (int row = 0; row < 16; ++row)
    for (int k = 0; k < 16; ++k)
      a[row][k] = load(product.a, first_row + row, k, product.a_is_mn_major);
  for (int column = 0; column < product.columns; column += 8) {
    Row8 b[16];
    for (int k = 0; k < 16; ++k)
      for (int n = 0; n < 8; ++n)
        b[k][n] = load(product.b, column + n, k, product.b_is_mn_major);
    float* d[32];
    for (unsigned lane = 0; lane < kWarpSize; ++lane)
      d[lane] = issued.d[lane] + column / 2;
    multiply_accumulate<16>(a, b, d);
  }
}

struct IssueArgument {
  MatrixProduct product;
  float* d;
  CallSite site;
};

void run_issue(void* const* arguments, unsigned) {
  WarpProducts& mine = products(current_thread->warp);
  const auto& first = *static_cast<const IssueArgument*>(arguments[0]);
  if (!mine.fenced) fail(str("wgmma.mma_async at ", first.site, ": no wgmma.fence before it"));
  if (first.product.a >> 62 != 1 || first.product.b >> 62 != 1)
    fail(str("wgmma.mma_async at ", first.site, ": only the 128-byte swizzle is simulated"));
  WarpProducts::Issued issued{first.product, {}, first.site};
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    const auto& argument = *static_cast<const IssueArgument*>(arguments[lane]);
    if (argument.product.a != first.product.a || argument.product.b != first.product.b)
      fail(str("wgmma.mma_async at ", first.site, ": the descriptors differ between lanes"));
    issued.d[lane] = argument.d;
  }
  mine.queue.push_back(issued);
  ++mine.issued;
}

/// All four warps' products up to the oldest group: the hardware completes a group for the
/// warpgroup, so one warp that has waited may let the operands be overwritten.
void complete_group(unsigned warp) {
  const unsigned first = warp / kWarpsOfGroup * kWarpsOfGroup, engine = warp / kWarpsOfGroup;
  const std::size_t upto = products(warp).groups.front();
  products(warp).groups.pop_front();
  if constexpr (kChecking) checker::begin_engine(engine);
  for (unsigned i = 0; i < kWarpsOfGroup; ++i) {
    WarpProducts& other = products(first + i);
    while (!other.queue.empty() && other.issued - other.queue.size() < upto) {
      compute(other.queue.front(), static_cast<int>(i));
      other.queue.pop_front();
    }
  }
  if constexpr (kChecking) checker::end_engine();
}

}  // namespace

void wgmma(const MatrixProduct& product, float* d, CallSite site) {
  IssueArgument argument{product, d, site};
  warp_collective(kFullMask, "wgmma.mma_async", &argument, run_issue, site);
}

void wgmma_wait_groups(unsigned newest, CallSite site) {
  const unsigned warp = current_thread->warp;
  struct Wait {
    unsigned first;
    std::size_t issued;
  } wait{warp / kWarpsOfGroup * kWarpsOfGroup, 0};
  const auto& groups = products(warp).groups;
  if (groups.size() > newest) wait.issued = groups[groups.size() - newest - 1];
  BlockRunner::current()->wait_until(
      {[](const void* state) {
         const auto& mine = *static_cast<const Wait*>(state);
         for (unsigned i = 0; i < kWarpsOfGroup; ++i)
           if (products(mine.first + i).issued < mine.issued) return false;
         return true;
       },
       &wait},
      "wgmma.wait_group, for products that other warps of the group have not issued", site);
  unsigned argument = newest;
  warp_collective(
      kFullMask, "wgmma.wait_group", &argument,
      [](void* const* arguments, unsigned) {
        const unsigned mine = current_thread->warp;
        while (products(mine).groups.size() > *static_cast<const unsigned*>(arguments[0]))
          complete_group(mine);
        if (products(mine).groups.empty()) products(mine).fenced = false;
        if constexpr (kChecking) checker::wait_for_engine(mine / kWarpsOfGroup);
      },
      site);
}

}  // namespace whisker::inline v0_1::kernels::sim

namespace whisker::inline v0_1::kernels::cuda::ptx {

using namespace sim;

std::uint64_t matrix_descriptor(const void* shared, std::uint32_t leading_bytes,
                                std::uint32_t stride_bytes) {
  return std::uint64_t{(shared_offset(shared, "matrix_descriptor") & 0x3FFFFu) >> 4} |
         std::uint64_t{leading_bytes >> 4} << 16 | std::uint64_t{stride_bytes >> 4} << 32 |
         std::uint64_t{1} << 62;
}

void wgmma_fence(CallSite site) {
  warp_collective(
      kFullMask, "wgmma.fence", nullptr,
      [](void* const*, unsigned) { products(current_thread->warp).fenced = true; }, site);
}

void wgmma_commit(CallSite site) {
  warp_collective(
      kFullMask, "wgmma.commit_group", nullptr,
      [](void* const*, unsigned) {
        WarpProducts& mine = products(current_thread->warp);
        mine.groups.push_back(mine.issued);
      },
      site);
}

}  // namespace whisker::inline v0_1::kernels::cuda::ptx
