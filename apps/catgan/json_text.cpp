#include "json_text.h"

#include <set>
#include <vector>

#include <whisker/kernels/check.h>

namespace catgan {

using whisker::check;
using whisker::InputError;
using whisker::str;
using Json = nlohmann::ordered_json;

Json parse_json(const std::string& text, const std::string& source) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto look = [&](int depth, Json::parse_event_t event, const Json& value) {
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    check<InputError>(!opens || depth < kMostJsonLevels, source,
                      ": is not JSON that catgan takes: it nests deeper than ", kMostJsonLevels,
                      " levels");
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto& key = value.get_ref<const std::string&>();
      check<InputError>(keys.back().insert(key).second, source, ": has ", value.dump(-1, ' ', true),
                        " twice; leave one of them out");
    }
    return true;
  };
  try {
    return Json::parse(text, look);
  } catch (const Json::exception& error) {
    throw InputError(str(source, ": is not JSON: ", error.what()));
  }
}

}  // namespace catgan
