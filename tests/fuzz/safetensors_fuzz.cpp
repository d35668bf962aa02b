// Whole safetensors files.
#include <cstring>

#include <whisker/core/safetensors.h>

#include "target.h"

namespace {

bool same(const whisker::Tensor& a, const whisker::Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         (a.bytes() == 0 || std::memcmp(a.raw_data(), b.raw_data(), a.bytes()) == 0);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace whisker;
  static const fuzz::ScratchFile scratch;
  const auto file = fuzz::attempt<InputError, OutOfMemory>(
      "file", [&] { return parse_safetensors(std::as_bytes(std::span(data, size)), "file"); });
  if (!file) return 0;
  std::size_t held = 0;
  for (const auto& [name, tensor] : file->tensors)
    held += tensor.bytes();
  fuzz::require(held <= size, "tensors take no more bytes than the file has");

  save_safetensors(scratch.path(), *file);
  const SafetensorsFile again = load_safetensors(scratch.path());
  fuzz::require(again.metadata == file->metadata, "metadata come back from a file as they were");
  fuzz::require(again.tensors.size() == file->tensors.size(), "all tensors come back");
  for (const auto& [name, tensor] : file->tensors)
    fuzz::require(same(again.tensors.at(name), tensor), "a tensor comes back as it was");
  return 0;
}
