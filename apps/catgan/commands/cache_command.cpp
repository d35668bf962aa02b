#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>

#include <whisker/core/atomic_file.h>

#include "commands/commands.h"
#include "config.h"
#include "pictures/cache_folder.h"
#include "terminal_text.h"

namespace catgan {
namespace {

namespace fs = std::filesystem;
using whisker::str;

struct CacheOptions {
  bool clear = false;
  std::uint32_t older_than_days = 0;
};

constexpr const char* kFooter = R"(Examples:
  catgan cache                            list them: folder of pictures, size, last use
  catgan cache --clear                    remove all
  catgan cache --clear --older-than 30    remove what no training has used for 30 days

`catgan train --data FOLDER` keeps the decoded pictures of a folder in a file, so that the next
start need not decode them again: in $XDG_CACHE_HOME/catgan, else in ~/.cache/catgan. Removing such
a file loses nothing, also while catgan trains; the next start decodes the pictures again.)";

std::string in_megabytes(std::uintmax_t bytes) {
  char text[48];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

std::string to_text(fs::file_time_type time) {
  const auto system = std::chrono::file_clock::to_sys(time);
  const std::time_t seconds = std::chrono::system_clock::to_time_t(
      std::chrono::time_point_cast<std::chrono::system_clock::duration>(system));
  std::tm local{};
  char text[32] = "";
  if (::localtime_r(&seconds, &local) != nullptr)
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &local);
  return text;
}

std::string describe(const CacheFile& cache) {
  std::string text = str("  ", printable_line(cache.path.filename().string()), "\n    ",
                         in_megabytes(cache.bytes), ", last used ", to_text(cache.last_use));
  if (!cache.problem.empty()) return text + str(", of no use: ", cache.problem, "\n");
  const int side = cache.info.image_size;
  return text + str(", ", cache.info.pictures, cache.info.pictures == 1 ? " picture" : " pictures",
                    " of ", side, "x", side, " from ", printable_line(cache.info.picture_folder),
                    "\n");
}

std::string count_of(std::size_t count, std::uintmax_t bytes) {
  return str(count, count == 1 ? " cache" : " caches", ", ", in_megabytes(bytes));
}

int run(const CacheOptions& options) {
  whisker::check<UsageError>(options.clear || options.older_than_days == 0,
                             "--older-than: goes with --clear");
  const fs::path folder = user_cache_folder();
  whisker::check<UsageError>(!folder.empty(), "cache: there is no cache folder; set HOME or ",
                             "XDG_CACHE_HOME to an absolute path");
  const auto oldest =
      fs::file_time_type::clock::now() - std::chrono::hours(24) * options.older_than_days;
  std::size_t count = 0;
  std::uintmax_t bytes = 0;
  std::string lines;
  for (const CacheFile& cache : list_caches(folder)) {
    if (options.clear) {
      const bool stays = options.older_than_days > 0 && cache.last_use > oldest;
      if (stays || !remove_cache(cache)) continue;
    }
    ++count;
    bytes += cache.bytes;
    lines += describe(cache);
  }
  if (options.clear && fs::is_directory(folder)) whisker::remove_stale_temporaries(folder);
  const std::string where = printable_line(folder.string());
  print(str(where, ": ", options.clear ? "removed " : "", count_of(count, bytes), "\n", lines));
  return 0;
}

}  // namespace

Command cache_command(CLI::App& app) {
  CLI::App* parser =
      app.add_subcommand("cache", "List or remove the decoded pictures that training keeps");
  auto options = std::make_shared<CacheOptions>();
  parser->add_flag("--clear", options->clear, "remove them");
  parser
      ->add_option("--older-than", options->older_than_days,
                   "with --clear: only those that were not used for so many days")
      ->check(CLI::Range(1u, 36500u))
      ->type_name("DAYS");
  parser->footer(kFooter);
  return {parser, [options] { return run(*options); }};
}

}  // namespace catgan
