#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstring>
#include <functional>
#include <span>
#include <vector>

#include <whisker/core/atomic_file.h>
#include <whisker/core/crc32c.h>
#include <whisker/core/input_file.h>
#include <whisker/core/safetensors.h>
#include <whisker/core/safetensors_header.h>

namespace whisker::inline v0_1 {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

// Fills its argument with the next bytes of the file.
using ReadNext = std::function<void(std::span<std::byte>)>;

std::span<const std::byte> bytes_of(const Tensor& tensor) {
  return {tensor.raw_data(), tensor.bytes()};
}

void add_number(Crc32c& crc, std::uint64_t value) {
  crc.add(std::as_bytes(std::span(&value, 1)));
}
void add_text(Crc32c& crc, std::string_view text) {
  add_number(crc, text.size());
  crc.add(std::as_bytes(std::span(text)));
}

// Of the content and not of the file's bytes: a program that writes the same content in another
// order or with other spaces leaves it true.
std::string content_checksum(const SafetensorsFile& file) {
  Crc32c crc;
  for (const auto& [key, value] : file.metadata) {
    if (key == kSafetensorsChecksumKey) continue;
    add_text(crc, key);
    add_text(crc, value);
  }
  for (const auto& [name, tensor] : file.tensors) {
    add_text(crc, name);
    add_text(crc, safetensors_code(tensor.dtype()));
    add_number(crc, static_cast<std::uint64_t>(tensor.rank()));
    for (const std::int64_t dim : tensor.shape())
      add_number(crc, static_cast<std::uint64_t>(dim));
    crc.add(bytes_of(tensor));
  }
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "crc32c:%08x", static_cast<unsigned>(crc.value()));
  return text.data();
}

void verify_and_remove_checksum(SafetensorsFile& file, const std::string& name) {
  const auto found = file.metadata.find(kSafetensorsChecksumKey);
  if (found == file.metadata.end()) return;
  const std::string actual = content_checksum(file);
  check<InputError>(found->second == actual, name,
                    ": the content does not match its checksum: ", kSafetensorsChecksumKey, " is ",
                    quote_untrusted(found->second), ", not '", actual,
                    "'; the file is damaged, or was changed by a program that kept the old ",
                    "metadata: use another copy of it");
  file.metadata.erase(found);
}

void skip_bytes(std::uint64_t count, const ReadNext& read) {
  std::vector<std::byte> buffer(std::min<std::uint64_t>(count, 1 << 16));
  for (; count > 0; count -= buffer.size()) {
    buffer.resize(std::min<std::uint64_t>(count, buffer.size()));
    read(buffer);
  }
}

SafetensorsFile read_contents(const std::string& name, std::uint64_t size, const ReadNext& read,
                              const SafetensorsOptions& options) {
  std::uint64_t header_size = 0;
  check<InputError>(size >= sizeof header_size, name, ": has only ", size,
                    " bytes; it is truncated or not a safetensors file");
  read(std::as_writable_bytes(std::span(&header_size, 1)));
  check<InputError>(header_size <= kMaxSafetensorsHeader, name, ": the header length is ",
                    header_size, ", the format allows ", kMaxSafetensorsHeader,
                    "; this is not a safetensors file");
  const std::uint64_t rest = size - sizeof header_size;
  check<InputError>(
      header_size <= rest, name, ": the header takes ", header_size,
      " bytes and the file ends after ", rest,
      " of them; it is truncated or not a safetensors file: copy or download it again");

  SafetensorsHeader header;
  {
    std::string text(header_size, '\0');
    read(std::as_writable_bytes(std::span(text)));
    header = parse_safetensors_header(text, rest - header_size, name, options.skip_unsupported);
  }
  SafetensorsFile file{.metadata = std::move(header.metadata)};
  for (const SafetensorsEntry& entry : header.entries) {
    if (!entry.unsupported.empty()) {
      file.skipped.push_back({entry.name, entry.unsupported});
      skip_bytes(entry.end - entry.begin, read);
      continue;
    }
    Tensor tensor = Tensor::empty(entry.shape, entry.dtype, Device::cpu());
    if (tensor.bytes() > 0) read({tensor.raw_mutable_data(), tensor.bytes()});
    file.tensors.emplace(entry.name, std::move(tensor));
  }
  if (file.skipped.empty())
    verify_and_remove_checksum(file, name);
  else
    file.metadata.erase(kSafetensorsChecksumKey);
  return file;
}

}  // namespace

SafetensorsFile load_safetensors(const std::filesystem::path& path,
                                 const SafetensorsOptions& options) {
  InputFile input(path);
  return read_contents(
      path.string(), input.size(), [&](std::span<std::byte> buffer) { input.read(buffer); },
      options);
}

SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, const std::string& name,
                                  const SafetensorsOptions& options) {
  return read_contents(
      name, bytes.size(),
      [rest = bytes](std::span<std::byte> buffer) mutable {
        std::memcpy(buffer.data(), rest.data(), buffer.size());
        rest = rest.subspan(buffer.size());
      },
      options);
}

void save_safetensors(const std::filesystem::path& path, const SafetensorsFile& given) {
  SafetensorsFile file{.metadata = given.metadata};
  SafetensorsHeader header{.metadata = given.metadata};
  for (const auto& [name, tensor] : given.tensors) {
    check(tensor.defined(), "safetensors: tensor ", quote_untrusted(name), " has no value");
    file.tensors.emplace(name, tensor.to(Device::cpu()));
    header.entries.push_back({.name = name, .dtype = tensor.dtype(), .shape = tensor.shape()});
  }
  header.metadata[kSafetensorsChecksumKey] = content_checksum(file);
  const std::string text = format_safetensors_header(header);
  const std::uint64_t header_size = text.size();

  std::vector<std::span<const std::byte>> parts{std::as_bytes(std::span(&header_size, 1)),
                                                std::as_bytes(std::span(text))};
  for (const SafetensorsEntry& entry : header.entries)
    parts.push_back(bytes_of(file.tensors.at(entry.name)));
  write_file_atomically(path, parts);
}

}  // namespace whisker::inline v0_1
