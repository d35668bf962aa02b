#include "training/run_statistics.h"

#include <sys/resource.h>

#include "json_text.h"

namespace catgan {

void RunStatistics::add(const StepResult& step) {
  sum_.d_loss += step.d_loss;
  sum_.g_loss += step.g_loss;
  sum_.d_real += step.d_real;
  sum_.d_fake += step.d_fake;
  ++steps_;
}

StepResult RunStatistics::mean() const {
  const double n = steps_ > 0 ? static_cast<double>(steps_) : 1.0;
  return {sum_.d_loss / n, sum_.g_loss / n, sum_.d_real / n, sum_.d_fake / n};
}

void RunStatistics::reset() {
  sum_ = {};
  steps_ = 0;
}

std::string RunStatistics::to_json() const {
  const nlohmann::json json{{"steps", steps_},       {"seconds", seconds},
                            {"d_loss", sum_.d_loss}, {"g_loss", sum_.g_loss},
                            {"d_real", sum_.d_real}, {"d_fake", sum_.d_fake}};
  return json.dump();
}

RunStatistics RunStatistics::from_json(const std::string& text, const std::string& source) {
  const nlohmann::ordered_json json = parse_json(text, source + ": statistics");
  try {
    RunStatistics result;
    json.at("steps").get_to(result.steps_);
    json.at("seconds").get_to(result.seconds);
    json.at("d_loss").get_to(result.sum_.d_loss);
    json.at("g_loss").get_to(result.sum_.g_loss);
    json.at("d_real").get_to(result.sum_.d_real);
    json.at("d_fake").get_to(result.sum_.d_fake);
    return result;
  } catch (const nlohmann::json::exception& error) {
    throw whisker::InputError(whisker::str(source, ": statistics: ", error.what()));
  }
}

double peak_rss_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024.0 / 1e6;
}

}  // namespace catgan
