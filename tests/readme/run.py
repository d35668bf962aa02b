#!/usr/bin/env python3
"""Runs README.md as a newcomer does: every command and every program, in order, in a copy of the
tracked files and with a home folder of its own.

Every block of README.md must be of one of these kinds:
  sh     commands, which must succeed; the blocks share one shell
  text   what the commands before it print: these lines in this order, "..." and lines between them
         aside; numbers may differ
  cpp, cmake
         a file, whose name stands as `code` in the paragraph before
Trainings take a 40th of their steps. That is all in which the commands differ from README.md.
"""
import argparse
import os
import pathlib
import re
import shlex
import shutil
import struct
import subprocess
import sys
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHORTER = 40
DEMO_STEPS = 4000  # what a training without --steps does


class ReadmeError(Exception):
    pass


class Block:
    def __init__(self, kind, line, text, name):
        self.kind, self.line, self.text, self.name = kind, line, text, name


def parse(markdown):
    """The blocks of a README, each with the name that the paragraph before it ends with."""
    blocks, name, fence = [], None, None
    for number, line in enumerate(markdown.splitlines(), 1):
        if fence is not None:
            if line == "```":
                blocks.append(fence)
                fence, name = None, None
            else:
                fence.text += line + "\n"
        elif line.startswith("```"):
            kind = line[3:]
            if kind not in ("sh", "text", "cpp", "cmake"):
                raise ReadmeError(f"line {number}: a block is sh, text, cpp or cmake, not '{kind}'")
            if kind in ("cpp", "cmake") and name is None:
                raise ReadmeError(f"line {number}: no `name` of the file stands before this block")
            if kind == "text" and (not blocks or blocks[-1].kind != "sh"):
                raise ReadmeError(f"line {number}: no commands stand before this output")
            fence = Block(kind, number, "", name)
        elif line.startswith(("    ", "\t")):
            raise ReadmeError(f"line {number}: indented blocks do not say what they are")
        elif line.startswith("#"):
            name = None
        else:
            name = ([name] + re.findall(r"`([^`]+)`", line))[-1]
    if fence is not None:
        raise ReadmeError(f"line {fence.line}: this block has no end")
    return blocks


def shorten(command):
    """The command line with a 40th of the steps, if it trains."""
    if not re.match(r"(\./run train|catgan (train|resume))\b", command):
        return command
    command, hash_sign, comment = command.partition("#")
    given = re.search(r"--steps[ =](\d+)", command)
    steps = max(1, int(given[1] if given else DEMO_STEPS) // SHORTER)
    if given:
        command = command.replace(given[0], f"--steps {steps}")
    else:
        command = f"{command.rstrip()} --steps {steps} "
    return command + hash_sign + comment


def to_script(blocks, folder):
    """The blocks as one bash script; what block number i prints goes to folder/i.txt."""
    script = ["set -euo pipefail"]
    for i, block in enumerate(blocks):
        if block.kind == "sh":
            commands = "\n".join(shorten(line) for line in block.text.splitlines())
            output = shlex.quote(str(folder / f"{i}.txt"))
            script.append(f"echo {i} >&3\n{{\n{commands}\n}} >{output} 2>&1")
        elif block.kind != "text":
            # The shell expands ~, as the reader does.
            name = re.sub(r"^~/", '"$HOME"/', block.name)
            script.append(f'mkdir -p "$(dirname {name})"\ncat >{name} <<\'END OF BLOCK\'\n'
                          f"{block.text}END OF BLOCK")
    return "\n".join(script) + "\n"


def words_of(line):
    """The words of a line, all numbers in them made equal."""
    return re.sub(r"\d+([.,:]\d+)*(e[-+]?\d+)?", "0", line).split()


def missing_line(expected, actual):
    """The first line of an expected output that is not in the actual one where it should be."""
    rest = iter(actual.splitlines())
    for line in expected.splitlines():
        if line.strip() in ("", "..."):
            continue
        if not any(words_of(other) == words_of(line) for other in rest):
            return line
    return None


def png(side, shade):
    """A grey picture with a diagonal, so that no two shades are the same picture."""
    rows = b"".join(b"\0" + bytes(255 if x == y else shade for x in range(side) for _ in range(3))
                    for y in range(side))
    def chunk(name, data):
        return (struct.pack(">I", len(data)) + name + data +
                struct.pack(">I", zlib.crc32(name + data)))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def prepare(folder):
    """A new copy of the tracked files, and a home folder with pictures in ~/cats."""
    if folder.exists():
        shutil.rmtree(folder)
    copy, home = folder / "whisker", folder / "home"
    for name in subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True,
                               stdout=subprocess.PIPE, text=True).stdout.split("\0"):
        if name and (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    (home / "cats").mkdir(parents=True)
    for shade in range(0, 240, 5):
        (home / "cats" / f"{shade}.png").write_bytes(png(96, shade))
    return copy, home


def environment(copy, home):
    result = {**os.environ, "HOME": str(home), "CCACHE_BASEDIR": str(copy), "CCACHE_NOHASHDIR": "1"}
    for name in ("XDG_CACHE_HOME", "CMAKE_PREFIX_PATH"):
        result.pop(name, None)
    if shutil.which("ccache"):  # the new home has none
        result["CCACHE_DIR"] = subprocess.run(["ccache", "-k", "cache_dir"], check=True, text=True,
                                              stdout=subprocess.PIPE).stdout.strip()
    return result


def run(blocks, folder):
    copy, home = prepare(folder)
    (folder / "script").write_text(to_script(blocks, folder))
    reader, writer = os.pipe()
    command = ["bash", "-c", f"exec 3>&{writer}; exec bash {shlex.quote(str(folder / 'script'))}"]
    shell = subprocess.Popen(command, cwd=copy, env=environment(copy, home), pass_fds=[writer])
    os.close(writer)
    current, start = None, time.time()
    with os.fdopen(reader) as begun:
        for number in begun:
            if current is not None:
                print(f"  {time.time() - start:.0f} s", flush=True)
            current, start = int(number), time.time()
            print(f"line {blocks[current].line}: {blocks[current].text.strip()}", flush=True)
    status = shell.wait()
    print(f"  {time.time() - start:.0f} s", flush=True)
    if status != 0:
        tail = (folder / f"{current}.txt").read_text(errors="replace")[-3000:]
        raise ReadmeError(f"line {blocks[current].line}: the commands end with {status}:\n{tail}")
    for i, block in enumerate(blocks):
        if block.kind != "text":
            continue
        output = (folder / f"{i - 1}.txt").read_text(errors="replace")
        line = missing_line(block.text, output)
        if line is not None:
            raise ReadmeError(f"line {block.line}: the commands do not print this here: {line}\n"
                              f"but:\n{output[-3000:]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="works in this folder and replaces it")
    parser.add_argument("--readme", type=pathlib.Path, default=ROOT / "README.md")
    parser.add_argument("--print", action="store_true", help="print the commands, run nothing")
    arguments = parser.parse_args()
    try:
        blocks = parse(arguments.readme.read_text())
        folder = arguments.folder.resolve()
        if arguments.print:
            print(to_script(blocks, folder), end="")
        else:
            run(blocks, folder)
            print(f"all {len(blocks)} blocks of {arguments.readme.name} do what it says")
    except ReadmeError as error:
        sys.exit(f"{arguments.readme}: {error}")


if __name__ == "__main__":
    main()
