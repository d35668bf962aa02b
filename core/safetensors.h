// Reading and writing of safetensors files: https://huggingface.co/docs/safetensors
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <whisker/core/tensor.h>

namespace whisker::inline v0_1 {

/// A tensor of a file that was left out, and why.
struct SkippedTensor {
  std::string name, reason;
};

/// Named tensors and named texts. Copies share the tensors' elements.
struct SafetensorsFile {
  std::map<std::string, Tensor> tensors{};
  std::map<std::string, std::string> metadata{};
  std::vector<SkippedTensor> skipped{};  // what load_safetensors() was asked to leave out
};

struct SafetensorsOptions {
  /// Leave tensors out that whisker cannot hold, of a dtype it does not know or of more than six
  /// dimensions, and list them in `skipped`, instead of refusing the file.
  bool skip_unsupported = false;
};

/// Reads a whole file into CPU tensors that own their elements. Layout of the file:
///
///   u64 N, little-endian | N bytes of JSON | elements, little-endian, row-major
///   {"__metadata__": {"key": "value"},
///    "name": {"dtype": "F32", "shape": [2,3], "data_offsets": [begin, end]}}
///
/// Every dtype of the format is read (release 0.8 of the reference implementation); those that ops
/// do not compute with are converted by cast(). A tensor's entry may have more keys, which are
/// ignored, and __metadata__ may be null.
///
/// Every rule of the format is enforced: N is at most 100,000,000, no key occurs twice, and the
/// tensors cover all bytes after the header exactly once. Nothing is allocated for elements before
/// all of that was checked, so a bad file costs no more memory than a few times its header. The one
/// own limit is Shape's: six dimensions and 2^62 elements. Where save_safetensors() left its
/// checksum it is verified, unless tensors are skipped, and removed from the metadata.
///
/// Throws InputError that begins with the path and names the tensor, the rule and the remedy;
/// IoError if the file cannot be read; OutOfMemory.
SafetensorsFile load_safetensors(const std::filesystem::path& path,
                                 const SafetensorsOptions& options = {});

/// The same for a file that is in memory already; `name` takes the path's place in messages.
SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, const std::string& name,
                                  const SafetensorsOptions& options = {});

/// Writes a file that names either its old or the whole new content at any moment, a power cut
/// included. Wider dtypes come first, then names in order, so that elements are aligned. A checksum
/// of everything is added to the metadata under kSafetensorsChecksumKey. Dtypes are kept.
/// Throws IoError, or Error for content that no reader would take: an undefined tensor, a tensor on
/// another device than the CPU, a name that is "__metadata__" or not UTF-8.
void save_safetensors(const std::filesystem::path& path, const SafetensorsFile& file);

inline constexpr const char* kSafetensorsChecksumKey = "whisker.checksum";

}  // namespace whisker::inline v0_1
