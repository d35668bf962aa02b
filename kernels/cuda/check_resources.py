#!/usr/bin/env python3
"""Prints what each kernel needs on each architecture, from the output of ptxas.

usage: check_resources.py [--nvcc NVCC] [--arch 80 --arch 90a ...] [--include DIR] [FILE.cu ...]
       check_resources.py --log BUILD.log [--arch ...] [FILE.cu ...]

Compiles the files (all of kernels/cuda by default) with -Xptxas -v, or reads what a build with
CMAKE_CUDA_FLAGS=--resource-usage printed, and prints registers, spilled bytes, stack and static
shared memory of every kernel. Fails if a kernel that uses tensor cores spills: its accumulators
must stay in registers. Fails as well if such a kernel or a file is missing.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

WITH_TENSOR_CORES = ["conv2d_mma_kernel", "matmul_mma_kernel", "few_channels_forward_kernel",
                     "few_channels_backward_data_kernel", "few_channels_backward_weight_kernel"]
MUST_NOT_SPILL = re.compile(r"mma_kernel|few_channels_\w+_kernel")
ARCHITECTURES = ["80", "86", "89", "90a"]  # as kernels/find_nvcc.cmake has them
ENTRY = re.compile(r"Compiling entry function '(\S+)' for '(\w+)'")
FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


def parse(log):
    """Yields one dictionary per kernel and architecture."""
    kernel = None
    for line in log.splitlines():
        if match := ENTRY.search(line):
            kernel = {"name": match[1], "arch": match[2], "stack": 0, "spill": 0}
        elif kernel and (match := FRAME.search(line)):
            kernel["stack"] = int(match[1])
            kernel["spill"] = int(match[2]) + int(match[3])
        elif kernel and (match := USED.search(line)):
            kernel["registers"] = int(match[1])
            shared = SHARED.search(line)
            kernel["shared"] = int(shared[1]) if shared else 0
            yield kernel
            kernel = None


def demangle(names):
    tool = shutil.which("cu++filt") or shutil.which("c++filt")
    if not tool or not names:
        return names
    done = subprocess.run([tool], input="\n".join(names), capture_output=True, text=True,
                          check=True)
    short = []
    for name in done.stdout.splitlines():
        name = re.sub(r"whisker::v\d+_\d+::kernels::cuda::|\(anonymous namespace\)::", "", name)
        # Without the parameters, but with enumerators among the template arguments: f<(E)1>(int).
        short.append(re.sub(r"(?<=[\w>])\((?!.*>\().*$", "", re.sub(r"^void ", "", name)))
    return short


def compile_file(nvcc, source, arch, includes):
    with tempfile.TemporaryDirectory() as folder:
        command = [nvcc, "-std=c++20", "--expt-relaxed-constexpr", "-O3", "-Xptxas", "-v", "-cubin",
                   f"-gencode=arch=compute_{arch},code=sm_{arch}", source,
                   *(f"-I{include}" for include in includes), "-o", f"{folder}/out.cubin"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"check_resources: {source} for sm_{arch}:\n{done.stderr}")
    return done.stderr


def compile_files(nvcc, files, architectures, includes, root):
    kernels = []
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "whisker").symlink_to(root)
        for source in files:
            for arch in architectures:
                kernels += parse(compile_file(nvcc, source, arch, [folder, *includes]))
    return kernels


def check_complete(log, files, kernels, architectures):
    """Ends the program if the log of an incremental build, or of another one, was given."""
    for source in files:
        name = re.escape(pathlib.Path(source).name)
        if not re.search(rf"Building CUDA object .*/{name}[.]o", log):
            sys.exit(f"check_resources: {source} was not compiled in this log")
    for arch in architectures:
        names = [k["name"] for k in kernels if k["arch"] == f"sm_{arch}"]
        for wanted in WITH_TENSOR_CORES:
            if not any(wanted in name for name in names):
                sys.exit(f"check_resources: no {wanted} was compiled for sm_{arch}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nvcc", default=shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc")
    parser.add_argument("--arch", action="append", default=[])
    parser.add_argument("--include", action="append", default=[], help="a further include folder")
    parser.add_argument("--log", help="read the output of a build instead of compiling")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    root = pathlib.Path(__file__).resolve().parents[2]
    files = options.files or sorted(map(str, root.glob("kernels/cuda/*.cu")))

    architectures = options.arch or ARCHITECTURES

    if options.log:
        log = pathlib.Path(options.log).read_text(encoding="utf-8", errors="replace")
        kernels = list(parse(log))
        check_complete(log, files, kernels, architectures)
    else:
        kernels = compile_files(options.nvcc, files, architectures, options.include, root)

    print(f"{'registers':>9} {'spill':>6} {'stack':>6} {'shared':>7}  arch     kernel")
    spilled = []
    for kernel, name in zip(kernels, demangle([k["name"] for k in kernels])):
        print(f"{kernel['registers']:>9} {kernel['spill']:>6} {kernel['stack']:>6} "
              f"{kernel['shared']:>7}  {kernel['arch']:<7}  {name}")
        if kernel["spill"] and MUST_NOT_SPILL.search(kernel["name"]):
            spilled.append(f"{name} ({kernel['arch']}): {kernel['spill']} bytes")
    if spilled:
        sys.exit("check_resources: these kernels must not spill:\n  " + "\n  ".join(spilled))


if __name__ == "__main__":
    main()
