#include "kernel_test.h"

#include <cmath>
#include <cstring>
#include <optional>
#include <random>

#include "catch.h"
#ifdef WHISKER_SIM
#include <whisker/kernels/sim/config.h>
#endif

namespace whisker::testing {
namespace {

bool same_bits(const Results& a, const Results& b) {
  bool same = a.size() == b.size();
  for (std::size_t i = 0; same && i < a.size(); ++i)
    same =
        a[i].size() == b[i].size() &&
        (a[i].empty() || std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(double)) == 0);
  return same;
}

}  // namespace

template <class T>
std::vector<double> random_values(std::int64_t n, std::uint32_t seed, double low, double high) {
  std::mt19937 words(seed);
  std::vector<double> values;
  for (std::int64_t i = 0; i < n; ++i)
    values.push_back(low + (high - low) * (words() * 0x1p-32));
  return to_doubles(from_doubles<T>(values));
}
template std::vector<double> random_values<float>(std::int64_t, std::uint32_t, double, double);
template std::vector<double> random_values<bfloat16>(std::int64_t, std::uint32_t, double, double);

Array to_array(const Shape& shape, const std::vector<double>& values) {
  check(static_cast<std::size_t>(shape.numel()) == values.size(), "to_array: ", values.size(),
        " values for ", shape);
  Array array(shape);
  array.values = values;
  return array;
}

void in_every_order(const std::function<void()>& body) {
#ifdef WHISKER_SIM
  using kernels::sim::Order;
  for (const Order order : {Order::kForward, Order::kReverse, Order::kRandom}) {
    kernels::sim::Config config = kernels::sim::config();
    config.order = config.block_order = order;
    const kernels::sim::ConfigScope scope(config);
    INFO("order of threads and blocks " << static_cast<int>(order));
    body();
  }
#else
  body();
  body();
#endif
}

Results run_in_all_orders(const std::function<Results()>& run) {
  std::optional<Results> first;
  in_every_order([&] {
    if (!first)
      first = run();
    else
      CHECK(same_bits(run(), *first));
  });
  return *first;
}

std::string mismatch_beyond(const std::vector<double>& actual, const std::vector<double>& expected,
                            const std::function<double(std::size_t)>& allowed) {
  if (actual.size() != expected.size())
    return str(actual.size(), " elements, expected ", expected.size());
  std::size_t worst = 0, count = 0;
  double worst_excess = -1.0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double difference = std::abs(actual[i] - expected[i]);
    if (difference <= allowed(i) || actual[i] == expected[i]) continue;
    ++count;
    const double excess = std::isnan(difference) ? INFINITY : difference / allowed(i);
    if (excess > worst_excess) {
      worst_excess = excess;
      worst = i;
    }
  }
  if (count == 0) return "";
  return str(count, " of ", actual.size(), " wrong; worst at ", worst, ": ", actual[worst],
             ", expected ", expected[worst], " +- ", allowed(worst));
}

std::string mismatch(const std::vector<double>& actual, const std::vector<double>& expected,
                     double absolute, double relative) {
  return mismatch_beyond(
      actual, expected, [&](std::size_t i) { return absolute + relative * std::abs(expected[i]); });
}

}  // namespace whisker::testing
