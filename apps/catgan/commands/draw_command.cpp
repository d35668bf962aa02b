#include <cstdio>
#include <memory>
#include <system_error>

#include "commands/commands.h"
#include "drawing/drawn_cats.h"
#include "parallel.h"
#include "pictures/image_grid.h"
#include "training/stop_request.h"

namespace catgan {
namespace {

namespace fs = std::filesystem;

struct DrawOptions {
  std::string out;
  std::uint64_t seed = 0;
  std::uint32_t count = 64;
  int size = 64;
};

constexpr const char* kFooter = R"(Examples:
  catgan draw --count 64 --size 128 --out drawn     64 PNG files and grid.png,
                                                    which training leaves out
  catgan draw --count 5000 --size 64 --seed 3 --out pictures && catgan train --data pictures

These are the cats that catgan trains on when no --data is given.)";

int draw(const DrawOptions& options) {
  catch_stop_signals();
  const fs::path out = options.out;
  std::error_code error;
  fs::create_directories(out, error);
  whisker::check<whisker::IoError>(!error, out.string(),
                                   ": the folder cannot be made: ", error.message());
  constexpr std::size_t kGrid = 64;
  std::vector<Picture> first(std::min<std::size_t>(kGrid, options.count));
  for_each_index(options.count, 0, [&](std::size_t i) {
    throw_if_stopped();
    Picture picture{.width = options.size, .height = options.size};
    const auto side = static_cast<std::size_t>(options.size);
    picture.rgb.resize(side * side * 3);
    draw_cat(options.seed, static_cast<std::uint32_t>(i), options.size, picture.rgb.data());
    char name[80];
    std::snprintf(name, sizeof name, "seed%llu-%06zu.png",
                  static_cast<unsigned long long>(options.seed), i);
    write_png(out / name, picture);
    if (i < first.size()) first[i] = std::move(picture);
  });
  write_png(out / "grid.png", make_grid(first, 8));
  std::printf("%u drawn cats in %s\n", options.count, out.c_str());
  return 0;
}

}  // namespace

Command draw_command(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("draw", "Write drawn cats as PNG files");
  auto options = std::make_shared<DrawOptions>();
  parser->add_option("--out", options->out, "folder for the PNG files")
      ->required()
      ->type_name("DIR");
  parser->add_option("--count", options->count, "how many; default 64")
      ->check(CLI::Range(1u, 10000000u))
      ->type_name("N");
  parser->add_option("--size", options->size, "side in pixels; default 64")
      ->check(CLI::Range(kMinDrawnSize, kMaxDrawnSize))
      ->type_name("S");
  add_seed_to(*parser, options->seed, "equal seeds give equal cats");
  parser->footer(kFooter);
  return {parser, [options] { return draw(*options); }};
}

}  // namespace catgan
