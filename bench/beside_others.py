#!/usr/bin/env python3
"""Times programs alone and beside other programs that want the same cores, in turn.

  python3 bench/beside_others.py --rounds 5 \\
      "build/release/bench/whisker_bench --train demo --batch 32 --steps 12" \\
      "python3 bench/pytorch_step.py --net demo-like-article --batch 32 --steps 12 --json"

Each program must print "<number> ms a step" or JSON with "median_ms". For every number of busy
loops it prints the medians, and how much of its speed alone each program keeps. A fair scheduler
gives a program with a thread on each of C cores C / (C + loops) of them.
--build COMMAND is one more neighbour: it is started again until the round is over.
"""
import argparse
import json
import os
import re
import shlex
import signal
import statistics
import subprocess
import sys


def milliseconds(command, limit):
    """Of one step, or None where the program takes longer than the limit in all."""
    try:
        done = subprocess.run(shlex.split(command), stdout=subprocess.PIPE, text=True, check=True,
                              timeout=limit)
    except subprocess.TimeoutExpired:
        return None
    found = re.search(r"([\d.]+) ms a step", done.stdout)
    if found:
        return float(found.group(1))
    return json.loads(done.stdout.strip().splitlines()[-1])["median_ms"]


class Neighbours:
    """Busy loops, or a command that is run again and again, for a scope."""

    def __init__(self, loops, build):
        self.commands = [[sys.executable, "-c", "while True: pass"]] * loops
        if build:
            self.commands.append(["sh", "-c", f"while true; do {build}; done"])

    def __enter__(self):
        self.running = [subprocess.Popen(command, start_new_session=True,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                        for command in self.commands]

    def __exit__(self, *_):
        for process in self.running:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", nargs="+", help="commands, each in quotes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loops", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--build", help="also beside this command")
    parser.add_argument("--limit", type=float, default=300, help="seconds for one run")
    options = parser.parse_args()

    scenes = [(f"{n} busy loops", n, None) for n in options.loops]
    if options.build:
        scenes.append(("a build", 0, options.build))
    cores = len(os.sched_getaffinity(0))
    alone = {}
    for name, loops, build in scenes:
        times = {program: [] for program in options.programs}
        with Neighbours(loops, build):
            for _ in range(options.rounds):
                for program in options.programs:
                    times[program].append(milliseconds(program, options.limit))
        fair = "" if build else f" (fair: {cores / (cores + loops):.2f})"
        print(f"beside {name}{fair}:")
        for program, values in times.items():
            if None in values:
                print(f"  a run took over {options.limit:.0f} s   {program}")
                continue
            median = statistics.median(values)
            alone.setdefault(program, median)
            print(f"  {median:8.1f} ms ({min(values):.1f} to {max(values):.1f}), "
                  f"{alone[program] / median:.2f} of its speed in the first scene   {program}",
                  flush=True)


if __name__ == "__main__":
    main()
