#include "json_text.h"

#include <whisker/kernels/check.h>

#include "catch.h"
#include "catgan_fixtures.h"
#include "training/run_folder.h"
#include "training/run_statistics.h"

using catgan::parse_json;
using catgan_fixtures::ContainsSubstring;
using file_fixtures::message_of;
using whisker::InputError;

namespace {

std::string complaint(const std::string& text) {
  return message_of<InputError>([&] { parse_json(text, "my.json"); });
}

std::string nested(const std::string& open, const std::string& close, int levels) {
  std::string text;
  for (int i = 0; i < levels; ++i)
    text += open;
  text += "1";
  for (int i = 0; i < levels; ++i)
    text += close;
  return text;
}

}  // namespace

TEST_CASE("JSON may nest as deep as anything of catgan does, and no deeper", "[json]") {
  for (const auto& [open, close] : {std::pair{"[", "]"}, std::pair{"{\"a\":", "}"}}) {
    CHECK(complaint(nested(open, close, catgan::kMostJsonLevels)).empty());
    CHECK_THAT(complaint(nested(open, close, catgan::kMostJsonLevels + 1)),
               ContainsSubstring("my.json: is not JSON that catgan takes: it nests deeper"));
    // 150,000 levels exhaust the stack where they are copied or printed.
    CHECK_THAT(complaint(nested(open, close, 150000)), ContainsSubstring("it nests deeper"));
  }
}

TEST_CASE("A key that is given twice is refused, in whatever object", "[json]") {
  CHECK_THAT(complaint("{\"a\": 1, \"b\": 2, \"a\": 1}"), ContainsSubstring("has \"a\" twice"));
  CHECK_THAT(complaint("[{\"a\": {\"b\": 1, \"b\": 2}}]"), ContainsSubstring("has \"b\" twice"));
  CHECK_THAT(complaint("{\"\\u001b\": 1, \"\\u001b\": 2}"), ContainsSubstring("\"\\u001b\" twice"));
  CHECK(complaint("{\"a\": {\"a\": 1}, \"b\": {\"a\": 1}}").empty());
  CHECK(complaint("[{\"a\": 1}, {\"a\": 2}]").empty());
}

TEST_CASE("All other JSON that is read is bounded as well", "[json]") {
  const std::string deep = nested("[", "]", 150000);
  CHECK_THAT(message_of<InputError>([&] {
               catgan::RunStatistics::from_json("{\"steps\": " + deep + "}", "a checkpoint");
             }),
             ContainsSubstring("a checkpoint: statistics: is not JSON that catgan takes"));
  const file_fixtures::Folder folder;
  const std::string good = "{\"step\":1}\n{\"step\":2}\n";
  file_fixtures::write_text(folder / "stats.jsonl",
                            good + "{\"step\":3,\"x\":" + deep + "}\n{\"step\":1");
  CHECK(catgan::cut_statistics(folder / "stats.jsonl", 9) == 2);
  CHECK(file_fixtures::read_text(folder / "stats.jsonl") == good);
}
