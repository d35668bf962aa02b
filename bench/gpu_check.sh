#!/usr/bin/env bash
# Everything that only a GPU can show, in one go: ./run gpu-check [--out DIR] [--only PART]...
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
out="$root/build/gpu-check"
build="$root/build/gpu-check/build"
parts=(device build kernel-tests tensor-tests memcheck racecheck initcheck synccheck bench-float32
       bench-tf32 bench-bfloat16 train-demo train-article pytorch)
only=()
readonly skipped=77  # exit status of a part that cannot run here; its last line says why

usage() {
  cat <<TEXT
usage: ./run gpu-check [--out DIR] [--only PART]...

Builds whisker for the GPU of this machine and checks it there. Needs no network. Each part is on
its own: one that fails hides none that follows. Exit status 0 unless a part failed.

  --out DIR    logs, figures as JSON, what PTX wrappers gave as golden/, and the table as
               summary.txt and summary.json go here (build/gpu-check)
  --only PART  only this part, of: ${parts[*]}

environment:
  WHISKER_DEPS      a folder of unpacked packages, for machines without them: its usr/include,
                    usr/lib and the like are searched besides CMAKE_PREFIX_PATH
  WHISKER_PYTHON    the Python that has torch (python3)
  WHISKER_TIME      seconds that one part may take (900; those that try all kernels or compile a
                    network, bench-* and pytorch, twice that)
TEXT
}

part=""
while (($# > 0)); do
  case "$1" in
    --part) # as run_part() calls it
      part="$2"
      shift 2
      ;;
    --out)
      if [[ -z "${2-}" ]]; then
        echo "gpu-check: --out needs a folder" >&2
        exit 2
      fi
      out="$(realpath -m "$2")"
      shift 2
      ;;
    --only)
      if [[ " ${parts[*]} " != *" ${2-} "* ]]; then
        echo "gpu-check: no such part: ${2-}; there are ${parts[*]}" >&2
        exit 2
      fi
      only+=("$2")
      shift 2
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
done

skip() {
  echo "$*"
  exit "$skipped"
}

# Where there is a GPU, what is not checked must not look like what is right.
fail() {
  echo "$*"
  exit 1
}

need_gpu() {
  if ! command -v nvidia-smi >/dev/null; then skip "there is no NVIDIA GPU here"; fi
  local said
  said="$(nvidia-smi -L 2>&1)" || skip "no NVIDIA GPU can be used, since nvidia-smi fails: $said"
}

# Ends the part unless the program was built.
need_program() {
  need_gpu
  if [[ ! -x "$1" ]]; then fail "${1#"$root"/} was not built"; fi
}

use_dependencies() {
  if [[ -z "${WHISKER_DEPS-}" ]]; then return; fi
  local deps libraries
  deps="$(realpath "$WHISKER_DEPS")"
  libraries="$deps/usr/lib/$(uname -m)-linux-gnu:$deps/usr/lib:$deps/lib"
  export CMAKE_PREFIX_PATH="$deps:$deps/usr${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}"
  export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  export LIBRARY_PATH="$libraries${LIBRARY_PATH:+:$LIBRARY_PATH}"
}

# Where pip puts cuDNN and cuBLAS beside PyTorch, if the system has none.
use_libraries_of_torch() {
  local folders
  folders="$("${WHISKER_PYTHON:-python3}" - <<'PYTHON' 2>/dev/null || true
import glob, os, site, sys
roots = site.getsitepackages() + [site.getusersitepackages()] + sys.path
found = {d for root in roots for d in glob.glob(os.path.join(root, "nvidia", "*", "lib"))}
print(":".join(sorted(found)))
PYTHON
)"
  if [[ -n "$folders" ]]; then
    export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folders"
  fi
}

part_device() {
  need_gpu
  nvidia-smi
  nvcc --version || echo "no nvcc"
  cmake --version || echo "no cmake"
}

part_build() {
  need_gpu
  local tool
  for tool in nvcc cmake; do
    command -v "$tool" >/dev/null || fail "$tool is not on PATH"
  done
  local generator="Unix Makefiles" keep_going=(-- -k)
  if command -v ninja >/dev/null; then
    generator=Ninja
    keep_going=(-- -k 0)
  fi
  cmake -S "$root" -B "$build" -G "$generator" -D CMAKE_BUILD_TYPE=Release \
    -D WHISKER_CUDA=native -D CMAKE_CUDA_ARCHITECTURES=native
  cmake --build "$build" --parallel "$(nproc)" "${keep_going[@]}"
}

# run_tests PROGRAM CTEST_OPTION...: all tests in one process, which is fast, and where that fails
# each in its own: after an error of the GPU nothing in the process works any more.
run_tests() {
  local program="$1" status=0
  shift
  need_program "$program"
  "$program" || status=$?
  if ((status == 0)); then exit; fi
  if ((status == skipped)); then fail "the tests found no GPU, but nvidia-smi did"; fi
  echo "one by one:"
  ctest --test-dir "$build" "$@" || true
  exit "$status"
}
part_kernel-tests() {
  # Once looked at, these go to tests/sim/golden, for the simulator to reproduce.
  rm -rf "$out/golden"
  export WHISKER_RECORD_GOLDEN="$out/golden"
  run_tests "$build/tests/whisker_cuda_tests" --label-regex kernels
}
part_tensor-tests() {
  export WHISKER_TEST_DEVICE=cuda
  run_tests "$build/tests/whisker_tests" --tests-regex "^cuda: "
}

# The kernels' tests, whose shapes are small, under a tool of compute-sanitizer.
sanitize() {
  need_program "$build/tests/whisker_cuda_tests"
  command -v compute-sanitizer >/dev/null || skip "compute-sanitizer is not on PATH"
  # Engines of libraries are not ours to check, and calls that fail on purpose are no errors.
  compute-sanitizer --tool "$1" --error-exitcode 1 "$build/tests/whisker_cuda_tests" \
    "~[cudnn]~[api_error]"
}
part_memcheck() { sanitize memcheck; }
part_racecheck() { sanitize racecheck; }
part_initcheck() { sanitize initcheck; }
part_synccheck() { sanitize synccheck; }

# bench DTYPE: the rows of all types are added to one table of the fastest kernels.
bench() {
  need_program "$build/bench/whisker_bench"
  "$build/bench/whisker_bench" --device cuda --dtype "$1" --tune "$out/tuning.json" \
    --json "$out/bench-$1.json"
}
part_bench-float32() { bench float32; }
part_bench-tf32() { bench tf32; }
part_bench-bfloat16() { bench bfloat16; }

# train PRESET STEPS
train() {
  local program="$build/apps/catgan/catgan" folder="$out/train-$1"
  need_program "$program"
  # What the benchmarks have just found fastest.
  if [[ -f "$out/tuning.json" ]]; then export WHISKER_TUNING="$out/tuning.json"; fi
  rm -rf "$folder"
  "$program" train --preset "$1" --steps "$2" --device cuda --out "$folder"
}
part_train-demo() { train demo 300; }
part_train-article() { train article 200; }

part_pytorch() {
  need_gpu
  local python="${WHISKER_PYTHON:-python3}"
  "$python" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null ||
    skip "$python has no torch that sees a GPU"
  "$python" "$root/bench/pytorch_step.py" --device cuda --net article --batch 64 --best \
    --json | tee "$out/pytorch.json"
}

# The seconds that a part may take.
limit_of() {
  local limit="${WHISKER_TIME:-900}"
  case "$1" in
    bench-* | pytorch) echo $((2 * limit)) ;;
    *) echo "$limit" ;;
  esac
}

# Runs one part in a process of its own and notes how it went.
run_part() {
  local name="$1" log="$out/$1.log" start="$SECONDS" status=0 outcome reason=""
  local limit tests_skipped
  limit="$(limit_of "$name")"
  timeout --kill-after=10 "$limit" bash "${BASH_SOURCE[0]}" --part "$name" --out "$out" \
    >"$log" 2>&1 </dev/null || status=$?
  case "$status" in
    0) outcome=passed ;;
    "$skipped")
      outcome=skipped
      reason="$(tail -n 1 "$log" | tr -cd '[:print:]')"
      ;;
    124 | 137)
      outcome=failed
      reason="took longer than $limit s"
      ;;
    *)
      outcome=failed
      reason="exit status $status, see $log: $(tail -n 1 "$log" | tr -cd '[:print:]')"
      ;;
  esac
  # Catch2 2 passes a test that is skipped: what was not checked must not look like what is right.
  tests_skipped="$(grep -c 'skipped: ' "$log" || true)"
  if ((tests_skipped > 0)); then
    reason="${reason:+$reason; }$tests_skipped tests skipped"
  fi
  printf '%-14s %-8s %5d s  %s\n' "$name" "$outcome" "$((SECONDS - start))" "$reason" |
    tee -a "$out/summary.txt"
  rows+=("$(printf '{"part": "%s", "outcome": "%s", "seconds": %d, "tests_skipped": %d, "reason": "%s"}' \
    "$name" "$outcome" "$((SECONDS - start))" "$tests_skipped" "${reason//[\\\"]/ }")")
  if [[ "$outcome" == failed ]]; then failures=$((failures + 1)); fi
  local IFS=,  # written after each part, for whoever is stopped on the way
  printf '[%s]\n' "${rows[*]}" >"$out/summary.json"
}

main() {
  mkdir -p "$out"
  : >"$out/summary.txt"
  rows=()
  failures=0
  local name chosen=()
  for name in "${parts[@]}"; do
    if ((${#only[@]} == 0)) || [[ " ${only[*]} " == *" $name "* ]]; then chosen+=("$name"); fi
  done
  # Benchmarks add to it, and what an earlier run found fastest may be slow or gone by now.
  if [[ " ${chosen[*]}" == *" bench-"* ]]; then rm -f "$out/tuning.json"; fi
  for name in "${chosen[@]}"; do run_part "$name"; done
  echo "logs and figures: $out"
  ((failures == 0))
}

# Where the toolkit is when nobody put it on PATH.
if ! command -v nvcc >/dev/null && [[ -x /usr/local/cuda/bin/nvcc ]]; then
  export PATH="/usr/local/cuda/bin:$PATH"
fi
use_dependencies
if [[ -n "$part" ]]; then
  use_libraries_of_torch
  "part_$part"
else
  main
fi
