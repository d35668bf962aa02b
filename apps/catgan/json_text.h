// The one reader of JSON for all that catgan reads.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace catgan {

/// Parses a JSON text whose values nest at most kMostJsonLevels deep, so that copying and printing
/// it cannot exhaust the stack, and whose objects have no key twice. Throws whisker::InputError
/// that begins with `source`.
nlohmann::ordered_json parse_json(const std::string& text, const std::string& source);

inline constexpr int kMostJsonLevels = 32;

}  // namespace catgan
