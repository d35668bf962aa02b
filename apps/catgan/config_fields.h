// The one list of all settings; JSON, command line, checks and difference lists follow it.
#pragma once

#include <array>
#include <limits>

#include "config.h"

namespace catgan {

struct Field {
  const char* name;
  const char* help;
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool may_change = false;
};

template <class Enum>
struct EnumNames;
template <>
struct EnumNames<Fit> {
  static constexpr std::array names{"cover", "stretch"};
};
template <>
struct EnumNames<ZDistribution> {
  static constexpr std::array names{"uniform", "normal"};
};
template <>
struct EnumNames<Norm> {
  static constexpr std::array names{"batch", "selu"};
};
template <>
struct EnumNames<DataRange> {
  static constexpr std::array names{"half", "full"};
};
template <>
struct EnumNames<Loss> {
  static constexpr std::array names{"cross-entropy", "least-squares", "hinge"};
};
template <>
struct EnumNames<AdamPlacement> {
  static constexpr std::array names{"tensorflow", "pytorch"};
};
template <>
struct EnumNames<Precision> {
  static constexpr std::array names{"f32", "tf32", "bf16"};
};

/// Calls visit(field, value) for every setting of a Config or const Config.
template <class AnyConfig, class Visit>
void for_each_field(AnyConfig& c, const Visit& visit) {
  constexpr double kLong = 1e12;
  constexpr double kMostSteps = 4e9;
  const auto changeable = [](Field field) {
    field.may_change = true;
    return field;
  };
  visit({"preset", "the preset that the settings began with"}, c.preset);

  visit(changeable({"data", "folder of JPEG and PNG files; none: cats drawn by the program"}),
        c.data);
  visit({"drawn_cats", "how many cats are drawn if there is no --data", 1, 1e7}, c.drawn_cats);
  visit({"fit", "cover cuts pictures to a square, stretch squeezes them"}, c.fit);
  visit({"data_range", "pictures are scaled to half [-0.5, 0.5] or full [-1, 1]"}, c.data_range);
  visit({"flip", "mirror pictures at random"}, c.flip);

  visit({"size", "side of the pictures in pixels", 8, 1024}, c.size);
  visit({"z_size", "random numbers that make a picture", 1, 65536}, c.z_size);
  visit({"z_distribution", "their distribution, uniform (-1, 1) or normal"}, c.z_distribution);
  visit({"g_widths", "G's channels: of the first map, then after each doubling", 1, 16384},
        c.g_widths);
  visit({"d_widths", "D's channels, one for each convolution", 1, 16384}, c.d_widths);
  visit({"d_strides", "D's strides, one for each convolution", 1, 2}, c.d_strides);
  visit({"norm", "batch: batch norm and leaky ReLU; selu: SELU alone"}, c.norm);
  visit({"slope", "of the leaky ReLU", 0, 1}, c.slope);
  visit({"norm_epsilon", "of batch norm", 1e-12, 1}, c.norm_epsilon);
  visit({"norm_momentum", "of batch norm's moving statistics", 0, 1}, c.norm_momentum);
  visit({"norm_updates", "updates of G's moving statistics per step", 0, 100}, c.norm_updates);

  visit({"batch", "pictures per step", 1, 65536}, c.batch);
  visit(changeable({"steps", "training steps; 0: as many as --epochs take", 0, kMostSteps}),
        c.steps);
  visit(changeable({"epochs", "passes over all pictures", 0, kMostSteps}), c.epochs);
  visit({"seed", "of all random numbers"}, c.seed);
  visit({"loss", "cross-entropy, least-squares or hinge"}, c.loss);
  visit({"label_smoothing", "real pictures are labelled 1 minus this", 0, 0.5}, c.label_smoothing);
  visit({"g_rate", "G's learning rate", 0, 1}, c.g_rate);
  visit({"d_rate", "D's learning rate", 0, 1}, c.d_rate);
  visit({"beta1", "Adam's decay of the mean", 0, 0.99999}, c.beta1);
  visit({"beta2", "Adam's decay of the square", 0, 0.9999999}, c.beta2);
  visit({"adam_epsilon", "Adam's epsilon", 1e-30, 1}, c.adam_epsilon);
  visit({"adam_placement", "of epsilon: tensorflow or pytorch"}, c.adam_placement);
  visit({"ema_decay", "of the averaged G that samples are drawn from; 0: none", 0, 0.999999},
        c.ema_decay);
  visit({"precision", "f32, bf16 activations, or, on a GPU, tf32 products"}, c.precision);

  visit(changeable({"log_interval", "steps between two lines of statistics", 1, kLong}),
        c.log_interval);
  visit(changeable({"sample_interval", "steps between two grids; 0: only at the end", 0, kLong}),
        c.sample_interval);
  visit(changeable({"checkpoint_interval", "steps between two checkpoints", 0, kLong}),
        c.checkpoint_interval);
  visit(changeable({"checkpoint_epochs", "epochs between two checkpoints", 0, kMostSteps}),
        c.checkpoint_epochs);
  visit(changeable({"keep", "how many checkpoints are kept", 1, 1e6}), c.keep);
  visit(changeable({"grid", "pictures along a side of the sample grid", 1, 64}), c.grid);
  visit(changeable({"device", "auto, cpu, cuda or cuda:<index>; auto: a GPU if there is one"}),
        c.device);
  visit(changeable(
            {"threads", "CPU threads; 0: one for each core that this process may use", 0, 1024}),
        c.threads);
}

}  // namespace catgan
