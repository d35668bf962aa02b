// Elementwise functions: one functor each, with the value and, for unary ones, the derivative.
//
// A unary functor has operator()(x), gradient(dy, saved), which is dy times the derivative, and
// kSavesOutput, which says whether the derivative is a function of the result y (true) or of the
// argument x. They compute in float for float and bfloat16 elements and in double for double ones.
//
// Special values follow PyTorch: NaN gives NaN, infinities give limits, and where the derivative
// of a ReLU is 0 the gradient is 0, whatever dy is. At NaN, where no derivative exists, gradients
// are those of PyTorch: dy for a ReLU, slope * dy for a leaky one, scale * dy for SELU, 0 for abs.
// A leaky ReLU of slope 0 is the ReLU: 0 for every negative x, where PyTorch's leaky_relu(x, 0)
// multiplies and gives -0, and NaN at -inf.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include <whisker/kernels/bfloat16.h>
#include <whisker/kernels/host_device.h>

namespace whisker::inline v0_1::kernels {

/// Maas, Hannun & Ng 2013: x if x > 0, else slope * x. ReLU has slope 0, and there a product would
/// turn -inf into NaN and other negative numbers into -0.
template <class F>
WHISKER_HOST_DEVICE F leaky_relu(F x, F slope) {
  if (slope == F(0)) return x < F(0) ? F(0) : x;
  return x > F(0) ? x : slope * x;
}
/// dy times the derivative of leaky_relu at x.
template <class F>
WHISKER_HOST_DEVICE F leaky_relu_gradient(F dy, F x, F slope) {
  if (slope == F(0)) return x <= F(0) ? F(0) : dy;
  return x > F(0) ? dy : slope * dy;
}

struct LeakyRelu {
  static constexpr bool kSavesOutput = false;
  double slope = 0.0;
  template <class F>
  WHISKER_HOST_DEVICE F operator()(F x) const {
    return leaky_relu(x, F(slope));
  }
  template <class F>
  WHISKER_HOST_DEVICE F gradient(F dy, F x) const {
    return leaky_relu_gradient(dy, x, F(slope));
  }
};

struct Tanh {
  static constexpr bool kSavesOutput = true;
  template <class F>
  WHISKER_HOST_DEVICE F operator()(F x) const {
    return std::tanh(x);
  }
  template <class F>
  WHISKER_HOST_DEVICE F gradient(F dy, F y) const {
    return dy * (F(1) - y * y);
  }
};

struct Sigmoid {
  static constexpr bool kSavesOutput = true;
  template <class F>
  WHISKER_HOST_DEVICE F operator()(F x) const {
    // exp of a negative number only, so that it cannot overflow.
    const F e = std::exp(-std::abs(x));
    return (x >= F(0) ? F(1) : e) / (F(1) + e);
  }
  template <class F>
  WHISKER_HOST_DEVICE F gradient(F dy, F y) const {
    return dy * (y * (F(1) - y));
  }
};

/// Klambauer et al. 2017: scale * (x if x > 0 else alpha * (exp(x) - 1)).
struct Selu {
  static constexpr bool kSavesOutput = false;
  static constexpr double kAlpha = 1.6732632423543772848170429916717;
  static constexpr double kScale = 1.0507009873554804934193349852946;
  template <class F>
  WHISKER_HOST_DEVICE F operator()(F x) const {
    return x > F(0) ? F(kScale) * x : F(kScale * kAlpha) * std::expm1(x);
  }
  template <class F>
  WHISKER_HOST_DEVICE F gradient(F dy, F x) const {
    return dy * (x <= F(0) ? F(kScale * kAlpha) * std::exp(x) : F(kScale));
  }
};

/// The derivative of SELU, scale * alpha * exp(x) if x <= 0 and `positive` = scale else; its own
/// derivative is the same function with positive = 0.
struct SeluDerivative {
  static constexpr bool kSavesOutput = false;
  double positive = Selu::kScale;
  template <class F>
  WHISKER_HOST_DEVICE F operator()(F x) const {
    return x <= F(0) ? F(Selu::kScale * Selu::kAlpha) * std::exp(x) : F(positive);
  }
  template <class F>
  WHISKER_HOST_DEVICE F gradient(F dy, F x) const {
    return x <= F(0) ? dy * F(Selu::kScale * Selu::kAlpha) * std::exp(x) : F(0);
  }
};

struct Exp {
  static constexpr bool kSavesOutput = true;
  template <class F>
  WHISKER_HOST_DEVICE F operator()(F x) const {
    return std::exp(x);
  }
  template <class F>
  WHISKER_HOST_DEVICE F gradient(F dy, F y) const {
    return dy * y;
  }
};

struct Log {
  static constexpr bool kSavesOutput = false;
  template <class F>
  WHISKER_HOST_DEVICE F operator()(F x) const {
    return std::log(x);
  }
  template <class F>
  WHISKER_HOST_DEVICE F gradient(F dy, F x) const {
    return dy / x;
  }
};

struct Sqrt {
  static constexpr bool kSavesOutput = true;
  template <class F>
  WHISKER_HOST_DEVICE F operator()(F x) const {
    return std::sqrt(x);
  }
  template <class F>
  WHISKER_HOST_DEVICE F gradient(F dy, F y) const {
    return dy * (F(0.5) / y);
  }
};

struct Square {
  static constexpr bool kSavesOutput = false;
  template <class F>
  WHISKER_HOST_DEVICE F operator()(F x) const {
    return x * x;
  }
  template <class F>
  WHISKER_HOST_DEVICE F gradient(F dy, F x) const {
    return dy * (F(2) * x);
  }
};

struct Abs {
  static constexpr bool kSavesOutput = false;
  template <class F>
  WHISKER_HOST_DEVICE F operator()(F x) const {
    return std::abs(x);
  }
  template <class F>
  WHISKER_HOST_DEVICE F gradient(F dy, F x) const {
    return dy * (x > F(0) ? F(1) : x < F(0) ? F(-1) : F(0));
  }
};

/// scale * x + shift.
struct Affine {
  static constexpr bool kSavesOutput = false;
  double scale = 1.0, shift = 0.0;
  template <class F>
  WHISKER_HOST_DEVICE F operator()(F x) const {
    return F(scale) * x + F(shift);
  }
  template <class F>
  WHISKER_HOST_DEVICE F gradient(F dy, F) const {
    return dy * F(scale);
  }
};

struct Add {
  template <class F>
  WHISKER_HOST_DEVICE F operator()(F a, F b) const {
    return a + b;
  }
};
struct Subtract {
  template <class F>
  WHISKER_HOST_DEVICE F operator()(F a, F b) const {
    return a - b;
  }
};
struct Multiply {
  template <class F>
  WHISKER_HOST_DEVICE F operator()(F a, F b) const {
    return a * b;
  }
};
struct Divide {
  template <class F>
  WHISKER_HOST_DEVICE F operator()(F a, F b) const {
    return a / b;
  }
};

/// -label * log(sigmoid(logit)) - (1 - label) * log(1 - sigmoid(logit)), without overflow. At an
/// infinite logit it is PyTorch's (1 - label) * logit - log(sigmoid(logit)), which elsewhere would
/// lose the digits of small losses.
struct SigmoidCrossEntropy {
  template <class F>
  WHISKER_HOST_DEVICE F operator()(F logit, F label) const {
    const F positive = logit > F(0) ? logit : F(0);
    if (std::isinf(logit)) return (F(1) - label) * logit - (positive > F(0) ? F(0) : logit);
    return positive - logit * label + std::log1p(std::exp(-std::abs(logit)));
  }
};

// All of the above: macro(Op, T) for each, by which a back end instantiates its kernels.
#define WHISKER_UNARY_FUNCTIONS(macro, T)                                                      \
  macro(LeakyRelu, T) macro(Tanh, T) macro(Sigmoid, T) macro(Selu, T) macro(SeluDerivative, T) \
      macro(Exp, T) macro(Log, T) macro(Sqrt, T) macro(Square, T) macro(Abs, T) macro(Affine, T)
#define WHISKER_BINARY_FUNCTIONS(macro, T) \
  macro(Add, T) macro(Subtract, T) macro(Multiply, T) macro(Divide, T) macro(SigmoidCrossEntropy, T)

/// How a binary function walks its arguments: strides are in elements and 0 where one broadcasts.
struct BroadcastShape {
  static constexpr int kMaxRank = 6;
  int rank = 0;
  std::array<std::int64_t, kMaxRank> dims{}, a_strides{}, b_strides{};
};

/// Rows of bytes that lie at a stride: what joining and cutting arrays along an axis moves.
struct CopyShape {
  std::int64_t rows = 0, row_bytes = 0, x_stride = 0, y_stride = 0;  // strides in bytes
};

/// Reduction over the middle of [outer, reduce, inner].
struct ReduceShape {
  std::int64_t outer = 1, reduce = 1, inner = 1;
};

}  // namespace whisker::inline v0_1::kernels
