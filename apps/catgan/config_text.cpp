// Settings as JSON and as text.

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <type_traits>

#include "config_fields.h"
#include "json_text.h"

namespace catgan {
namespace {

using whisker::check;
using whisker::InputError;
using whisker::str;
using Json = nlohmann::ordered_json;

constexpr int kFormat = 2;
constexpr int kFormatWithoutDevice = 1;  // all runs were on the CPU

template <class Enum>
std::string choices() {
  std::string text;
  for (const char* name : EnumNames<Enum>::names)
    text += str(text.empty() ? "" : ", ", name);
  return text;
}

template <class Enum>
const char* name_of(Enum value) {
  return EnumNames<Enum>::names.at(static_cast<std::size_t>(value));
}

/// Returns whether there was such a name.
template <class Enum>
bool parse_enum(const std::string& text, Enum& value) {
  for (std::size_t i = 0; i < EnumNames<Enum>::names.size(); ++i) {
    if (text != EnumNames<Enum>::names[i]) continue;
    value = static_cast<Enum>(i);
    return true;
  }
  return false;
}

// ---- JSON --------------------------------------------------------------------------------------

struct JsonWriter {
  Json& json;

  template <class T>
  void operator()(const Field& field, const T& value) const {
    if constexpr (std::is_enum_v<T>) {
      json[field.name] = name_of(value);
    } else {
      json[field.name] = value;
    }
  }
};

struct JsonReader {
  const Json& json;
  const std::string& source;

  template <class T>
  void operator()(const Field& field, T& value) const {
    const auto found = json.find(field.name);
    check<InputError>(found != json.end(), source, ": ", field.name,
                      " is missing; take all settings from `catgan config`");
    read(field, *found, value);
  }

 private:
  [[noreturn]] void fail(const Field& field, const Json& given, const std::string& wanted) const {
    throw InputError(str(source, ": ", field.name, ": wants ", wanted, ", got ", brief(given)));
  }
  static std::string brief(const Json& given) {
    const std::string text = given.dump(-1, ' ', true);
    return text.size() <= 60 ? text : text.substr(0, 57) + "...";
  }
  static bool within(const Field& field, double v) { return v >= field.low && v <= field.high; }

  void read(const Field& field, const Json& given, std::string& value) const {
    if (!given.is_string()) fail(field, given, "a string");
    value = given.get<std::string>();
  }
  void read(const Field& field, const Json& given, bool& value) const {
    if (!given.is_boolean()) fail(field, given, "true or false");
    value = given.get<bool>();
  }
  void read(const Field& field, const Json& given, double& value) const {
    if (!given.is_number() || !within(field, given.get<double>()))
      fail(field, given, str("a number from ", field.low, " to ", field.high));
    value = given.get<double>();
  }
  void read(const Field& field, const Json& given, std::vector<int>& value) const {
    const std::string wanted = str("a list of integers from ", field.low, " to ", field.high);
    if (!given.is_array() || given.size() > 64) fail(field, given, wanted);
    value.clear();
    for (const Json& item : given) {
      if (!item.is_number_integer() || !within(field, item.get<double>()))
        fail(field, given, wanted);
      value.push_back(item.get<int>());
    }
  }
  template <class T>
  void read(const Field& field, const Json& given, T& value) const {
    if constexpr (std::is_enum_v<T>) {
      if (!given.is_string() || !parse_enum(given.get<std::string>(), value))
        fail(field, given, "one of " + choices<T>());
    } else if constexpr (std::is_unsigned_v<T>) {
      if (!given.is_number_unsigned()) fail(field, given, "an integer, 0 or more");
      value = given.get<T>();
    } else {
      if (!given.is_number_integer() || !within(field, given.get<double>()))
        fail(field, given, str("an integer from ", field.low, " to ", field.high));
      value = given.get<T>();
    }
  }
};

// ---- Text --------------------------------------------------------------------------------------

std::string text_of(const std::string& value) {
  return value;
}
std::string text_of(bool value) {
  return value ? "true" : "false";
}
std::string text_of(double value) {
  return Json(value).dump();  // the shortest text that reads back as the same number
}
std::string text_of(const std::vector<int>& value) {
  std::string text;
  for (const int v : value)
    text += str(text.empty() ? "" : ",", v);
  return text;
}
template <class T>
std::string text_of(const T& value) {
  if constexpr (std::is_enum_v<T>)
    return name_of(value);
  else
    return str(value);
}

std::string flag_of(std::string name) {
  for (char& c : name)
    if (c == '_') c = '-';
  return "--" + name;
}

struct TextReader {
  const std::string& text;

  /// Whether the text was a value of this type; `wanted` then says what it should be.
  template <class T>
  std::string operator()(const Field& field, T& value) const {
    if constexpr (std::is_same_v<T, std::string>) {
      value = text;
      return {};
    } else if constexpr (std::is_same_v<T, bool>) {
      value = text == "true";
      return text == "true" || text == "false" ? "" : "true or false";
    } else if constexpr (std::is_enum_v<T>) {
      return parse_enum(text, value) ? "" : "one of " + choices<T>();
    } else if constexpr (std::is_same_v<T, std::vector<int>>) {
      return list(field, value);
    } else {
      return number(field, text, value) ? "" : range(field, std::is_integral_v<T>);
    }
  }

 private:
  static std::string range(const Field& field, bool integer) {
    const std::string kind = integer ? "an integer" : "a number";
    if (std::isinf(field.low)) return kind + ", 0 or more";
    return str(kind, " from ", field.low, " to ", field.high);
  }
  template <class T>
  static bool number(const Field& field, std::string_view part, T& value) {
    T read{};
    const auto end = std::from_chars(part.data(), part.data() + part.size(), read);
    if (end.ec != std::errc() || end.ptr != part.data() + part.size()) return false;
    const auto v = static_cast<double>(read);
    if (!(v >= field.low && v <= field.high)) return false;
    value = read;
    return true;
  }
  std::string list(const Field& field, std::vector<int>& value) const {
    std::vector<int> items;
    std::string_view rest = text;
    while (true) {
      const std::size_t comma = rest.find(',');
      int item = 0;
      if (!number(field, rest.substr(0, comma), item))
        return range(field, true) + ", or several with commas between them";
      items.push_back(item);
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
    value = items;
    return {};
  }
};

/// As JSON writes it, in one line of ASCII.
std::string escaped(const std::string& text) {
  const std::string quoted = Json(text).dump(-1, ' ', true, Json::error_handler_t::replace);
  return quoted.substr(1, quoted.size() - 2);
}

}  // namespace

bool is_utf8(const std::string& text) try {
  (void)Json(text).dump();
  return true;
} catch (const Json::exception&) {
  return false;
}

std::string to_json(const Config& config) {
  Json json;
  json["format"] = kFormat;
  for_each_field(config, JsonWriter{json});
  return json.dump(2) + "\n";
}

Config config_from_json(const std::string& text, const std::string& source) {
  Json json = parse_json(text, source);
  check<InputError>(json.is_object(), source, ": wants a JSON object, as `catgan config` prints");
  const auto format = json.find("format");
  check<InputError>(format != json.end() && format->is_number_integer(), source,
                    ": format is missing; take the settings from `catgan config`");
  check<FutureFormat>(*format <= kFormat, source, ": format ", format->dump(),
                      ", but this catgan reads format ", kFormat,
                      "; a newer catgan wrote it, so use that one");
  check<InputError>(*format >= kFormatWithoutDevice, source, ": there is no format ",
                    format->dump());
  if (*format == kFormatWithoutDevice) json.emplace("device", "cpu");
  Config config;
  std::set<std::string> known{"format"};
  for_each_field(config, [&](const Field& field, const auto&) { known.insert(field.name); });
  for (const auto& [name, value] : json.items())
    check<InputError>(known.contains(name), source, ": there is no setting ", escaped(name),
                      "; `catgan config` prints all there are");
  for_each_field(config, JsonReader{json, source});
  try {
    validate(config);
  } catch (const UsageError& error) {
    throw InputError(str(source, ": ", error.what()));
  }
  return config;
}

std::vector<Setting> settings_of(const Config& config) {
  std::vector<Setting> settings;
  for_each_field(config, [&](const Field& field, const auto& value) {
    settings.push_back(
        {field.name, flag_of(field.name), field.help, text_of(value), field.may_change});
  });
  return settings;
}

void set_setting(Config& config, const std::string& name, const std::string& text) {
  bool known = false;
  for_each_field(config, [&](const Field& field, auto& value) {
    if (field.name != name) return;
    known = true;
    const std::string wanted = TextReader{text}(field, value);
    check<UsageError>(wanted.empty(), flag_of(name), ": wants ", wanted, ", got ", text);
  });
  check<UsageError>(known, "there is no setting ", name);
}

std::vector<Difference> differences(const Config& was, const Config& is) {
  std::vector<Difference> result;
  const std::vector<Setting> before = settings_of(was), after = settings_of(is);
  for (std::size_t i = 0; i < before.size(); ++i)
    if (before[i].value != after[i].value) result.push_back({before[i], after[i]});
  return result;
}

}  // namespace catgan
