#!/usr/bin/env python3
"""Whether whisker_bench, run on the simulator, checks its kernels and obeys the tables it writes.

Nothing here says how fast a kernel is: the times are those of the CPU that plays the GPU.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

SHAPE = "2,8,8,16,16,3,3,2"
PASSES = ["forward", "backward_data", "backward_weight"]
DTYPES = ["float32", "tf32", "bfloat16"]
DEVICE = "whisker simulator"


def bench(program, folder, *arguments, table=None, status=0):
    """Runs the program and returns what it wrote as JSON and what it printed."""
    path = os.path.join(folder, "bench.json")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WHISKER_CONV")}
    environment["WHISKER_TUNING"] = table or ""
    run = subprocess.run(
        [program, "--shape", SHAPE, "--batch", "4", "--size", "32", "--divide-widths", "16",
         "--rounds", "1", "--json", path, *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if run.returncode != status:
        sys.exit(f"exit status {run.returncode} instead of {status}: {run.args}\n{run.stdout}")
    if status != 0:
        return None, run.stdout
    with open(path, encoding="utf-8") as file:
        return json.load(file), run.stdout


def expect(condition, *what):
    if not condition:
        sys.exit(f"check_tuning: {' '.join(map(str, what))}")


def kernels_of(figures):
    """The kernel of each pass of the convolution, as the figures name it."""
    names = {f"{SHAPE} {name.replace('_', ' ')}": name for name in PASSES}
    return {names[c["name"]]: c["kernel"] for c in figures["cases"] if c["name"] in names}


def rows_of(path, dtype):
    """The rows of one dtype and the kernel of each pass, named in the same way."""
    with open(path, encoding="utf-8") as file:
        rows = [r for r in json.load(file)["devices"][DEVICE]["conv2d"] if r["dtype"] == dtype]
    kernels = {}
    for row in rows:
        name = row["tile"] if row["algorithm"] == "mma" else row["algorithm"]
        kernels[row["pass"]] = name if row["splits"] == 1 else f"{name}/{row['splits']}"
    return rows, kernels


def check_dtype(program, folder, table, dtype):
    figures, text = bench(program, folder, "--device", "cuda:0", "--dtype", dtype, "--tune", table)
    expect(figures["simulated"] and figures["device"] == DEVICE, "the device is", figures["device"])
    expect(text.startswith("the simulator's times"), "whose times are they?", text[:80])
    wrong = {c["name"]: c["wrong"] for c in figures["cases"] if c["wrong"]}
    expect(not wrong, wrong)
    rows, fastest = rows_of(table, dtype)
    expect(sorted(fastest) == sorted(PASSES), dtype, "has rows for", sorted(fastest))
    expect(kernels_of(figures) == fastest, kernels_of(figures), "was measured,", fastest, "written")

    only = ["--device", "cuda", "--dtype", dtype, "--filter", SHAPE]
    read, _ = bench(program, folder, *only, table=table)
    expect(kernels_of(read) == fastest, kernels_of(read), "runs, the table says", fastest)

    # What the model would not choose, so that it cannot be the choice for another reason.
    wanted = {"forward": "simt", "backward_data": "simt", "backward_weight": "simt/3"}
    untuned = kernels_of(bench(program, folder, *only)[0])
    expect(untuned != wanted, "the model chooses that, too:", untuned)
    other = os.path.join(folder, "other.json")
    for row in rows:
        row.pop("tile", None)
        row.update({"algorithm": "simt", "splits": 3 if row["pass"] == "backward_weight" else 1})
    with open(other, "w", encoding="utf-8") as file:
        json.dump({"format": "whisker-tuning-1", "devices": {DEVICE: {"conv2d": rows}}}, file)
    obeyed = kernels_of(bench(program, folder, *only, table=other)[0])
    expect(obeyed == wanted, obeyed, "runs, the table says", wanted)
    print(f"{dtype}: {len(figures['cases'])} cases are right; of {SHAPE} the model takes "
          f"{untuned}, the table {fastest}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="whisker_bench of a build with WHISKER_CUDA=sim")
    program = parser.parse_args().program
    with tempfile.TemporaryDirectory() as folder:
        table = os.path.join(folder, "tuning.json")
        for dtype in DTYPES:
            check_dtype(program, folder, table, dtype)
        for dtype in DTYPES:
            expect(len(rows_of(table, dtype)[0]) == len(PASSES), "rows of", dtype, "are gone")
        _, text = bench(program, folder, "--device", "cuda:7", status=2)
        expect("cuda:7" in text, "cuda:7 is refused with", text)


if __name__ == "__main__":
    main()
