#!/usr/bin/env python3
"""Lets every system call and allocation of a short training, resumption and sampling fail, one at a
time, and checks what is left: the documented exit code with a message, nothing missing under exit
code 0, no temporary file after the next start, and a run that resumes to the same bits.

usage: fault_loop.py CATGAN SHIM [--most N] [--only COMMAND/CALL] [--jobs N]

CATGAN is the program, SHIM the library built from fault_shim.cpp. --most N tries N calls of each
kind, evenly spread; without it all are tried. Only the standard library is used.
"""
import argparse
import collections
import concurrent.futures
import errno
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

TINY = ("--drawn-cats 8 --batch 4 --size 8 --z-size 4 --g-widths 4,4 --d-widths 4 --d-strides 2 "
        "--grid 2 --threads 1 --device cpu --log-interval 1 --sample-interval 1 "
        "--checkpoint-interval 1 --keep 2 --ema-decay 0.9").split()
TRAIN = ["train", "--out", "run", *TINY, "--steps", "2"]
RESUME = ["resume", "run", "--steps", "4"]
SAMPLE = ["sample", "run", "--count", "2", "--threads", "1"]
PICTURES = "run/pictures/step-00000002-seed0"

# Which exit codes a failure may end in; 0 is right wherever nothing is missing then.
CALLS = {
    "malloc": ([errno.ENOMEM], {0, 5}),
    "mmap": ([errno.ENOMEM], {0, 5}),
    "open": ([errno.EMFILE, errno.EIO, errno.EINTR], {0, 4}),
    "read": (["short", errno.EIO, errno.EINTR], {0, 4}),
    "write": (["short", errno.ENOSPC, errno.EIO, errno.EINTR], {0, 4}),
    "fsync": ([errno.EIO, errno.EINVAL, errno.EINTR], {0, 4}),
    "rename": ([errno.EIO], {0, 4}),
    "flock": ([errno.ENOLCK, errno.EINTR], {0, 4}),
    "stat": ([errno.EIO], {0, 4}),
    "readdir": ([errno.EIO, errno.EINTR], {0, 4}),
    "truncate": ([errno.EIO], {0, 4}),
    "unlink": ([errno.EIO], {0, 4}),
    "mkdir": ([errno.EACCES], {0, 4}),
}
FOREVER = {"malloc": errno.ENOMEM, "mmap": errno.ENOMEM, "write": errno.ENOSPC,
           "open": errno.EMFILE}
# The dynamic loader's, before the program begins.
LOADER = 127


def run(folder, words, fault=None):
    """Runs the program in the folder; returns its exit code, its output and the calls counted."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    log = folder / "calls"
    if fault:
        environment |= {"LD_PRELOAD": OPTIONS.shim, "WHISKER_FAULT_LOG": str(log), **fault}
    done = subprocess.run([OPTIONS.catgan, *words], cwd=folder, env=environment, text=True,
                          capture_output=True, timeout=120, errors="replace", check=False)
    counted = int(log.read_text()) if log.exists() and log.stat().st_size else 0
    log.unlink(missing_ok=True)
    return done.returncode, done.stdout + done.stderr, counted


def tensors(path):
    """The elements of a safetensors file by name; its metadata hold the time that training took."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__")
    body = data[8 + size:]
    return {name: (entry["shape"], body[slice(*entry["data_offsets"])])
            for name, entry in header.items()}


def content(folder):
    """Everything in the folder that two equal runs have in common, by name."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir():
            continue
        if path.suffix == ".safetensors":
            found[name] = tensors(path)
        elif path.name == "stats.jsonl":
            found[name] = [{key: value for key, value in json.loads(line).items()
                            if key not in ("seconds", "img_per_s", "peak_rss_mb")}
                           for line in path.read_text().splitlines()]
        elif path.name == "log.txt":
            found[name] = [re.sub(r"[0-9.:]+ (img/s|MB|steps in).*|ETA.*|in [0-9:]+,.*", "", line)
                           for line in path.read_text().splitlines()
                           if not line.startswith(("note:", "warning:", "  Training goes on"))]
        else:
            found[name] = path.read_bytes()
    return found


def difference(wanted, got, ignored=()):
    for name in sorted(wanted.keys() | got.keys()):
        if name not in ignored and wanted.get(name) != got.get(name):
            if name not in got:
                return f"{name} is missing"
            return f"{name} is left over" if name not in wanted else f"{name} differs"
    return ""


def log_is_whole(folder):
    log = folder / "run/log.txt"
    if not log.exists():
        return True
    text = log.read_text()
    starts = ("run folder: ", "8 cats", "preset ", "step ", "saved ", "done: ", "  pictures: ",
              "  more of them: ", "resuming ", "note: ", "there is no checkpoint yet", "warning: ",
              "stopped at", "training stopped", "config.json is gone")
    torn = [line for line in text.splitlines() if not line.startswith(starts)]
    # A line that another one was appended to has one of the beginnings within it.
    joined = [line for line in text.splitlines()
              if re.search(r"(?<!^)(saved run/|resuming run|run folder: |step \d+/\d)", line)]
    return not torn and not joined


class Bench:
    """Folders to begin from, and how runs end that nothing disturbs."""

    def __init__(self, root):
        self.root = root
        for name in ("whole", "trained", "sampled"):
            (root / name).mkdir()
        self.expect(run(root / "trained", TRAIN))
        shutil.copytree(root / "trained/run", root / "whole/run")
        self.expect(run(root / "whole", RESUME))
        shutil.copytree(root / "trained/run", root / "sampled/run")
        self.expect(run(root / "sampled", SAMPLE))
        self.after = {"train": content(root / "trained"), "resume": content(root / "whole"),
                      "sample": content(root / "sampled")}

    @staticmethod
    def expect(outcome):
        if outcome[0] != 0:
            sys.exit(f"without any fault: exit code {outcome[0]}\n{outcome[1]}")

    def begin(self, command, folder):
        if command != "train":
            shutil.copytree(self.root / "trained/run", folder / "run")

    def problem_of(self, command, folder, code, text, allowed):
        """What is wrong with a run that a fault disturbed; "" if nothing is."""
        if code not in allowed:
            return f"exit code {code}"
        if code == LOADER and "error while loading shared libraries" in text:
            return ""
        # libgomp, which oneDNN loads, ends the program itself if it gets no memory at its start.
        if code != 0 and not re.search(r"^catgan: .{10,}|^libgomp: Out of memory", text,
                                       re.MULTILINE):
            return "no message"
        if code == 0:
            problem = difference(self.after[command], content(folder))
            if problem:
                return "exit code 0, but " + problem
        if not log_is_whole(folder):
            return "the log has a line that is not whole"
        return self.problem_afterwards(command, folder)

    def problem_afterwards(self, command, folder):
        """The same command again, or the end of the run, without a fault."""
        if command == "sample":
            words = SAMPLE
        elif (folder / "run/config.json").exists():
            words = RESUME if command == "resume" else ["resume", "run"]
        else:  # it ended before it was a run
            shutil.rmtree(folder / "run", ignore_errors=True)
            words = TRAIN
        code, text, _ = run(folder, words)
        if code != 0:
            return f"afterwards exit code {code}: {text[-300:]}"
        if not log_is_whole(folder):
            return "afterwards the log has a line that is not whole"
        # What an interrupted run said and drew on the way is not said or drawn again.
        ignored = {"run/log.txt", "run/stats.jsonl"}
        got = content(folder)
        if command == "train":
            ignored |= {"run/samples/step-000001.png"}
        elif command == "resume":
            ignored |= {"run/samples/step-000003.png"}
        return "afterwards " + difference(self.after[command], got, ignored) \
            if difference(self.after[command], got, ignored) else ""


def try_one(bench, command, call, error, at, forever):
    fault = {"WHISKER_FAULT_CALL": call, "WHISKER_FAULT_AT": str(at),
             "WHISKER_FAULT_ERROR": str(error)}
    if forever:
        fault["WHISKER_FAULT_FOREVER"] = "1"
    with tempfile.TemporaryDirectory(dir=bench.root) as name:
        folder = pathlib.Path(name)
        bench.begin(command, folder)
        words = {"train": TRAIN, "resume": RESUME, "sample": SAMPLE}[command]
        try:
            code, text, _ = run(folder, words, fault)
            allowed = CALLS[call][1] | {LOADER}
            if error == errno.EINTR or (error == "short" and call != "write") or error == "short":
                allowed = {0}
            if error == errno.EINVAL:
                allowed = {0}
            problem = bench.problem_of(command, folder, code, text, allowed)
        except subprocess.TimeoutExpired:
            code, text, problem = -1, "", "it hangs"
        if problem:
            kind = f"{command} {call} {error}{' forever' if forever else ''} at {at}"
            return code, f"{kind}: {problem}\n    {text.strip()[-400:]}"
        return code, ""


def spread(count, most):
    if not most or count <= most:
        return list(range(1, count + 1))
    return sorted({1 + i * (count - 1) // max(most - 1, 1) for i in range(most)})


def plan(bench):
    for command, words in (("train", TRAIN), ("resume", RESUME), ("sample", SAMPLE)):
        for call, (errors, _) in CALLS.items():
            if OPTIONS.only and OPTIONS.only not in (command, call, f"{command}/{call}"):
                continue
            with tempfile.TemporaryDirectory(dir=bench.root) as name:
                folder = pathlib.Path(name)
                bench.begin(command, folder)
                code, text, count = run(folder, words, {"WHISKER_FAULT_CALL": call})
                bench.expect((code, text))
            for error in errors:
                for at in spread(count, OPTIONS.most):
                    yield command, call, error, at, False
            if call in FOREVER:
                for at in spread(count, OPTIONS.most):
                    yield command, call, FOREVER[call], at, True


def main():
    outcomes = collections.defaultdict(collections.Counter)
    problems = []
    with tempfile.TemporaryDirectory(prefix="whisker-faults-") as root:
        bench = Bench(pathlib.Path(root))
        tries = list(plan(bench))
        with concurrent.futures.ThreadPoolExecutor(OPTIONS.jobs) as pool:
            results = pool.map(lambda one: try_one(bench, *one), tries)
            for (command, call, *_), (code, problem) in zip(tries, results):
                outcomes[command, call][code] += 1
                if problem:
                    problems.append(problem)
                    print(problem, flush=True)
    print(f"{'command':8}{'call':10}{'faults':>8}  exit codes")
    for (command, call), codes in outcomes.items():
        text = ", ".join(f"{code}: {count}" for code, count in sorted(codes.items()))
        print(f"{command:8}{call:10}{sum(codes.values()):8}  {text}")
    print(f"{len(tries)} faults, {len(problems)} of them not handled as documented")
    return 1 if problems or not tries else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("catgan", type=os.path.abspath)
    parser.add_argument("shim", type=os.path.abspath)
    parser.add_argument("--most", type=int, default=0, metavar="N")
    parser.add_argument("--only", default="", metavar="COMMAND/CALL")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N")
    OPTIONS = parser.parse_args()
    sys.exit(main())
