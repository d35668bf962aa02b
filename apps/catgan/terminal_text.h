// Text for terminals and shells.
#pragma once

#include <string>
#include <string_view>

namespace catgan {

/// The text with everything escaped, as \xNN, that could command a terminal or is not UTF-8; line
/// ends and tabs stay. All that catgan prints passes through here, as it may hold names and values
/// from files.
std::string printable(std::string_view text);

/// The same for a name that is part of a line: line ends and tabs are escaped, too.
std::string printable_line(std::string_view text);

/// The text as one word of a POSIX shell: as it is, or quoted where that is needed. A word in front
/// of which a dash would make it a flag becomes a path.
std::string shell_word(std::string_view text);

}  // namespace catgan
