#include <map>
#include <tuple>
#include <utility>

#include <whisker/kernels/cuda/matmul_choice.h>
#include <whisker/kernels/cuda/tuned_table.h>
#include <whisker/kernels/cudnn/availability.h>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

constexpr double kWorthCublas = 1e9;  // operations, below which a product takes microseconds anyway

/// Orders problems, in any way.
auto key_of(const MatmulShape& s, MathType math) {
  return std::tuple(math, s.m, s.n, s.k, s.transpose_a, s.transpose_b);
}
using Key = decltype(key_of({}, {}));

auto& table() {
  static auto& the_table = *new TunedTable<Key, Backend>;
  return the_table;
}

/// Whether all rows in memory begin at 16 bytes, which our tensor-core kernel copies at a time.
bool copies_in_chunks(const MatmulShape& s, const MatmulFacts& facts) {
  const std::int64_t chunk = facts.math == MathType::bfloat16 ? 8 : 4;
  const std::int64_t a_row = s.transpose_a ? s.m : s.k, b_row = s.transpose_b ? s.k : s.n;
  return facts.aligned && a_row % chunk == 0 && b_row % chunk == 0;
}

}  // namespace

Backend choose_matmul_backend(const MatmulShape& shape, const MatmulFacts& facts, Policy policy,
                              std::optional<Backend> tuned) {
  check_found(kMatmulByCublas, policy, facts.cublas);
  if (policy == Policy::library) return Backend::library;
  if (policy == Policy::own || !facts.cublas) return Backend::own;
  if (tuned) return *tuned;
  const bool gathers = facts.math != MathType::float32 && !copies_in_chunks(shape, facts);
  return gathers && shape.flops() >= kWorthCublas ? Backend::library : Backend::own;
}

void set_tuned_matmul(int device, const std::vector<TunedMatmul>& rows) {
  std::map<Key, Backend> backends;
  for (const TunedMatmul& row : rows)
    backends[key_of(row.shape, row.math)] = row.backend;
  table().set(device, std::move(backends));
}

std::optional<Backend> find_tuned_matmul(int device, const MatmulShape& shape, MathType math) {
  return table().find(device, key_of(shape, math));
}

Backend select_matmul_backend(const MatmulShape& shape, MatmulFacts facts, const Context& context) {
  static const Policy policy = read_policy(kMatmulByCublas);
  const auto tuned = find_tuned_matmul(context.device, shape, facts.math);
  facts.cublas = true;
  if (choose_matmul_backend(shape, facts, policy, tuned) == Backend::own) return Backend::own;
  facts.cublas = cublas_usable();
  return choose_matmul_backend(shape, facts, policy, tuned);
}

bool cublas_usable() {
  if constexpr (cudnn::kWithCudnn) return cudnn::cublas_available();
  return false;
}

}  // namespace whisker::inline v0_1::kernels::cuda
