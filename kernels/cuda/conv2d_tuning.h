// What was measured to be the fastest, and the choice for a call.
#pragma once

#include <optional>
#include <vector>

#include <whisker/kernels/cuda/conv2d_choice.h>

namespace whisker::inline v0_1::kernels::cuda {

struct Context;

/// The fastest plan of one problem on one device.
struct TunedConv2d {
  Conv2dPass pass = Conv2dPass::forward;
  Conv2dShape shape;
  Conv2dMath math = Conv2dMath::float32;
  Conv2dPlan plan;
  double microseconds = 0.0;  // as measured
  friend bool operator==(const TunedConv2d&, const TunedConv2d&) = default;
};

/// Replaces what is known of a device. Of several rows for one problem the last counts.
void set_tuned_conv2d(int device, const std::vector<TunedConv2d>& rows);
std::optional<Conv2dPlan> find_tuned_conv2d(int device, Conv2dPass pass, const Conv2dShape& shape,
                                            Conv2dMath math);

/// choose_conv2d_plan() with the environment variables WHISKER_CONV and WHISKER_CONV_TILE, which
/// are read once, and with what was tuned. Never cuDNN where it has no engine for the problem,
/// unless WHISKER_CONV=cudnn.
Conv2dPlan select_conv2d_plan(Conv2dPass pass, const Conv2dShape& shape, Conv2dFacts facts,
                              Context& context);

/// Whether cuDNN can be used here.
bool cudnn_usable();

}  // namespace whisker::inline v0_1::kernels::cuda
