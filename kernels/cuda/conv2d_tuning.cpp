#include <map>
#include <tuple>
#include <utility>

#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/cuda/conv2d_tuning.h>
#include <whisker/kernels/cuda/tuned_table.h>
#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/conv2d.h>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

/// Orders problems, in any way.
auto key_of(Conv2dPass pass, const Conv2dShape& s, Conv2dMath math) {
  return std::tuple(pass, math, s.batch, s.in_h, s.in_w, s.in_channels, s.out_channels, s.kernel_h,
                    s.kernel_w, s.stride_h, s.stride_w, s.padding.top, s.padding.bottom,
                    s.padding.left, s.padding.right);
}
using Key = decltype(key_of({}, {}, {}));

auto& table() {
  static auto& the_table = *new TunedTable<Key, Conv2dPlan>;
  return the_table;
}

bool has_engine(Conv2dPass pass, const Conv2dShape& shape, Conv2dMath math, const Conv2dPlan& plan,
                Context& context) {
  if constexpr (cudnn::kWithCudnn)
    return cudnn::conv2d_supported({pass, shape, math}, plan.engine, context);
  return false;
}

}  // namespace

void set_tuned_conv2d(int device, const std::vector<TunedConv2d>& rows) {
  std::map<Key, Conv2dPlan> plans;
  for (const TunedConv2d& row : rows)
    plans[key_of(row.pass, row.shape, row.math)] = row.plan;
  table().set(device, std::move(plans));
}

std::optional<Conv2dPlan> find_tuned_conv2d(int device, Conv2dPass pass, const Conv2dShape& shape,
                                            Conv2dMath math) {
  return table().find(device, key_of(pass, shape, math));
}

Conv2dPlan select_conv2d_plan(Conv2dPass pass, const Conv2dShape& shape, Conv2dFacts facts,
                              Context& context) {
  static const std::string_view algorithm = environment("WHISKER_CONV_TILE");
  static const Policy policy = read_policy(kConv2dByCudnn);
  const Conv2dWish wish{policy, algorithm,
                        find_tuned_conv2d(context.device, pass, shape, facts.math)};
  const Conv2dPlan plan = choose_conv2d_plan(pass, shape, facts, wish);
  if (plan.algorithm != Conv2dAlgorithm::cudnn || policy == Policy::library ||
      has_engine(pass, shape, facts.math, plan, context))
    return plan;
  facts.cudnn = false;
  return choose_conv2d_plan(pass, shape, facts, wish);
}

bool cudnn_usable() {
  if constexpr (cudnn::kWithCudnn) return cudnn::cudnn_available();
  return false;
}

}  // namespace whisker::inline v0_1::kernels::cuda
