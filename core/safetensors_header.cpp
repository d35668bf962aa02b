#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include <whisker/core/safetensors.h>
#include <whisker/core/safetensors_header.h>

namespace whisker::inline v0_1 {
namespace {

using nlohmann::json;

constexpr const char* kMetadataName = "__metadata__";

// All dtypes of the format, in the order in which the reference implementation writes them.
constexpr std::array<std::pair<Dtype, const char*>, 22> kCodes{
    {{Dtype::uint64, "U64"},
     {Dtype::int64, "I64"},
     {Dtype::float64, "F64"},
     {Dtype::complex64, "C64"},
     {Dtype::float32, "F32"},
     {Dtype::uint32, "U32"},
     {Dtype::int32, "I32"},
     {Dtype::bfloat16, "BF16"},
     {Dtype::float16, "F16"},
     {Dtype::uint16, "U16"},
     {Dtype::int16, "I16"},
     {Dtype::float8_e5m2fnuz, "F8_E5M2FNUZ"},
     {Dtype::float8_e4m3fnuz, "F8_E4M3FNUZ"},
     {Dtype::float8_e8m0, "F8_E8M0"},
     {Dtype::float8_e4m3, "F8_E4M3"},
     {Dtype::float8_e5m2, "F8_E5M2"},
     {Dtype::int8, "I8"},
     {Dtype::uint8, "U8"},
     {Dtype::float6_e3m2, "F6_E3M2"},
     {Dtype::float6_e2m3, "F6_E2M3"},
     {Dtype::float4_e2m1, "F4"},
     {Dtype::boolean, "BOOL"}}};

// Objects and lists within one another, the outermost two among them: the reference reader's limit.
constexpr int kMaxDepth = 127;

std::size_t writing_rank(Dtype dtype) {
  return static_cast<std::size_t>(
      std::find_if(kCodes.begin(), kCodes.end(), [&](auto& code) { return code.first == dtype; }) -
      kCodes.begin());
}

// What was read of one tensor so far.
struct RawEntry {
  std::optional<std::string> code;  // of the dtype
  std::optional<std::vector<std::uint64_t>> shape, data_offsets;
};

// Receives the header token by token. A document tree would take up to eighteen times the text's
// size, and would hide repeated keys and numbers that are no unsigned integers.
class HeaderReader final : public json::json_sax_t {
 public:
  HeaderReader(std::string_view text, std::string file) : text_(text), file_(std::move(file)) {}

  std::map<std::string, RawEntry> entries;
  std::map<std::string, std::string> metadata;

  bool key(std::string& name) override {
    if (ignored_depth_ > 0) return true;
    if (place_ == Place::top) {
      enter_name(name);
    } else if (place_ == Place::metadata) {
      if (metadata.contains(name)) fail(": the key ", quote_untrusted(name), " occurs twice");
      metadata_key_ = name;
    } else {
      const auto* field = std::find(kFieldNames.begin(), kFieldNames.end(), name);
      field_ = static_cast<Field>(field - kFieldNames.begin());
      if (field_ == Field::ignored) return true;
      const RawEntry& entry = current_->second;
      if (field_ == Field::dtype ? entry.code.has_value() : list_of(field_).has_value())
        fail(": the key '", name, "' occurs twice");
    }
    return true;
  }

  bool string(std::string& value) override {
    if (ignores()) return true;
    if (place_ == Place::metadata)
      metadata.emplace(std::move(metadata_key_), std::move(value));
    else if (place_ == Place::entry && field_ == Field::dtype)
      current_->second.code = std::move(value);
    else
      unexpected("the text " + quote_untrusted(value));
    return true;
  }

  bool number_unsigned(json::number_unsigned_t value) override {
    if (ignores()) return true;
    if (place_ != Place::list) unexpected("the number " + std::to_string(value));
    std::vector<std::uint64_t>& list = *list_of(field_);
    if (field_ == Field::data_offsets && list.size() == 2) unexpected("a third number");
    list.push_back(value);
    return true;
  }

  bool start_object(std::size_t) override {
    if (ignores()) return enter_ignored();
    if (place_ == Place::start)
      place_ = Place::top;
    else if (place_ == Place::top)
      place_ = in_metadata_ ? Place::metadata : Place::entry;
    else
      unexpected("an object");
    return true;
  }

  bool end_object() override {
    if (ignored_depth_ > 0) return leave_ignored();
    if (place_ == Place::entry) {
      const RawEntry& entry = current_->second;
      if (!entry.code) fail(": dtype is missing");
      if (!entry.shape) fail(": shape is missing");
      if (!entry.data_offsets) fail(": data_offsets is missing");
    }
    place_ = Place::top;
    return true;
  }

  bool start_array(std::size_t) override {
    if (ignores()) return enter_ignored();
    if (place_ != Place::entry || field_ == Field::dtype) unexpected("a list");
    list_of(field_).emplace();
    place_ = Place::list;
    return true;
  }

  bool end_array() override {
    if (ignored_depth_ > 0) return leave_ignored();
    if (field_ == Field::data_offsets && list_of(field_)->size() != 2)
      unexpected("a list of " + std::to_string(list_of(field_)->size()));
    place_ = Place::entry;
    return true;
  }

  bool null() override {
    const bool no_metadata = place_ == Place::top && in_metadata_;
    return ignores() || no_metadata || unexpected("null");
  }
  bool boolean(bool value) override { return ignores() || unexpected(value ? "true" : "false"); }
  bool number_integer(json::number_integer_t value) override {
    return ignores() || unexpected("the number " + std::to_string(value));
  }
  bool number_float(json::number_float_t, const std::string& digits) override {
    return ignores() || unexpected("the number " + quote_untrusted(digits));
  }
  bool binary(json::binary_t&) override { return unexpected("binary data"); }

  bool parse_error(std::size_t position, const std::string&,
                   const json::exception& error) override {
    // The library's text goes on with the last token, which may be as long as the header.
    std::string_view reason = error.what();
    reason = reason.substr(0, reason.find("; last read"));
    for (const std::string_view mark : {"] ", " - "})
      if (const std::size_t at = reason.find(mark); at != reason.npos)
        reason.remove_prefix(at + mark.size());
    throw InputError(str(file_, ": the header is not valid JSON, byte ",
                         std::min(position, text_.size()), " of ", text_.size(), ": ",
                         quote_untrusted(reason)));
  }

 private:
  enum class Place { start, top, metadata, entry, list };
  enum class Field { dtype, shape, data_offsets, ignored };
  static constexpr std::array<std::string_view, 3> kFieldNames{"dtype", "shape", "data_offsets"};

  /// Whether what comes is, or is part of, the value of a key that means nothing here.
  bool ignores() const {
    return ignored_depth_ > 0 || (place_ == Place::entry && field_ == Field::ignored);
  }
  bool enter_ignored() {
    constexpr int kAround = 2;  // the header and the tensor's entry
    if (++ignored_depth_ + kAround > kMaxDepth)
      fail(": objects and lists more than ", kMaxDepth, " deep within one another");
    return true;
  }
  bool leave_ignored() {
    --ignored_depth_;
    return true;
  }

  void enter_name(const std::string& name) {
    in_metadata_ = name == kMetadataName;
    if (in_metadata_ ? std::exchange(seen_metadata_, true) : entries.contains(name))
      throw InputError(str(file_, ": the header has two entries named ", quote_untrusted(name)));
    if (in_metadata_) return;
    current_ = entries.emplace(name, RawEntry{}).first;
  }

  std::optional<std::vector<std::uint64_t>>& list_of(Field field) {
    return field == Field::shape ? current_->second.shape : current_->second.data_offsets;
  }

  template <class... Args>
  [[noreturn]] void fail(const Args&... message) const {
    const std::string what =
        in_metadata_ ? kMetadataName : "tensor " + quote_untrusted(current_->first);
    throw InputError(str(file_, ": ", what, message...));
  }

  [[noreturn]] bool unexpected(const std::string& found) const {
    if (place_ == Place::top)
      fail(in_metadata_ ? " must be an object of texts" : " must be an object", ", found ", found);
    if (place_ == Place::metadata)
      fail(": the value of ", quote_untrusted(metadata_key_), " must be a text, found ", found);
    if (field_ == Field::dtype) fail(": dtype must be a text, found ", found);
    fail(field_ == Field::shape ? ": shape must be a list of unsigned integers"
                                : ": data_offsets must be a list of two unsigned integers",
         ", found ", found);
  }

  std::string_view text_;
  std::string file_;
  Place place_ = Place::start;
  Field field_ = Field::dtype;
  bool in_metadata_ = false, seen_metadata_ = false;
  int ignored_depth_ = 0;
  std::map<std::string, RawEntry>::iterator current_;
  std::string metadata_key_;
};

std::string list_text(const std::vector<std::uint64_t>& values) {
  std::string text = "[";
  for (const std::uint64_t value : values)
    text += (text.size() > 1 ? "," : "") + std::to_string(value);
  return text + "]";
}

std::optional<Dtype> dtype_of_code(const std::string& code) {
  for (const auto& [dtype, known] : kCodes)
    if (code == known) return dtype;
  return {};
}

SafetensorsEntry checked_entry(const std::string& name, const RawEntry& raw,
                               const std::string& file, bool keep_unsupported) {
  const std::string tensor = str(file, ": tensor ", quote_untrusted(name));
  SafetensorsEntry entry{.name = name};
  const std::optional<Dtype> dtype = dtype_of_code(*raw.code);
  if (!dtype)
    entry.unsupported = quote_untrusted(*raw.code) + " is no dtype of the format";
  else if (raw.shape->size() > Shape::kMaxRank)
    entry.unsupported =
        str("more than ", Shape::kMaxRank, " dimensions, which whisker does not take");
  check<InputError>(entry.unsupported.empty() || keep_unsupported, tensor, ": ", entry.unsupported,
                    "; leave it out with skip_unsupported, or save the file anew without it");
  entry.begin = raw.data_offsets->at(0);
  entry.end = raw.data_offsets->at(1);
  check<InputError>(entry.begin <= entry.end, tensor, ": data_offsets ",
                    list_text(*raw.data_offsets), " end before they begin");

  // Zero is left out, so that sizes that would overflow are refused in empty tensors too.
  constexpr std::uint64_t kMaxElements = std::uint64_t{1} << 62;
  std::uint64_t product = 1;
  bool empty = false;
  std::vector<std::int64_t> dims;
  for (const std::uint64_t dim : *raw.shape) {
    empty = empty || dim == 0;
    check<InputError>(dim == 0 || product <= kMaxElements / dim, tensor, ": shape ",
                      list_text(*raw.shape), " has more than 2^62 elements");
    product *= dim == 0 ? 1 : dim;
    dims.push_back(static_cast<std::int64_t>(dim));
  }
  if (!dtype) return entry;  // of unknown size
  entry.dtype = *dtype;
  if (entry.unsupported.empty()) entry.shape = Shape(std::span<const std::int64_t>(dims));

  // Bytes and not bits, which would overflow before.
  const std::uint64_t elements = empty ? 0 : product;
  const auto bits = static_cast<std::uint64_t>(bits_of(entry.dtype));
  check<InputError>(elements % 8 * bits % 8 == 0, tensor, ": ", *raw.code, " ",
                    list_text(*raw.shape), " ends within a byte");
  std::uint64_t bytes = 0;
  const bool overflow = __builtin_mul_overflow(elements / 8, bits, &bytes) ||
                        __builtin_add_overflow(bytes, elements % 8 * bits / 8, &bytes);
  check<InputError>(!overflow && bytes == entry.end - entry.begin, tensor, ": ", *raw.code, " ",
                    list_text(*raw.shape), " takes ",
                    overflow ? "more than 2^64" : std::to_string(bytes), " bytes, data_offsets ",
                    list_text(*raw.data_offsets), " hold ", entry.end - entry.begin);
  return entry;
}

// The tensors must follow one another from the first byte to the last.
void check_coverage(const std::vector<SafetensorsEntry>& entries, std::uint64_t data_size,
                    const std::string& file) {
  std::uint64_t covered = 0;
  const SafetensorsEntry* before = nullptr;
  for (const SafetensorsEntry& entry : entries) {
    const std::string tensor = str(file, ": tensor ", quote_untrusted(entry.name));
    check<InputError>(entry.begin >= covered, tensor, " begins at byte ", entry.begin,
                      " and overlaps tensor ", quote_untrusted(before ? before->name : ""),
                      ", which ends at byte ", covered);
    check<InputError>(entry.begin == covered, tensor, " begins at byte ", entry.begin,
                      " and leaves a hole of bytes that belong to no tensor: ",
                      "the one before ends at byte ", covered);
    covered = entry.end;
    before = &entry;
  }
  check<InputError>(covered <= data_size, file, ": is truncated: its tensors take ", covered,
                    " bytes, ", data_size, " follow the header; copy or download it again");
  check<InputError>(covered == data_size, file, ": ", data_size - covered,
                    " bytes after the last tensor belong to no tensor");
}

std::string json_text(const std::string& text, const char* what) {
  try {
    return json(text).dump();
  } catch (const json::exception&) {
    throw Error(str("safetensors: ", what, " ", quote_untrusted(text), " is not valid UTF-8"));
  }
}

}  // namespace

const char* safetensors_code(Dtype dtype) {
  return kCodes.at(writing_rank(dtype)).second;
}

std::string quote_untrusted(std::string_view text) {
  constexpr std::size_t kMaxBytes = 100;
  constexpr const char* kHex = "0123456789abcdef";
  std::size_t length = std::min(text.size(), kMaxBytes);
  // Not in the middle of a UTF-8 character.
  while (length < text.size() && length > 0 && (text[length] & 0xC0) == 0x80)
    --length;
  std::string quoted = "'";
  for (const char c : text.substr(0, length)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F)
      quoted += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    else
      quoted += c;
  }
  return quoted + (length < text.size() ? "...'" : "'");
}

SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t data_size,
                                           const std::string& file, bool keep_unsupported) {
  check<InputError>(text.starts_with('{'), file,
                    ": the header does not begin with '{'; this is not a safetensors file");
  // The JSON library takes a zero byte for the end of its input.
  const std::size_t zero = text.find('\0');
  check<InputError>(zero == text.npos, file, ": the header is not valid JSON: byte ", zero,
                    " is zero");

  HeaderReader reader(text, file);
  json::sax_parse(text.begin(), text.end(), &reader);

  SafetensorsHeader header{.metadata = std::move(reader.metadata)};
  header.entries.reserve(reader.entries.size());
  for (const auto& [name, raw] : reader.entries)
    header.entries.push_back(checked_entry(name, raw, file, keep_unsupported));
  std::stable_sort(header.entries.begin(), header.entries.end(), [](auto& a, auto& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_coverage(header.entries, data_size, file);
  return header;
}

std::string format_safetensors_header(SafetensorsHeader& header) {
  std::stable_sort(header.entries.begin(), header.entries.end(), [](auto& a, auto& b) {
    return std::pair(writing_rank(a.dtype), std::string_view(a.name)) <
           std::pair(writing_rank(b.dtype), std::string_view(b.name));
  });

  std::string text;
  if (!header.metadata.empty()) {
    for (const auto& [key, value] : header.metadata)
      text += str(text.empty() ? "" : ",", json_text(key, "metadata key"), ":",
                  json_text(value, "the metadata value"));
    text = str('"', kMetadataName, "\":{", text, "}");
  }
  std::uint64_t offset = 0;
  for (SafetensorsEntry& entry : header.entries) {
    check(entry.name != kMetadataName, "safetensors: no tensor can be named ", kMetadataName);
    entry.begin = offset;
    entry.end = offset += bytes_of(entry.shape.numel(), entry.dtype);
    text += str(text.empty() ? "" : ",", json_text(entry.name, "tensor name"), R"(:{"dtype":")",
                safetensors_code(entry.dtype), R"(","shape":)", entry.shape, R"(,"data_offsets":[)",
                entry.begin, ",", entry.end, "]}");
  }
  text = "{" + text + "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');
  check(text.size() <= kMaxSafetensorsHeader, "safetensors: the header would take ", text.size(),
        " bytes, the format allows ", kMaxSafetensorsHeader, "; store less metadata");
  return text;
}

}  // namespace whisker::inline v0_1
