// The statistics of a log interval, as a checkpoint holds them.
#include "target.h"
#include "training/run_statistics.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using catgan::RunStatistics;
  const std::string text = fuzz::text_of(data, size);
  const auto statistics = fuzz::attempt<whisker::InputError>(
      "file", [&] { return RunStatistics::from_json(text, "file"); });
  if (!statistics) return 0;
  const std::string printed = statistics->to_json();
  fuzz::require(RunStatistics::from_json(printed, "again").to_json() == printed,
                "statistics come back from JSON as they were");
  return 0;
}
