// Files that are almost safetensors files.
#pragma once

#include <string>
#include <vector>

namespace safetensors_corpus {

/// Eight bytes of length, the header, and data.
std::string make_file(const std::string& header, const std::string& data);

struct BadFile {
  std::string bytes;
  std::string reason;  // part of the message that it must be refused with
};
std::vector<BadFile> bad_files();

}  // namespace safetensors_corpus
