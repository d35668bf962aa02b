#include <cstdlib>
#include <map>
#include <mutex>
#include <tuple>

#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/cuda/conv2d_tuning.h>
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

/// Never destroyed: static objects of the program may still call kernels at exit.
struct Tables {
  std::mutex mutex;
  std::map<int, std::map<Key, Conv2dPlan>> by_device;
};
Tables& tables() {
  static Tables& the_tables = *new Tables;
  return the_tables;
}

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool has_engine(Conv2dPass pass, const Conv2dShape& shape, Conv2dMath math, const Conv2dPlan& plan,
                Context& context) {
  if constexpr (cudnn::kWithCudnn)
    return cudnn::conv2d_supported({pass, shape, math}, plan.engine, context);
  return false;
}

}  // namespace

void set_tuned_conv2d(int device, const std::vector<TunedConv2d>& rows) {
  std::map<Key, Conv2dPlan> table;
  for (const TunedConv2d& row : rows)
    table[key_of(row.pass, row.shape, row.math)] = row.plan;
  const std::lock_guard lock(tables().mutex);
  tables().by_device[device] = std::move(table);
}

std::optional<Conv2dPlan> find_tuned_conv2d(int device, Conv2dPass pass, const Conv2dShape& shape,
                                            Conv2dMath math) {
  const std::lock_guard lock(tables().mutex);
  const auto table = tables().by_device.find(device);
  if (table == tables().by_device.end()) return std::nullopt;
  const auto row = table->second.find(key_of(pass, shape, math));
  return row == table->second.end() ? std::nullopt : std::optional(row->second);
}

Conv2dPlan select_conv2d_plan(Conv2dPass pass, const Conv2dShape& shape, Conv2dFacts facts,
                              Context& context) {
  static const std::string_view algorithm = variable("WHISKER_CONV_TILE");
  static const Conv2dPolicy policy = variable("WHISKER_CONV").empty()
                                         ? Conv2dPolicy::automatic
                                         : parse_conv2d_policy(variable("WHISKER_CONV"));
  const Conv2dWish wish{policy, algorithm,
                        find_tuned_conv2d(context.device, pass, shape, facts.math)};
  const Conv2dPlan plan = choose_conv2d_plan(pass, shape, facts, wish);
  if (plan.algorithm != Conv2dAlgorithm::cudnn || policy == Conv2dPolicy::cudnn ||
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
