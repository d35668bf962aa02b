#ifdef WHISKER_CUDA
#include <algorithm>

#include <whisker/core/ops/cast.h>
#include <whisker/core/ops/conv2d.h>
#include <whisker/core/random.h>
#include <whisker/kernels/cuda/conv2d_plan.h>
#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/conv2d.h>

#include "gpu_compare.h"
#include "gpu_report.h"

namespace whisker_bench {
namespace {

using namespace whisker::kernels::cuda;
using whisker::Tensor;
using whisker::kernels::Conv2dShape;
namespace cudnn = whisker::kernels::cudnn;

const char* name_of(Conv2dPass pass) {
  switch (pass) {
    case Conv2dPass::forward:
      return "forward";
    case Conv2dPass::backward_data:
      return "backward data";
    case Conv2dPass::backward_weight:
      break;
  }
  return "backward weight";
}

std::vector<Conv2dPlan> cudnn_plans(Conv2dPass pass, const Conv2dShape& shape, Conv2dMath math,
                                    Context& context) {
  std::vector<Conv2dPlan> plans;
  if constexpr (cudnn::kWithCudnn) {
    if (!cudnn_usable()) return plans;
    for (const auto& engine : cudnn::list_conv2d_engines({pass, shape, math}, context))
      plans.push_back({.algorithm = Conv2dAlgorithm::cudnn, .engine = engine.name});
  }
  return plans;
}

/// Every plan of ours, with half and twice the splits that the model suggests.
std::vector<Conv2dPlan> all_own_plans(Conv2dPass pass, const Conv2dShape& shape,
                                      const Conv2dFacts& facts) {
  std::vector<Conv2dPlan> plans;
  for (const Conv2dPlan& guess : rank_conv2d_plans(pass, shape, facts)) {
    plans.push_back(guess);
    if (pass != Conv2dPass::backward_weight) continue;
    for (const int splits : {guess.splits / 2, guess.splits * 2})
      if (splits > 0) {
        plans.push_back(guess);
        plans.back().splits = splits;
      }
  }
  return plans;
}

std::string describe(const Conv2dPlan& plan) {
  return plan.splits > 1 ? to_string(plan) + "/" + std::to_string(plan.splits) : to_string(plan);
}

template <class T>
class ConvolutionBench {
 public:
  ConvolutionBench(const ConvCase& c, const GpuSetting& setting)
      : case_(c), setting_(setting), facts_(conv2d_facts<T>(setting.context)) {
    const Conv2dShape& s = c.shape;
    const auto random = [](const whisker::Shape& shape, std::uint64_t seed) {
      return whisker::random_uniform(shape, -1, 1, {.seed = seed});
    };
    x_ = cast(random({s.batch, s.in_h, s.in_w, s.in_channels}, 1), whisker::dtype_of<T>);
    dy_ = cast(random({s.batch, s.out_h(), s.out_w(), s.out_channels}, 2), whisker::dtype_of<T>);
    weight_ = random({s.out_channels, s.kernel_h, s.kernel_w, s.in_channels}, 3);
  }

  void bench(Conv2dPass pass) {
    const Conv2dShape& shape = case_.shape;
    const bool tuning = !setting_.options.tune_path.empty();
    const std::vector<float> expected = values_of(expected_of(pass));
    GpuResult result{.name = case_.name + " " + name_of(pass), .flops = shape.flops()};
    std::vector<Conv2dPlan> own =
        tuning ? all_own_plans(pass, shape, facts_) : std::vector{choice_of_ours(pass)};
    std::vector<Conv2dPlan> rivals = cudnn_plans(pass, shape, facts_.math, setting_.context);
    keep_right(own, pass, expected, result);
    keep_right(rivals, pass, expected, result);
    if (own.empty()) return setting_.report.add(result);

    std::vector<Conv2dPlan> finalists{fastest(own, pass)};
    if (!rivals.empty()) finalists.push_back(fastest(rivals, pass));
    const std::vector<double> times = measure(finalists, pass, setting_.options.rounds);
    result.kernel = describe(finalists[0]);
    result.microseconds = times[0];
    if (times.size() > 1) {
      result.rival = describe(finalists[1]);
      result.rival_microseconds = times[1];
    }
    // What differs by less than the noise stays with our own kernels.
    const bool rival_wins =
        times.size() > 1 && !is_rounded(finalists[1], pass) && times[1] < 0.98 * times[0];
    setting_.report.tune({.pass = pass,
                          .shape = shape,
                          .math = facts_.math,
                          .plan = finalists[rival_wins ? 1 : 0],
                          .microseconds = times[rival_wins ? 1 : 0]});
    setting_.report.add(result);
  }

 private:
  Conv2dPlan choice_of_ours(Conv2dPass pass) const {
    const Conv2dWish wish{
        .policy = Policy::own,
        .tuned = find_tuned_conv2d(setting_.context.device, pass, case_.shape, facts_.math)};
    return choose_conv2d_plan(pass, case_.shape, facts_, wish);
  }

  /// Whether this is what cuDNN rounds to bfloat16. Its time is without the cast to float32.
  static bool is_rounded(const Conv2dPlan& plan, Conv2dPass pass) {
    return std::is_same_v<T, whisker::bfloat16> && pass == Conv2dPass::backward_weight &&
           plan.algorithm == Conv2dAlgorithm::cudnn;
  }

  Tensor empty_result(const Conv2dPlan& plan, Conv2dPass pass) const {
    if (is_rounded(plan, pass)) return Tensor::empty(weight_.shape(), x_.dtype());
    if (pass == Conv2dPass::forward) return Tensor::empty(dy_.shape(), dy_.dtype());
    if (pass == Conv2dPass::backward_data) return Tensor::empty(x_.shape(), x_.dtype());
    return Tensor::empty(weight_.shape());
  }

  void run(const Conv2dPlan& plan, Conv2dPass pass, Tensor& result) {
    Context& context = setting_.context;
    const whisker::kernels::Weight<float> weight{weight_.kernel_data<float>(), &packed_};
    const float* no_bias = nullptr;
    if constexpr (cudnn::kWithCudnn) {
      if (is_rounded(plan, pass))
        return cudnn::conv2d_backward_weight(x_.kernel_data<T>(), dy_.kernel_data<T>(),
                                             result.kernel_mutable_data<T>(), case_.shape,
                                             plan.engine, context);
    }
    if (pass == Conv2dPass::forward)
      conv2d_forward(plan, x_.kernel_data<T>(), weight, no_bias, result.kernel_mutable_data<T>(),
                     case_.shape, context);
    else if (pass == Conv2dPass::backward_data)
      conv2d_backward_data(plan, dy_.kernel_data<T>(), weight, no_bias,
                           result.kernel_mutable_data<T>(), case_.shape, context);
    else
      conv2d_backward_weight(plan, x_.kernel_data<T>(), dy_.kernel_data<T>(),
                             result.kernel_mutable_data<float>(), case_.shape, context);
  }

  /// By the CPU, in float32 from the same numbers.
  Tensor expected_of(Conv2dPass pass) const {
    const auto on_cpu = [](const Tensor& t) {
      return cast(t.to(whisker::Device::cpu()), whisker::Dtype::float32);
    };
    const Conv2dShape& s = case_.shape;
    const whisker::Conv2dOptions options{
        .stride_h = s.stride_h, .stride_w = s.stride_w, .padding = s.padding};
    if (pass == Conv2dPass::forward) return conv2d(on_cpu(x_), on_cpu(weight_), Tensor(), options);
    if (pass == Conv2dPass::backward_data)
      return conv2d_input_grad(on_cpu(dy_), on_cpu(weight_), x_.shape(), options);
    return conv2d_weight_grad(on_cpu(x_), on_cpu(dy_), weight_.shape(), options);
  }

  /// How many products each result of a pass is the sum of, at the most.
  std::int64_t addends(Conv2dPass pass) const {
    const Conv2dShape& s = case_.shape;
    const std::int64_t taps = std::int64_t{s.kernel_h} * s.kernel_w;
    if (pass == Conv2dPass::forward) return taps * s.in_channels;
    if (pass == Conv2dPass::backward_data) return taps * s.out_channels;
    return s.batch * s.out_h() * s.out_w();
  }

  void keep_right(std::vector<Conv2dPlan>& plans, Conv2dPass pass,
                  const std::vector<float>& expected, GpuResult& result) {
    const Tolerance allowed = tolerance(setting_.options.dtype, addends(pass));
    std::erase_if(plans, [&](const Conv2dPlan& plan) {
      Tensor actual = empty_result(plan, pass);
      spoil(actual);
      run(plan, pass, actual);
      const std::string off = difference(values_of(actual), expected, allowed);
      if (!off.empty()) result.wrong.push_back(describe(plan) + " is " + off);
      return !off.empty();
    });
  }

  std::vector<double> measure(const std::vector<Conv2dPlan>& plans, Conv2dPass pass, int rounds) {
    std::vector<Body> bodies;
    Tensor result;  // one for all that write the same type: there may be dozens of plans
    for (const Conv2dPlan& plan : plans) {
      const bool other_type =
          is_rounded(plan, pass) && result.defined() && result.dtype() != x_.dtype();
      if (!result.defined() || other_type) result = empty_result(plan, pass);
      bodies.emplace_back([this, plan, pass, result]() mutable { run(plan, pass, result); });
    }
    return setting_.timer.medians(bodies, rounds);
  }

  Conv2dPlan fastest(const std::vector<Conv2dPlan>& plans, Conv2dPass pass) {
    constexpr int kRounds = 5;
    if (plans.size() == 1) return plans[0];
    const std::vector<double> times = measure(plans, pass, kRounds);
    return plans[static_cast<std::size_t>(std::min_element(times.begin(), times.end()) -
                                          times.begin())];
  }

  const ConvCase& case_;
  const GpuSetting& setting_;
  Conv2dFacts facts_;
  Tensor x_, dy_, weight_;
  whisker::kernels::PackedWeights packed_;
};

}  // namespace

void bench_gpu_convolution(const ConvCase& c, const GpuSetting& setting) {
  std::vector<Conv2dPass> passes;
  for (const Conv2dPass pass :
       {Conv2dPass::forward, Conv2dPass::backward_data, Conv2dPass::backward_weight})
    if (setting.wants(c.name + " " + name_of(pass))) passes.push_back(pass);
  if (passes.empty()) return;
  with_element_type(setting.options.dtype, [&](auto tag) {
    ConvolutionBench<typename decltype(tag)::type> bench(c, setting);
    for (const Conv2dPass pass : passes)
      bench.bench(pass);
  });
}

}  // namespace whisker_bench
#endif  // WHISKER_CUDA
