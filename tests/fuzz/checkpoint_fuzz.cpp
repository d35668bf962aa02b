// The metadata of a checkpoint: lines "key=value" of the input, in a file that is whole.
#include <sstream>

#include <whisker/core/safetensors.h>

#include "target.h"
#include "training/checkpoint.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::ScratchFile file;
  whisker::SafetensorsFile content;
  content.tensors.emplace("g.x", whisker::Tensor::from<float>({1, 2}, {2}));
  std::istringstream lines(fuzz::text_of(data, size));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t middle = line.find('=');
    if (middle == line.npos) continue;
    const std::string key = line.substr(0, middle), value = line.substr(middle + 1);
    if (!catgan::is_utf8(key) || !catgan::is_utf8(value)) return 0;
    if (key != whisker::kSafetensorsChecksumKey) content.metadata[key] = value;
  }
  whisker::save_safetensors(file.path(), content);
  const auto loaded = fuzz::attempt<whisker::InputError>(
      file.path().string(), [&] { return catgan::load_checkpoint(file.path()); });
  if (!loaded) return 0;
  validate(loaded->config);
  fuzz::require(loaded->tensors.size() == 1, "a checkpoint has the tensors of its file");
  fuzz::require(loaded->statistics == content.metadata["statistics"],
                "a checkpoint has the statistics of its file");
  return 0;
}
