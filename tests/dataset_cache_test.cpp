// The cache is invisible but for speed: it never gives other pictures than the folder holds.
#include "pictures/dataset_cache.h"

#include <string>

#include "catch.h"
#include "picture_fixtures.h"
#include "pictures/cache_folder.h"
#include "pictures/content_hash.h"
#include "pictures/dataset.h"

using namespace picture_fixtures;
using catgan::Fit;
using catgan::load_dataset;
using catgan::LoadedDataset;

namespace fs = std::filesystem;

namespace {

struct CachedFolder {
  TemporaryFolder pictures, cache;

  CachedFolder() {
    for (int i = 0; i < 6; ++i)
      write_file(pictures / (std::to_string(i) + ".png"),
                 to_png(gradient(20, 16, static_cast<std::uint8_t>(40 * i))));
    write_file(pictures / "copy.png", to_png(gradient(20, 16, 0)));
    write_file(pictures / "bad.png", "not a picture");
  }
  LoadedDataset load(int image_size = 8, Fit fit = Fit::cover) const {
    return load_dataset({.folder = pictures.path(),
                         .image_size = image_size,
                         .fit = fit,
                         .cache_folder = cache.path()});
  }
  fs::path file(int image_size = 8, Fit fit = Fit::cover) const {
    return catgan::cache_file(cache.path(), pictures.path(), image_size, fit);
  }
};

Bytes pixels_of(const catgan::Dataset& dataset) {
  const auto bytes = dataset.size() * 3 * static_cast<std::size_t>(dataset.image_size()) *
                     static_cast<std::size_t>(dataset.image_size());
  return {dataset.picture(0), dataset.picture(0) + bytes};
}

}  // namespace

TEST_CASE("the content hash is XXH64", "[dataset_cache]") {
  // Published values of the algorithm; the last has a whole stripe and every kind of rest.
  CHECK(catgan::content_hash({}) == 0xEF46DB3751D8E999u);
  CHECK(catgan::content_hash(bytes_of("a")) == 0xD24EC4F1A98C6E5Bu);
  CHECK(catgan::content_hash(bytes_of("abc")) == 0x44BC2CF5AD770999u);
  CHECK(catgan::content_hash(bytes_of("Nobody inspects the spammish repetition")) ==
        0xFBCEA83C8A378BF1u);
}

TEST_CASE("a second start takes the same pictures and census from the cache", "[dataset_cache]") {
  const CachedFolder folder;
  const LoadedDataset first = folder.load(), second = folder.load();
  CHECK_FALSE(first.from_cache);
  CHECK(second.from_cache);
  CHECK(second.notes.empty());
  CHECK(pixels_of(first.pictures) == pixels_of(second.pictures));
  CHECK(first.census.duplicates == 1);
  CHECK(first.census.to_text() == second.census.to_text());
  CHECK_THAT(second.census.to_text(), ContainsSubstring("bad.png"));
}

TEST_CASE("any change of the folder's content is noticed", "[dataset_cache]") {
  const CachedFolder folder;
  folder.load();
  const fs::path target = folder.pictures / "3.png";
  const auto time = fs::last_write_time(target);
  SECTION("other bytes of the same length and time") {
    const auto size = fs::file_size(target);
    Bytes other = to_png(gradient(20, 16, 121));
    REQUIRE(other.size() == size);
    write_file(target, other);
    fs::last_write_time(target, time);
    CHECK(folder.load().pictures.picture(3)[2] == 121);
  }
  SECTION("a picture more") {
    write_file(folder.pictures / "7.png", to_png(gradient(9, 9)));
    CHECK(folder.load().pictures.size() == 8);
  }
  SECTION("a picture less") {
    fs::remove(target);
    CHECK(folder.load().pictures.size() == 6);
  }
  SECTION("two pictures swapped") {
    const Bytes other = read_file(folder.pictures / "4.png");
    write_file(folder.pictures / "4.png", read_file(target));
    write_file(target, other);
    CHECK(folder.load().pictures.picture(3)[2] == 160);
  }
  SECTION("a bad file repaired") {
    write_file(folder.pictures / "bad.png", to_png(gradient(9, 9)));
    CHECK(folder.load().pictures.size() == 8);
  }
  const LoadedDataset again = folder.load();
  CHECK(again.from_cache);
  CHECK(folder.cache.count() == 1);
}

TEST_CASE("a changed folder is decoded again with a note", "[dataset_cache]") {
  const CachedFolder folder;
  folder.load();
  fs::remove(folder.pictures / "0.png");
  const LoadedDataset loaded = folder.load();
  CHECK_FALSE(loaded.from_cache);
  REQUIRE(loaded.notes.size() == 1);
  CHECK_THAT(loaded.notes[0], ContainsSubstring("have changed"));
}

TEST_CASE("touching or copying the folder keeps the cache valid", "[dataset_cache]") {
  const CachedFolder folder;
  folder.load();
  fs::last_write_time(folder.pictures / "0.png", fs::file_time_type::clock::now());
  CHECK(folder.load().from_cache);
}

TEST_CASE("each size and fit has its own cache", "[dataset_cache]") {
  const CachedFolder folder;
  folder.load(8, Fit::cover);
  CHECK_FALSE(folder.load(8, Fit::stretch).from_cache);
  CHECK_FALSE(folder.load(16, Fit::cover).from_cache);
  CHECK(folder.load(8, Fit::cover).from_cache);
  CHECK(folder.cache.count() == 3);
}

TEST_CASE("a damaged cache is rejected whole and built anew", "[dataset_cache]") {
  const CachedFolder folder;
  const Bytes pixels = pixels_of(folder.load().pictures);
  const Bytes whole = read_file(folder.file());
  const auto check_rebuilt = [&] {
    const LoadedDataset loaded = folder.load();
    CHECK_FALSE(loaded.from_cache);
    REQUIRE(loaded.notes.size() == 1);
    CHECK_THAT(loaded.notes[0], ContainsSubstring("decoding again"));
    CHECK(pixels_of(loaded.pictures) == pixels);
    CHECK(read_file(folder.file()) == whole);
  };
  SECTION("one bit of any part") {
    for (std::size_t at = 0; at < whole.size(); at += at < 300 ? 7 : 211) {
      Bytes broken = whole;
      broken[at] ^= 0x10;
      write_file(folder.file(), broken);
      INFO("byte " << at);
      check_rebuilt();
    }
  }
  SECTION("cut off") {
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{40}, std::size_t{72}, whole.size() / 2, whole.size() - 1}) {
      write_file(folder.file(), std::span(whole).first(size));
      check_rebuilt();
    }
  }
  SECTION("too long") {
    write_file(folder.file(), whole + Bytes{0});
    check_rebuilt();
  }
}

TEST_CASE("a cache that cannot be written is a note, not an error", "[dataset_cache]") {
  const CachedFolder folder;
  const fs::path blocked = folder.cache / "file";
  write_file(blocked, "in the way");
  const LoadedDataset loaded = load_dataset(
      {.folder = folder.pictures.path(), .image_size = 8, .cache_folder = blocked / "cache"});
  CHECK(loaded.pictures.size() == 7);
  REQUIRE_FALSE(loaded.notes.empty());
  CHECK_THAT(loaded.notes.back(), ContainsSubstring("not cached"));
}

TEST_CASE("a device in place of the cache file is left alone", "[dataset_cache]") {
  const CachedFolder folder;
  fs::create_symlink("/dev/full", folder.file());
  for (int start = 0; start < 2; ++start) {
    const LoadedDataset loaded = folder.load();
    CHECK(loaded.pictures.size() == 7);
    REQUIRE(loaded.notes.size() == 2);
    CHECK_THAT(loaded.notes[0], ContainsSubstring("not a regular file"));
    CHECK_THAT(loaded.notes[1], ContainsSubstring("not cached"));
  }
  CHECK(folder.cache.count() == 1);
}

TEST_CASE("a folder inside in place of the cache file is a note", "[dataset_cache]") {
  const CachedFolder folder;
  fs::create_directories(folder.file() / "inside");
  const LoadedDataset loaded = folder.load();
  CHECK(loaded.pictures.size() == 7);
  CHECK(loaded.notes.size() == 2);
  CHECK(folder.cache.count() == 1);
}

TEST_CASE("a folder without usable pictures says so from the cache, too", "[dataset_cache]") {
  const TemporaryFolder pictures, cache;
  write_file(pictures / "bad.png", "not a picture");
  for (int start = 0; start < 2; ++start)
    CHECK_THROWS_WITH(
        load_dataset({.folder = pictures.path(), .image_size = 8, .cache_folder = cache.path()}),
        ContainsSubstring("bad.png"));
}

TEST_CASE("the cache of an older decoder is not used", "[dataset_cache]") {
  const CachedFolder folder;
  folder.load();
  Bytes older = read_file(folder.file());
  REQUIRE(older[8] >= 2);  // the version; 1 knew neither CMYK nor notes behind the pixels
  older[8] = 1;
  write_file(folder.file(), older);
  const LoadedDataset loaded = folder.load();
  CHECK_FALSE(loaded.from_cache);
  REQUIRE(loaded.notes.size() == 1);
  CHECK_THAT(loaded.notes[0], ContainsSubstring("format 1"));
  CHECK(folder.load().from_cache);
}

TEST_CASE("the cache folder lists what it holds, newest use included", "[dataset_cache]") {
  const CachedFolder folder;
  CHECK(catgan::list_caches(folder.cache / "absent").empty());
  CHECK(folder.load(8).new_cache == folder.file(8));
  folder.load(16);
  CHECK(folder.load(16).new_cache.empty());
  write_file(folder.cache / "broken.pictures", "CATGANPX");
  write_file(folder.cache / "foreign.txt", "not a cache");
  fs::create_symlink(folder.pictures / "0.png", folder.cache / "link.pictures");
  const auto caches = catgan::list_caches(folder.cache.path());
  REQUIRE(caches.size() == 3);
  CHECK(caches[0].path.filename() == "broken.pictures");
  CHECK_THAT(caches[0].problem, ContainsSubstring("cut off"));
  for (std::size_t i = 1; i < 3; ++i) {
    CHECK(caches[i].problem.empty());
    CHECK(caches[i].bytes == fs::file_size(caches[i].path));
    CHECK(caches[i].info.pictures == 7);
    CHECK(caches[i].info.picture_folder == fs::canonical(folder.pictures.path()));
  }
  const auto old_time = fs::file_time_type::clock::now() - std::chrono::hours(99);
  fs::last_write_time(folder.file(8), old_time);
  CHECK(folder.load(8).from_cache);
  CHECK(fs::last_write_time(folder.file(8)) > old_time);
  CHECK(catgan::remove_cache(caches[1]));
  CHECK_FALSE(catgan::remove_cache(caches[1]));
}

TEST_CASE("what a killed writer left in the cache folder goes with the next cache",
          "[dataset_cache]") {
  const CachedFolder folder;
  write_file(folder.cache / "x.pictures.123-4.tmp", "half");
  folder.load();
  CHECK(folder.cache.count() == 1);
}
