#include "training/checkpoint.h"

#include <whisker/core/safetensors.h>

#include "catch.h"
#include "catgan_fixtures.h"
#include "training/trainer.h"

using namespace whisker;
using catgan::Checkpoint;
using catgan::load_checkpoint;
using catgan::load_newest_checkpoint;
using catgan::save_checkpoint;
using catgan_fixtures::ContainsSubstring;
using catgan_fixtures::Folder;
using file_fixtures::message_of;
using file_fixtures::read_text;
using file_fixtures::write_text;

namespace {

Checkpoint some_checkpoint(std::int64_t step) {
  return {.step = step,
          .config = catgan_fixtures::tiny_config(),
          .data = {.hash = 0x0123456789ABCDEFu, .pictures = 10},
          .statistics = "{}",
          .tensors = {{"g.x", Tensor::full({2, 3}, static_cast<double>(step))}}};
}

std::vector<std::string> names(const std::filesystem::path& folder) {
  std::vector<std::string> result;
  for (const auto& path : catgan::list_checkpoints(folder))
    result.push_back(path.filename().string());
  return result;
}

/// Writes the checkpoint of step 7 with changed metadata.
void write_changed(const Folder& folder, const std::string& key, const std::string& value) {
  const auto path = save_checkpoint(folder.path(), some_checkpoint(7), 100);
  SafetensorsFile file = load_safetensors(path);
  if (value.empty()) {
    file.metadata.erase(key);
  } else {
    file.metadata[key] = value;
  }
  save_safetensors(path, file);
}

}  // namespace

TEST_CASE("A checkpoint comes back as it was saved", "[checkpoint]") {
  const Folder folder;
  const auto path = save_checkpoint(folder.path(), some_checkpoint(1234), 3);
  CHECK(path.filename() == "step-00001234.safetensors");
  const Checkpoint loaded = load_checkpoint(path);
  CHECK(loaded.step == 1234);
  CHECK(loaded.config == catgan_fixtures::tiny_config());
  CHECK(loaded.data == some_checkpoint(0).data);
  CHECK(loaded.statistics == "{}");
  CHECK(catgan_fixtures::difference(loaded.tensors, some_checkpoint(1234).tensors) == "");
  CHECK(load_safetensors(path).metadata.at("format") == "pt");
}

TEST_CASE("The last K checkpoints are kept, the new one always", "[checkpoint]") {
  const Folder folder;
  for (std::int64_t step = 1; step <= 5; ++step)
    save_checkpoint(folder.path(), some_checkpoint(step), 2);
  CHECK(names(folder.path()) ==
        std::vector<std::string>{"step-00000004.safetensors", "step-00000005.safetensors"});
  save_checkpoint(folder.path(), some_checkpoint(6), 1);
  CHECK(names(folder.path()) == std::vector<std::string>{"step-00000006.safetensors"});
  // One of an earlier step than all others, as after going back by hand.
  save_checkpoint(folder.path(), some_checkpoint(2), 1);
  CHECK(names(folder.path()) == std::vector<std::string>{"step-00000002.safetensors"});
}

TEST_CASE("Only whole names of checkpoints count, in the order of their steps", "[checkpoint]") {
  const Folder folder;
  for (const char* name :
       {"step-100000000.safetensors", "step-00000009.safetensors", "step-00000007.safetensors.bad",
        "step-.safetensors", "notes.txt", "step-1x.safetensors", "step--0000001.safetensors"})
    write_text(folder / name, "x");
  CHECK(names(folder.path()) ==
        std::vector<std::string>{"step-00000009.safetensors", "step-100000000.safetensors"});
  CHECK(names(folder / "missing").empty());
}

TEST_CASE("A damaged newest checkpoint is reported and the one before is used", "[checkpoint]") {
  const Folder folder;
  save_checkpoint(folder.path(), some_checkpoint(1), 9);
  save_checkpoint(folder.path(), some_checkpoint(2), 9);
  const auto newest = save_checkpoint(folder.path(), some_checkpoint(3), 9);
  const std::string whole = read_text(newest);
  std::string flipped = whole;
  flipped[whole.size() - 5] ^= 1;
  for (const std::string& bad : {std::string(), whole.substr(0, whole.size() / 2), flipped}) {
    write_text(newest, bad);
    const auto found = load_newest_checkpoint(folder.path());
    CHECK(found.checkpoint.step == 2);
    REQUIRE(found.damaged.size() == 1);
    CHECK(found.damaged[0] == newest);
    CHECK_THAT(found.notes[0], ContainsSubstring("step-00000003.safetensors"));
  }
}

TEST_CASE("A folder without a readable checkpoint is refused with all reasons", "[checkpoint]") {
  const Folder folder;
  CHECK_THAT(message_of<InputError>([&] { load_newest_checkpoint(folder.path()); }),
             ContainsSubstring("no checkpoint that can be read"));
  write_text(folder / "step-00000001.safetensors", "junk");
  CHECK_THAT(message_of<InputError>([&] { load_newest_checkpoint(folder.path()); }),
             ContainsSubstring("step-00000001.safetensors"));
}

TEST_CASE("A checkpoint of the future is refused, not passed over for an older one",
          "[checkpoint]") {
  const Folder folder;
  save_checkpoint(folder.path(), some_checkpoint(1), 9);
  write_changed(folder, "catgan.format", "2");
  CHECK_THAT(message_of<InputError>([&] { load_newest_checkpoint(folder.path()); }),
             ContainsSubstring("format 2, this catgan reads format 1; a newer catgan wrote it"));
}

TEST_CASE("Bad metadata is refused with its name", "[checkpoint]") {
  const Folder folder;
  const auto complaint = [&](const std::string& key, const std::string& value) {
    write_changed(folder, key, value);
    const auto path = catgan::checkpoint_path(folder.path(), 7);
    return message_of<InputError>([&] { load_checkpoint(path); });
  };
  CHECK_THAT(complaint("catgan.format", ""), ContainsSubstring("no checkpoint of catgan"));
  CHECK_THAT(complaint("catgan.format", "one"), ContainsSubstring("wants an integer, got one"));
  CHECK_THAT(complaint("catgan.format", "0"), ContainsSubstring("no checkpoint format 0"));
  CHECK_THAT(complaint("step", "7.5"), ContainsSubstring("\"step\""));
  CHECK_THAT(complaint("config", "{}"), ContainsSubstring("config: format is missing"));
  CHECK_THAT(complaint("data", "ten"), ContainsSubstring("fingerprint"));
  CHECK_THAT(complaint("data", "10:"), ContainsSubstring("fingerprint"));
  CHECK_THAT(complaint("statistics", ""), ContainsSubstring("\"statistics\""));
}

TEST_CASE("A fingerprint survives text", "[checkpoint]") {
  const catgan::DataFingerprint print{.hash = 0xAB, .pictures = 8000};
  CHECK(print.to_string() == "8000:00000000000000ab");
  CHECK(catgan::parse_fingerprint(print.to_string(), "x") == print);
}
