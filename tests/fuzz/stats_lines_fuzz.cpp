// stats.jsonl, which a resumed run cuts: the first two bytes are the step, the rest is the file.
#include "target.h"
#include "training/run_folder.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  static const fuzz::ScratchFile file;
  const std::int64_t step = data[0] | data[1] << 8;
  const std::string before = fuzz::text_of(data + 2, size - 2);
  file.write({data + 2, size - 2});
  catgan::cut_statistics(file.path(), step);
  const std::string cut = file.read();
  fuzz::require(cut.empty() || cut.ends_with('\n'), "only whole lines stay");
  std::size_t from = 0;
  for (std::size_t begin = 0; begin < cut.size();) {
    const std::string line = cut.substr(begin, cut.find('\n', begin) - begin);
    const std::size_t found = before.find(line, from);
    fuzz::require(found != before.npos, "lines stay as they were and in their order");
    from = found + line.size();
    begin += line.size() + 1;
  }
  catgan::cut_statistics(file.path(), step);
  fuzz::require(file.read() == cut, "a second cut changes nothing");
  return 0;
}
