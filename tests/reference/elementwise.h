// Elementwise functions and their derivatives by their definitions.
#pragma once

#include <cmath>

namespace whisker::reference {

struct Elementwise {
  const char* name;
  double (*value)(double x);
  double (*derivative)(double x);
};

constexpr double kSeluAlpha = 1.6732632423543772, kSeluScale = 1.0507009873554805;

inline double sigmoid(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}
inline double softplus(double x) {
  return x > 0.0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}
/// -label * log(sigmoid(logit)) - (1 - label) * log(1 - sigmoid(logit)), as
/// log(sigmoid(x)) = -softplus(-x) and 1 - sigmoid(x) = sigmoid(-x).
inline double sigmoid_cross_entropy(double logit, double label) {
  return label * softplus(-logit) + (1.0 - label) * softplus(logit);
}

inline constexpr Elementwise kElementwise[] = {
    {"leaky_relu", [](double x) { return x > 0.0 ? x : 0.2 * x; },
     [](double x) { return x > 0.0 ? 1.0 : 0.2; }},
    {"relu", [](double x) { return x > 0.0 ? x : 0.0; },
     [](double x) { return x > 0.0 ? 1.0 : 0.0; }},
    {"tanh", [](double x) { return std::tanh(x); },
     [](double x) { return 1.0 / (std::cosh(x) * std::cosh(x)); }},
    {"sigmoid", sigmoid, [](double x) { return sigmoid(x) * sigmoid(-x); }},
    {"selu", [](double x) { return kSeluScale * (x > 0.0 ? x : kSeluAlpha * (std::exp(x) - 1.0)); },
     [](double x) { return kSeluScale * (x > 0.0 ? 1.0 : kSeluAlpha * std::exp(x)); }},
    {"exp", [](double x) { return std::exp(x); }, [](double x) { return std::exp(x); }},
    {"log", [](double x) { return std::log(x); }, [](double x) { return 1.0 / x; }},
    {"sqrt", [](double x) { return std::sqrt(x); }, [](double x) { return 0.5 / std::sqrt(x); }},
    {"square", [](double x) { return x * x; }, [](double x) { return 2.0 * x; }},
    {"abs", [](double x) { return x > 0.0 ? x : -x; },
     [](double x) { return x > 0.0   ? 1.0
                           : x < 0.0 ? -1.0
                                     : 0.0; }},
    {"affine", [](double x) { return -1.5 * x + 0.25; }, [](double) { return -1.5; }},
};

/// What the gradient of selu is made of; no op of its own.
inline constexpr Elementwise kSeluDerivative = {
    "selu_derivative",
    [](double x) { return kSeluScale * (x > 0.0 ? 1.0 : kSeluAlpha * std::exp(x)); },
    [](double x) { return x > 0.0 ? 0.0 : kSeluScale * kSeluAlpha * std::exp(x); }};

}  // namespace whisker::reference
