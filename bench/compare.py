#!/usr/bin/env python3
"""Times catgan's training step against PyTorch's, in turn, and prints medians and their ratio.

  python3 bench/compare.py --preset article --batch 8 -- --layout channels_last
  python3 bench/compare.py --preset demo --batch 32 -- --allocator tuned

What follows -- goes to pytorch_step.py: its best settings, which `pytorch_step.py --best` finds.
The two programs alternate, so that a machine whose speed drifts slows both. The memory of an
`import torch` alone is printed too, because it is no part of the work.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PEER_NETS = {"article": "article", "demo": "demo-like-article"}


def run(command):
    environment = {k: v for k, v in os.environ.items()
                   if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=PEER_NETS, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10, help="timed steps in each round")
    parser.add_argument("--bench", help="whisker_bench",
                        default=os.path.join(HERE, "../build/release/bench/whisker_bench"))
    parser.add_argument("peer", nargs="*", help="settings of pytorch_step.py")
    options = parser.parse_args()

    ours = [options.bench, "--train", options.preset, "--batch", str(options.batch),
            "--steps", str(options.steps)]
    peer = [sys.executable, os.path.join(HERE, "pytorch_step.py"), "--net",
            PEER_NETS[options.preset], "--batch", str(options.batch), "--steps",
            str(options.steps), "--json", *options.peer]
    times, memory, peer_times, peer_memory = [], [], [], []
    for i in range(options.rounds):
        line = run(ours)
        times.append(float(re.search(r"([\d.]+) ms a step", line).group(1)))
        memory.append(float(re.search(r"peak (\d+) MB", line).group(1)))
        result = json.loads(run(peer))
        peer_times.append(result["median_ms"])
        peer_memory.append(result["peak_rss_mb"])
        print(f"round {i + 1}: whisker {times[-1]:.1f} ms, PyTorch {peer_times[-1]:.1f} ms",
              flush=True)
    ratios = [p / t for p, t in zip(peer_times, times)]
    print(f"whisker {statistics.median(times):.1f} ms, {max(memory):.0f} MB; "
          f"PyTorch {statistics.median(peer_times):.1f} ms, {max(peer_memory):.0f} MB "
          f"(of which importing torch {result['import_rss_mb']:.0f} MB); "
          f"ratio of the rounds: median {statistics.median(ratios):.2f}, "
          f"{min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
