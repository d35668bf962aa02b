#include "terminal_text.h"

#include <cstdlib>

#include "catch.h"
#include "catgan_fixtures.h"

using catgan::printable;
using catgan::shell_word;

TEST_CASE("Text that could command a terminal is printed escaped", "[cli]") {
  CHECK(printable("two lines\n\tof text") == "two lines\n\tof text");
  CHECK(printable("Käse, 猫, 😺") == "Käse, 猫, 😺");
  CHECK(printable("\x1b[31mred\x07\r\x7f") == "\\x1b[31mred\\x07\\x0d\\x7f");
  CHECK(printable(std::string_view("a\0b", 3)) == "a\\x00b");
  CHECK(printable("\xc2\x9b"
                  "31m") == "\\xc2\\x9b31m");                           // CSI as one character
  CHECK(printable("\xe2\x80\xaegnp.exe") == "\\xe2\\x80\\xaegnp.exe");  // right to left
}

TEST_CASE("Bytes that are no UTF-8 are printed escaped", "[cli]") {
  CHECK(printable("\xff") == "\\xff");
  CHECK(printable("a\xc3") == "a\\xc3");                  // cut
  CHECK(printable("\xc0\xaf") == "\\xc0\\xaf");           // overlong
  CHECK(printable("\xe0\x80\xaf") == "\\xe0\\x80\\xaf");  // overlong
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // a surrogate
  CHECK(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");
  CHECK(printable("\xc3(") == "\\xc3(");
}

TEST_CASE("A word for the shell is quoted where it must be, and means the same to a shell",
          "[cli]") {
  CHECK(shell_word("runs/00000-demo") == "runs/00000-demo");
  CHECK(shell_word("my run") == "'my run'");
  CHECK(shell_word("it's") == "'it'\\''s'");
  CHECK(shell_word("") == "''");
  CHECK(shell_word("-run") == "./-run");
  CHECK(shell_word("a\x1b[1m") == "$'a\\033[1m'");
  const file_fixtures::Folder folder;
  for (const char* text : {"a b", "it's $HOME `x` \"y\"", "*", "~", "a\\b", "a;b|c&d", "new\nline",
                           "\x1b[31m'7", "a\\\x01'", "Käse", "\xff", "#x", "!x", "(x)"}) {
    const std::string file = (folder / "word").string();
    const std::string script = "printf %s " + shell_word(text) + " > " + file;
    file_fixtures::write_text(folder / "script", script);
    INFO(script);
    CHECK(std::system(("bash " + (folder / "script").string()).c_str()) == 0);
    CHECK(file_fixtures::read_text(file) == text);
  }
}
