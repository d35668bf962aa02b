// A folder of anything becomes pictures in a fixed order and a census of the rest.
#include "pictures/dataset.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <stdexcept>

#include "catch.h"
#include "parallel.h"
#include "picture_fixtures.h"
#include "pictures/folder_scan.h"
#include "pictures/image_grid.h"

using namespace picture_fixtures;
using catgan::Dataset;
using catgan::Fault;
using catgan::Fit;
using catgan::load_dataset;
using catgan::LoadedDataset;

namespace fs = std::filesystem;

namespace {

const catgan::SkippedFile* find_skipped(const catgan::Census& census, std::string_view path) {
  const auto found = std::find_if(census.skipped.begin(), census.skipped.end(),
                                  [&](const auto& file) { return file.path == path; });
  return found == census.skipped.end() ? nullptr : &*found;
}

void check_skipped(const catgan::Census& census, std::string_view path, Fault fault,
                   const std::string& reason) {
  INFO(path);
  const catgan::SkippedFile* file = find_skipped(census, path);
  REQUIRE(file != nullptr);
  CHECK(catgan::fault_name(file->fault) == std::string(catgan::fault_name(fault)));
  CHECK_THAT(file->reason, ContainsSubstring(reason));
}

LoadedDataset load(const fs::path& folder, int threads = 0) {
  return load_dataset({.folder = folder, .image_size = 8, .threads = threads});
}

}  // namespace

TEST_CASE("a folder tree is read in the order of its relative paths", "[dataset]") {
  const TemporaryFolder folder;
  write_file(folder / "b.png", to_png(gradient(8, 8, 2)));
  write_file(folder / "deep/er/c.JPG", to_png(gradient(8, 8, 3)));
  write_file(folder / "a/z.jpeg", to_png(gradient(8, 8, 1)));
  write_file(folder / "noending", to_png(gradient(8, 8, 4)));
  for (const int threads : {1, 2, 7}) {
    const LoadedDataset loaded = load(folder.path(), threads);
    REQUIRE(loaded.pictures.size() == 4);
    CHECK(loaded.pictures.image_size() == 8);
    for (std::size_t i = 0; i < 4; ++i)
      CHECK(loaded.pictures.picture(i)[2] == i + 1);
    CHECK(loaded.census.usable == 4);
    CHECK(loaded.census.skipped.empty());
  }
}

TEST_CASE("bad files are skipped with their reason and the rest is used", "[dataset]") {
  const TemporaryFolder folder;
  const Bytes jpeg = to_jpeg(gradient(64, 64)), png = to_png(gradient(64, 64));
  for (std::size_t quarter = 1; quarter <= 3; ++quarter) {
    write_file(folder / ("cut" + std::to_string(quarter) + ".jpg"),
               std::span(jpeg).first(jpeg.size() * quarter / 4));
    write_file(folder / ("cut" + std::to_string(quarter) + ".png"),
               std::span(png).first(png.size() * quarter / 4));
  }
  Bytes flipped = png;
  flipped[flipped.size() / 2] ^= 1;
  write_file(folder / "flipped.png", flipped);
  write_file(folder / "empty.jpg", "");
  write_file(folder / "webp.jpg", "RIFF....WEBPVP8 ");
  write_file(folder / "page.jpg", "<html>not found</html>");
  write_file(folder / "huge.png", bytes_of("\x89PNG\r\n\x1A\n") + png_header(30000, 30000, 8, 2));
  write_file(folder / "notes.txt", "hello");
  write_file(folder / "Makefile", "all:");
  write_file(folder / ".hidden.jpg", jpeg);
  write_file(folder / ".git/cat.jpg", jpeg);
  write_file(folder / "good.jpg", png);
  write_file(folder / "tiny.png", to_png(gradient(1, 1, 9)));

  const LoadedDataset loaded = load(folder.path());
  const catgan::Census& census = loaded.census;
  REQUIRE(loaded.pictures.size() == 2);
  CHECK(loaded.pictures.picture(0)[2] == 128);
  CHECK(loaded.pictures.picture(1)[2] == 9);
  CHECK(census.usable == 2);
  CHECK(census.skipped.size() == 15);
  for (const char* path : {"cut1.jpg", "cut2.jpg", "cut3.jpg", "cut1.png", "cut2.png", "cut3.png"})
    check_skipped(census, path, Fault::truncated, "cut off");
  check_skipped(census, "flipped.png", Fault::damaged, "CRC");
  check_skipped(census, "empty.jpg", Fault::empty, "0 bytes");
  check_skipped(census, "webp.jpg", Fault::foreign_format, "WebP");
  check_skipped(census, "page.jpg", Fault::unknown_data, "HTML");
  check_skipped(census, "huge.png", Fault::too_large, "30000x30000");
  check_skipped(census, "notes.txt", Fault::not_a_picture, "begins with");
  check_skipped(census, "Makefile", Fault::not_a_picture, "begins with");
  check_skipped(census, ".hidden.jpg", Fault::not_a_picture, "hidden");
  check_skipped(census, ".git", Fault::not_a_picture, "hidden");
}

TEST_CASE("pipes, sockets and devices are never opened", "[dataset]") {
  const TemporaryFolder folder;
  write_file(folder / "cat.png", to_png(gradient(8, 8)));
  REQUIRE(::mkfifo((folder / "pipe.jpg").c_str(), 0600) == 0);
  fs::create_symlink("/dev/zero", folder / "zero.jpg");
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = (folder / "socket.jpg").string();
  REQUIRE(name.size() < sizeof address.sun_path);
  std::copy(name.begin(), name.end(), address.sun_path);
  REQUIRE(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  ::close(descriptor);

  const LoadedDataset loaded = load(folder.path());
  CHECK(loaded.pictures.size() == 1);
  for (const char* path : {"pipe.jpg", "zero.jpg", "socket.jpg"})
    check_skipped(loaded.census, path, Fault::special_file, "not opened");
}

TEST_CASE("links are followed once and circles end", "[dataset]") {
  const TemporaryFolder folder;
  write_file(folder / "real/cat.png", to_png(gradient(8, 8)));
  fs::create_directory_symlink("..", folder / "real/up");
  fs::create_directory_symlink("real", folder / "second");
  fs::create_symlink("gone.png", folder / "dangling.png");
  fs::create_symlink("self.png", folder / "self.png");
  fs::create_symlink("real/cat.png", folder / "zlink.png");
  const LoadedDataset loaded = load(folder.path());
  CHECK(loaded.pictures.size() == 2);
  CHECK(loaded.census.duplicates == 1);
  check_skipped(loaded.census, "real/up", Fault::link, "already");
  check_skipped(loaded.census, "second", Fault::link, "already");
  check_skipped(loaded.census, "dangling.png", Fault::link, "nothing");
  check_skipped(loaded.census, "self.png", Fault::link, "circle");
}

TEST_CASE("files and folders without permission are skipped", "[dataset]") {
  if (::geteuid() == 0) SKIP("the superuser may read everything");
  const TemporaryFolder folder;
  write_file(folder / "cat.png", to_png(gradient(8, 8)));
  write_file(folder / "secret.png", to_png(gradient(8, 8)));
  write_file(folder / "locked/cat.png", to_png(gradient(8, 8)));
  fs::permissions(folder / "secret.png", fs::perms::none);
  fs::permissions(folder / "locked", fs::perms::none);
  const LoadedDataset loaded = load(folder.path());
  fs::permissions(folder / "locked", fs::perms::owner_all);
  CHECK(loaded.pictures.size() == 1);
  check_skipped(loaded.census, "secret.png", Fault::unreadable, "Permission denied");
  check_skipped(loaded.census, "locked", Fault::unreadable, "Permission denied");
}

TEST_CASE("a folder without a usable picture is an error that shows the census", "[dataset]") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(load(folder.path()), whisker::InputError);
  CHECK_THROWS_WITH(load(folder.path()), ContainsSubstring(folder.path().string()) &&
                                             ContainsSubstring("no usable picture"));
  write_file(folder / "cat.webp", "RIFF....WEBPVP8 ");
  CHECK_THROWS_WITH(load(folder.path()), ContainsSubstring("convert it to JPEG or PNG"));
}

TEST_CASE("a path that is no folder is named", "[dataset]") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(load(folder / "absent"), whisker::IoError);
  CHECK_THROWS_WITH(load(folder / "absent"),
                    ContainsSubstring("absent") && ContainsSubstring("No such file"));
  write_file(folder / "cat.png", to_png(gradient(8, 8)));
  CHECK_THROWS_AS(load(folder / "cat.png"), whisker::InputError);
  CHECK_THROWS_WITH(load(folder / "cat.png"), ContainsSubstring("is not a folder"));
}

TEST_CASE("the census shows the first few of each fault and writes all", "[dataset]") {
  catgan::Census census{.folder = "cats", .usable = 40, .duplicates = 2};
  for (int i = 0; i < 5; ++i)
    census.skipped.push_back({"t" + std::to_string(i) + ".txt", Fault::not_a_picture, "why"});
  census.skipped.push_back({"evil\n\x1B[31m.jpg", Fault::truncated, "cut off"});
  const std::string text = census.to_text(2);
  CHECK(text ==
        "cats: 40 usable pictures (2 of them copies of another), 6 entries skipped\n"
        "  truncated: 1\n"
        "    evil\\x0a\\x1b[31m.jpg: cut off\n"
        "  not a picture: 5\n"
        "    t0.txt: why\n"
        "    t1.txt: why\n"
        "    and 3 more\n");
  const TemporaryFolder folder;
  census.write(folder / "census.txt");
  const Bytes written = read_file(folder / "census.txt");
  CHECK_THAT(std::string(written.begin(), written.end()), ContainsSubstring("t4.txt: why"));
  CHECK_THROWS_AS(census.write(folder / "absent/census.txt"), whisker::IoError);
}

TEST_CASE("every epoch has its own order of all pictures, the same for a seed", "[dataset]") {
  const Dataset dataset = Dataset::from_pictures(1, Bytes(3 * 1000));
  const auto order = dataset.epoch_order(5, 0);
  CHECK(order == dataset.epoch_order(5, 0));
  CHECK(order != dataset.epoch_order(5, 1));
  CHECK(order != dataset.epoch_order(6, 0));
  auto sorted = order;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::uint32_t> all(1000);
  std::iota(all.begin(), all.end(), 0u);
  CHECK(sorted == all);
  CHECK(order != all);
}

TEST_CASE("the shuffle is fair", "[dataset]") {
  // 6 orders of 3 pictures, 6000 epochs: each count is binomial with deviation 29, so 150 is 5
  // sigma.
  const Dataset dataset = Dataset::from_pictures(1, Bytes(9));
  std::vector<int> counts(9 * 3);
  for (std::uint32_t epoch = 0; epoch < 6000; ++epoch) {
    const auto order = dataset.epoch_order(1, epoch);
    ++counts[9 * order[0] + 3 * order[1] + order[2]];
  }
  CHECK(std::count(counts.begin(), counts.end(), 0) == 21);
  for (const int count : counts)
    CHECK((count == 0 || std::abs(count - 1000) < 150));
}

TEST_CASE("drawn pictures make a dataset, broken ones do not", "[dataset]") {
  const Dataset dataset = Dataset::from_pictures(
      2, Bytes{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 50, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  CHECK(dataset.size() == 2);
  CHECK(dataset.picture(1)[0] == 50);
  CHECK(Dataset::from_pictures(2, {}).epoch_order(1, 1).empty());
  CHECK_THROWS_AS(Dataset::from_pictures(2, Bytes(13)), whisker::Error);
  CHECK_THROWS_AS(Dataset::from_pictures(0, {}), whisker::Error);
}

TEST_CASE("progress reaches the total and may stop the work", "[dataset]") {
  const TemporaryFolder folder;
  for (int i = 0; i < 5; ++i)
    write_file(folder / (std::to_string(i) + ".png"), to_png(gradient(4, 4)));
  std::size_t last = 0;
  catgan::DatasetOptions options{.folder = folder.path(), .image_size = 4};
  options.progress = [&](std::size_t done, std::size_t total) {
    CHECK(done >= last);
    CHECK(total == 5);
    last = done;
  };
  load_dataset(options);
  CHECK(last == 5);
  options.progress = [](std::size_t, std::size_t) { throw std::runtime_error("stop"); };
  CHECK_THROWS_WITH(load_dataset(options), "stop");
}

TEST_CASE("parallel work is done once each and its exceptions come back", "[dataset]") {
  std::vector<int> done(1000);
  catgan::for_each_index(done.size(), 4, [&](std::size_t i) { ++done[i]; });
  CHECK(std::count(done.begin(), done.end(), 1) == 1000);
  CHECK_THROWS_WITH(catgan::for_each_index(100, 4,
                                           [](std::size_t i) {
                                             if (i == 50) throw std::runtime_error("fifty");
                                           }),
                    "fifty");
}

TEST_CASE("pictures that cannot fit into memory are refused before decoding", "[dataset]") {
  const TemporaryFolder folder;
  for (int i = 0; i < 3; ++i)
    write_file(folder / (std::to_string(i) + ".png"), to_png(gradient(4, 4)));
  CHECK_THROWS_AS(load_dataset({.folder = folder.path(), .image_size = 5000}), whisker::Error);
}

TEST_CASE("all real cat faces are usable", "[dataset][real]") {
  const auto folder = real_pictures("cat_faces_128");
  if (!folder) SKIP("no cat_faces_128 below $WHISKER_DATA or ../shared/data");
  const LoadedDataset loaded = load_dataset({.folder = *folder, .image_size = 64});
  CHECK(loaded.census.usable == 5600);
  CHECK(loaded.census.skipped.empty());
}

TEST_CASE("all real photos are usable, junk after their end or not", "[dataset][real]") {
  const auto folder = real_pictures("cat_landmarks/full");
  if (!folder) SKIP("no cat_landmarks/full below $WHISKER_DATA or ../shared/data");
  const LoadedDataset loaded = load_dataset({.folder = *folder, .image_size = 64});
  CHECK(loaded.census.usable == 21);
  for (const auto& file : loaded.census.skipped)
    CHECK(file.fault == Fault::not_a_picture);
}

TEST_CASE("pictures are known by their content, whatever their names", "[dataset]") {
  const TemporaryFolder folder;
  const Bytes png = to_png(gradient(8, 8));
  for (const char* name : {"cat.jpg?width=300", "cat.jpg.1", "cat.jpg_large",
                           "IMG 2019.10.11 10.22.33", "a.txt", "b."})
    write_file(folder / name, png);
  for (const char* name : {"c.jpg.part", "d.png.crdownload", "e.PARTIAL"})
    write_file(folder / name, png);
  write_file(folder / "f.jpg.1", "<html>not found</html>");
  write_file(folder / "g", "RIFF....WEBPVP8 ");
  write_file(folder / "h.webp", "RIFF....WEBPVP8 ");
  write_file(folder / "i", "GIF89a");
  const LoadedDataset loaded = load(folder.path());
  CHECK(loaded.census.usable == 6);
  for (const char* name : {"c.jpg.part", "d.png.crdownload", "e.PARTIAL"})
    check_skipped(loaded.census, name, Fault::not_a_picture, "unfinished download");
  check_skipped(loaded.census, "f.jpg.1", Fault::unknown_data, "HTML");
  CHECK_THAT(loaded.census.to_text(), ContainsSubstring("neither JPEG nor PNG: 3 (GIF 1, WebP 2)"));
}

TEST_CASE("what catgan made is no training data, wherever it lies", "[dataset]") {
  const TemporaryFolder folder;
  const Bytes png = to_png(gradient(8, 8));
  write_file(folder / "cat.png", png);
  for (const std::string run : {"runs/00000-demo-drawn", "deep/er/run"}) {
    write_file(folder / (run + "/samples/old-grid.png"), png);
    write_file(folder / (run + "/more/cat.png"), png);
    write_file(folder / (run + "/config.json"), R"({"format": 1, "preset": "demo", "z_size": 8})");
  }
  const catgan::Picture cat{.width = 8, .height = 8, .rgb = gradient(8, 8).rgb};
  catgan::write_png(folder / "grid.png", catgan::make_grid({cat, cat}, 2));
  const catgan::Picture generated =
      catgan::to_pictures(whisker::Tensor::zeros({1, 8, 8, 3}), catgan::DataRange::full).front();
  catgan::write_png(folder / "generated.png", generated);
  catgan::write_png(folder / "drawn.png", cat);
  const std::string_view escape("Software\0catgan \x1b[31m", 20);
  write_file(folder / "by_somebody.png",
             make_png(2, 1, 8, 0, {{1, 2}}, png_chunk("tEXt", bytes_of(escape))));

  const LoadedDataset loaded = load(folder.path());
  CHECK(loaded.census.usable == 3);
  check_skipped(loaded.census, "runs/00000-demo-drawn", Fault::own_output, "is a run");
  check_skipped(loaded.census, "deep/er/run", Fault::own_output, "is a run");
  check_skipped(loaded.census, "grid.png", Fault::own_output, "grid");
  check_skipped(loaded.census, "generated.png", Fault::own_output, "generated picture");
  CHECK_THAT(loaded.census.to_text(), ContainsSubstring("made by catgan: 4"));
  for (const char* part : {"deep/er/run", "deep/er/run/samples"}) {
    CHECK_THROWS_AS(load(folder / part), whisker::InputError);
    CHECK_THROWS_WITH(load(folder / part), ContainsSubstring("belongs to a run"));
  }
  // A folder of pictures with such names is none.
  write_file(folder / "mine/config.json", "{}");
  write_file(folder / "mine/samples/cat.png", png);
  CHECK(load(folder / "mine").census.usable == 1);
}

TEST_CASE("a grid beyond what the PNG encoder counts is an error", "[dataset]") {
  std::vector<catgan::Picture> pictures(37 * 37);
  for (catgan::Picture& picture : pictures)
    picture.width = picture.height = 1024;
  CHECK_THROWS_AS(catgan::make_grid(pictures, 37), whisker::IoError);
  CHECK_THROWS_WITH(catgan::make_grid(pictures, 37),
                    ContainsSubstring("37888x37888") && ContainsSubstring("--grid"));
}
