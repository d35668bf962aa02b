#include "golden.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <sstream>

#include "catch.h"

namespace whisker::testing {

void compare_with_golden(const std::string& name, const std::vector<std::uint32_t>& words) {
  std::ostringstream text;
  for (const std::uint32_t word : words)
    text << std::hex << std::setw(8) << std::setfill('0') << word << "\n";
  const std::string file = name + ".txt";
  if (const char* folder = std::getenv("WHISKER_RECORD_GOLDEN")) {
    std::filesystem::create_directories(folder);
    std::ofstream recorded(std::filesystem::path(folder) / file);
    recorded << text.str() << std::flush;
    INFO("writing " << file << " to WHISKER_RECORD_GOLDEN=" << folder);
    CHECK(recorded.good());
  }
  const auto path = std::filesystem::path(WHISKER_SOURCE_DIR) / "tests/sim/golden" / file;
  if (std::ifstream golden(path); golden) {
    std::ostringstream expected;
    expected << golden.rdbuf();
    INFO(path.string());
    CHECK(text.str() == expected.str());
  } else {
    WARN("not compared with a GPU, of which nobody recorded " << path.string());
  }
}

}  // namespace whisker::testing
