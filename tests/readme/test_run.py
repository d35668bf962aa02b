#!/usr/bin/env python3
"""Shows that run.py can fail: gives it README files of which each has one thing that is not so."""
import pathlib
import subprocess
import sys
import tempfile

GOOD = """# Title

```sh
echo "3 cats in 0.5 s" && echo done
```

prints

```text
4 cats in 17.25 s
...
done
```

`~/a/CMakeLists.txt`:

```cmake
message(STATUS "made")
```

```sh
cmake -P ~/a/CMakeLists.txt
test -d ~/cats
```
"""
# What is replaced, by what, and what run.py then says.
BROKEN = [
    ("echo done", "false", "line 3: the commands end with 1"),
    ("echo done", "no-such-program", "no-such-program: command not found"),
    ("cats in 17", "dogs in 17", "line 9: the commands do not print this here: 4 dogs in 17.25 s"),
    ("4 cats in 17.25 s\n...\ndone", "done\n4 cats in 17.25 s", "do not print this here: 4 cats"),
    ("message(", "massage(", "massage"),
    ("`~/a/CMakeLists.txt`:", "A file:", "no `name` of the file stands before this block"),
    ("```cmake", "```", "line 17: a block is sh, text, cpp or cmake, not ''"),
    ("prints", "    echo hidden", "line 7: indented blocks do not say what they are"),
    ("~/cats\n```", "~/cats", "line 21: this block has no end"),
]


def run(readme, folder):
    path = pathlib.Path(folder) / "README.md"
    path.write_text(readme)
    return subprocess.run([pathlib.Path(__file__).with_name("run.py"), "--readme", path,
                           pathlib.Path(folder) / "work"], capture_output=True, text=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        good = run(GOOD, folder)
        if good.returncode != 0:
            sys.exit(f"a README that is right fails:\n{good.stdout}{good.stderr}")
        for was, now, expected in BROKEN:
            assert GOOD.count(was) == 1, was
            result = run(GOOD.replace(was, now), folder)
            if result.returncode == 0 or expected not in result.stderr:
                sys.exit(f"'{now}' in place of '{was}' does not give '{expected}':\n"
                         f"{result.stdout}{result.stderr}")
    print(f"all {len(BROKEN)} README files that are not so were found out")


if __name__ == "__main__":
    main()
