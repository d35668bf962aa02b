#!/usr/bin/env python3
"""One DCGAN training step in PyTorch: the peer that catgan's step is timed against.

A step is one update of D (real and fake in two forward passes, each with its own batch
statistics) and one update of G. G's forward runs once: D's update sees the fake detached, G's
update goes back through the same graph. D is frozen in G's update, so that no gradient of its
weights is computed there. Adam is PyTorch's fused one.

  python3 bench/pytorch_step.py --net article --batch 8
  python3 bench/pytorch_step.py --demo-like-article --batch 32 --layout channels_last
  python3 bench/pytorch_step.py --net demo --batch 32 --best            (tries the settings)
  python3 bench/pytorch_step.py --net article --batch 8 --json          (one JSON line)
  python3 bench/pytorch_step.py --device cuda --net article --batch 64 --best

Nets, all convolutions 5x5 with bias, norm + leaky ReLU 0.2 after each but G's last:
  article             128x128; G: dense 100 -> 8x8x1024, leaky ReLU, stride 2 to 512, 256, 128,
                      64, then stride 1 to 3, tanh; D: 64, 128, 256 (stride 2), 512 (stride 1),
                      1024 (stride 2), dense to 1
  demo-like-article   64x64; the same with all widths divided by 8 and a base of 4x4
  demo                64x64; G: base 4x4, one stride-2 up-sampling per width, the last to 3;
                      D: one stride-2 convolution per width

Padding is PyTorch's natural form (padding 2, output_padding 1), the mirror image of TensorFlow's
SAME: the same amount of work. The environment variables OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE
are removed, because they would slow one peer and not the other. Settings of the allocator and of
OpenMP must be in place before the process starts, so the script re-executes itself with them.

On a GPU a step is timed by CUDA events, inputs lie on the device, and losses are not copied to
the host. --best then tries eager, channels_last, bf16, torch.compile and CUDA graphs one after
the other; each of them with TF32 allowed in float32 products. With --graph the whole step (both
nets, both optimizers) is captured once and replayed, which wants Adam's capturable=True.

Written against Python 3.11 and torch 2.15.0; needs torch 2.4 or newer (fused Adam on the CPU).
"""
import argparse
import contextlib
import glob
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import time

READY_MARK = "WHISKER_PEER_READY"
REMOVED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(8 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}
ALLOCATORS = {
    "default": {},
    "tuned": KEEP_MEMORY,
    "tuned_huge": {**KEEP_MEMORY, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
    "jemalloc": {"MALLOC_CONF": "oversize_threshold:1,background_thread:true,metadata_thp:auto,"
                                "dirty_decay_ms:-1,muzzy_decay_ms:-1"},
    "tcmalloc": {"TCMALLOC_AGGRESSIVE_DECOMMIT": "0"},
}
OPENMP = {
    "default": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "active": {"OMP_WAIT_POLICY": "ACTIVE"},
    "bound": {"OMP_PROC_BIND": "close", "OMP_PLACES": "cores"},
}


def parse_arguments():
    widths = lambda text: [int(part) for part in text.split(",")]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--net", choices=["article", "demo", "demo-like-article"],
                        default="article")
    parser.add_argument("--demo-like-article", dest="net", action="store_const",
                        const="demo-like-article", help="short for --net demo-like-article")
    parser.add_argument("--g-widths", type=widths, default=[256, 128, 64, 32],
                        help="demo: channels of the 4x4 base, then of each up-sampling")
    parser.add_argument("--d-widths", type=widths, default=[32, 64, 128, 256],
                        help="demo: channels of each stride-2 convolution")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--graph", action="store_true",
                        help="cuda: replay the step as a CUDA graph")
    parser.add_argument("--adam", choices=["fused", "foreach"], default="fused")
    parser.add_argument("--tf32", choices=["on", "off"], default="on",
                        help="cuda: float32 products may be rounded to TF32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layout", choices=["nchw", "channels_last"], default="nchw")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--backward", choices=["joint", "split"], default="split",
                        help="D's update: one backward of the summed loss, or one per pass")
    parser.add_argument("--allocator", choices=list(ALLOCATORS), default="default")
    parser.add_argument("--openmp", choices=list(OPENMP), default="default")
    parser.add_argument("--compile", action="store_true", help="torch.compile both nets")
    parser.add_argument("--steps", type=int, default=10, help="steps that are timed")
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0,
                        help="with --steps as the least: go on until this much time was timed")
    parser.add_argument("--json", action="store_true", help="print one JSON line")
    parser.add_argument("--best", action="store_true",
                        help="try layouts x allocators (x --try-*) and report the fastest")
    parser.add_argument("--try-openmp", action="store_true", help="with --best")
    parser.add_argument("--try-backward", action="store_true", help="with --best")
    parser.add_argument("--try-compile", action="store_true", help="with --best")
    arguments = parser.parse_args()
    if arguments.graph and arguments.device != "cuda":
        parser.error("--graph needs --device cuda")
    for name in ("batch", "threads", "steps"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return arguments


def find_library(name):
    """The newest lib<name> of the system, or None."""
    patterns = [f"/usr/lib/x86_64-linux-gnu/lib{name}.so*", f"/usr/lib64/lib{name}.so*",
                f"/usr/lib/lib{name}.so*", f"/usr/local/lib/lib{name}.so*"]
    found = [path for pattern in patterns for path in sorted(glob.glob(pattern))]
    return found[-1] if found else None


def preload_of(allocator):
    names = {"jemalloc": ["jemalloc"], "tcmalloc": ["tcmalloc_minimal", "tcmalloc"]}
    for name in names.get(allocator, []):
        if find_library(name):
            return find_library(name)
    return None


def settled_environment(arguments):
    environment = {k: v for k, v in os.environ.items() if k not in REMOVED}
    environment.update(ALLOCATORS[arguments.allocator])
    environment.update(OPENMP[arguments.openmp])
    environment["OMP_NUM_THREADS"] = str(arguments.threads)
    if arguments.allocator in ("jemalloc", "tcmalloc"):
        library = preload_of(arguments.allocator)
        if library is None:
            sys.exit(f"pytorch_step: lib{arguments.allocator} is not installed; "
                     "install it or choose another --allocator")
        environment["LD_PRELOAD"] = library
    environment[READY_MARK] = "1"
    return environment


def conv_block(nn, channels_in, channels_out, stride):
    return [nn.Conv2d(channels_in, channels_out, 5, stride, padding=2),
            nn.BatchNorm2d(channels_out, eps=1e-5, momentum=0.01), nn.LeakyReLU(0.2, True)]


def up_block(nn, channels_in, channels_out):
    return [nn.ConvTranspose2d(channels_in, channels_out, 5, 2, padding=2, output_padding=1),
            nn.BatchNorm2d(channels_out, eps=1e-5, momentum=0.01), nn.LeakyReLU(0.2, True)]


def build_nets(arguments):
    """(G, D, side of a picture)"""
    from torch import nn
    if arguments.net == "demo":
        side, base = 4 << len(arguments.g_widths), 4
        g_widths, d_plan = arguments.g_widths, [(width, 2) for width in arguments.d_widths]
        last = [nn.ConvTranspose2d(g_widths[-1], 3, 5, 2, padding=2, output_padding=1)]
    else:
        divisor, side, base = (1, 128, 8) if arguments.net == "article" else (8, 64, 4)
        g_widths = [width // divisor for width in (1024, 512, 256, 128, 64)]
        d_plan = [(width // divisor, stride)
                  for width, stride in ((64, 2), (128, 2), (256, 2), (512, 1), (1024, 2))]
        last = [nn.ConvTranspose2d(g_widths[-1], 3, 5, 1, padding=2)]

    blocks = [nn.Linear(100, base * base * g_widths[0]), nn.Unflatten(1, (g_widths[0], base, base)),
              nn.LeakyReLU(0.2, True)]
    for channels_in, channels_out in itertools.pairwise(g_widths):
        blocks += up_block(nn, channels_in, channels_out)
    generator = nn.Sequential(*blocks, *last, nn.Tanh())

    blocks, channels_in, left = [], 3, side
    for channels_out, stride in d_plan:
        blocks += conv_block(nn, channels_in, channels_out, stride)
        channels_in, left = channels_out, (left + stride - 1) // stride
    discriminator = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(left * left * channels_in, 1))
    return generator, discriminator, side


def make_step(torch, arguments):
    """The function that does one training step and returns (d_loss, g_loss) as tensors."""
    functional = torch.nn.functional
    generator, discriminator, side = build_nets(arguments)
    for parameter in itertools.chain(generator.parameters(), discriminator.parameters()):
        if parameter.dim() > 1:
            torch.nn.init.trunc_normal_(parameter, std=0.02, a=-0.04, b=0.04)
    memory_format = (torch.channels_last if arguments.layout == "channels_last"
                     else torch.contiguous_format)
    device = arguments.device
    generator.to(device, memory_format=memory_format)
    discriminator.to(device, memory_format=memory_format)
    adam = dict(betas=(0.5, 0.999), capturable=arguments.graph, **{arguments.adam: True})
    g_adam = torch.optim.Adam(generator.parameters(), 2e-4, **adam)
    d_adam = torch.optim.Adam(discriminator.parameters(), 5e-5, **adam)
    d_parameters = list(discriminator.parameters())
    if arguments.compile:
        generator = torch.compile(generator)
        discriminator = torch.compile(discriminator)
    real = (torch.rand(arguments.batch, 3, side, side, device=device) - 0.5).contiguous(
        memory_format=memory_format)
    ones = torch.ones(arguments.batch, 1, device=device)
    zeros = torch.zeros(arguments.batch, 1, device=device)
    precision = contextlib.nullcontext
    if arguments.precision == "bf16":
        # A captured step must not read a cache that autocast fills outside the capture.
        precision = lambda: torch.autocast(device, torch.bfloat16,
                                           cache_enabled=not arguments.graph)

    def loss_of(pictures, labels):
        with precision():
            logits = discriminator(pictures)
        return functional.binary_cross_entropy_with_logits(logits.float(), labels)

    def step():
        z = torch.rand(arguments.batch, 100, device=device) * 2 - 1
        with precision():
            fake = generator(z)
        d_adam.zero_grad(set_to_none=True)
        if arguments.backward == "joint":
            d_loss = loss_of(real, ones) + loss_of(fake.detach(), zeros)
            d_loss.backward()
            d_loss = d_loss.detach()
        else:
            d_loss = 0.0
            for pictures, labels in ((real, ones), (fake.detach(), zeros)):
                loss = loss_of(pictures, labels)
                loss.backward()
                d_loss = d_loss + loss.detach()
        d_adam.step()

        for parameter in d_parameters:
            parameter.requires_grad_(False)
        g_adam.zero_grad(set_to_none=True)
        g_loss = loss_of(fake, ones)
        g_loss.backward()
        g_adam.step()
        for parameter in d_parameters:
            parameter.requires_grad_(True)
        return d_loss, g_loss.detach()

    return step


def captured(torch, step):
    """The step as a CUDA graph: the losses are the same tensors after each replay."""
    side_stream = torch.cuda.Stream()
    side_stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side_stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side_stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        losses = step()

    def replay():
        graph.replay()
        return losses

    return replay


def timed(torch, arguments, step):
    """One step's seconds and losses: by the GPU's clock there, by the host's on the CPU."""
    if arguments.device == "cuda":
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        losses = step()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3, losses
    begin = time.perf_counter()
    losses = tuple(map(float, step()))
    return time.perf_counter() - begin, losses


def peak_rss_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(arguments):
    import torch
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    rss_import = peak_rss_mb()
    if arguments.device == "cuda":
        if not torch.cuda.is_available():
            sys.exit("pytorch_step: torch sees no GPU here; use --device cpu")
        torch.backends.cuda.matmul.allow_tf32 = arguments.tf32 == "on"
        torch.backends.cudnn.allow_tf32 = arguments.tf32 == "on"
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.benchmark_limit = 0  # try every algorithm, not the first ten
    step = make_step(torch, arguments)
    for _ in range(arguments.warmup):
        step()
    if arguments.graph:
        step = captured(torch, step)
    times = []
    while len(times) < arguments.steps or sum(times) < arguments.seconds:
        seconds, losses = timed(torch, arguments, step)
        times.append(seconds)
    d_loss, g_loss = map(float, losses)
    median = statistics.median(times)
    settings = {name: getattr(arguments, name) for name in
                ("device", "net", "batch", "threads", "layout", "precision", "tf32", "backward",
                 "allocator", "openmp", "compile", "graph", "adam")}
    if arguments.net == "demo":
        settings.update(g_widths=arguments.g_widths, d_widths=arguments.d_widths)
    return {"peer": f"torch {torch.__version__}", **settings, "steps": len(times),
            "median_ms": round(median * 1e3, 2), "min_ms": round(min(times) * 1e3, 2),
            "gpu_peak_mb": (round(torch.cuda.max_memory_reserved() / 1e6)
                            if arguments.device == "cuda" else 0),
            "images_per_s": round(arguments.batch / median, 2),
            "peak_rss_mb": round(peak_rss_mb()), "import_rss_mb": round(rss_import),
            "d_loss": d_loss, "g_loss": g_loss}


def show(result):
    kept = ["net", "batch", "layout", "precision", "backward"]
    kept += (["tf32", "adam", "graph"] if result["device"] == "cuda"
             else ["threads", "allocator", "openmp"])
    print(f"{result['median_ms']:9.1f} ms (min {result['min_ms']:.1f}), "
          f"{result['images_per_s']:.1f} img/s, peak {result['peak_rss_mb']} MB "
          f"(after import {result['import_rss_mb']} MB), {result['steps']} steps, "
          f"{result['peer']}: " + " ".join(f"{name}={result[name]}" for name in kept)
          + (" compiled" if result["compile"] else ""), flush=True)


def child_result(arguments, settings):
    command = [sys.executable, os.path.abspath(__file__), "--json", "--net", arguments.net,
               "--g-widths", ",".join(map(str, arguments.g_widths)),
               "--d-widths", ",".join(map(str, arguments.d_widths))]
    for name in ("device", "batch", "threads", "tf32", "steps", "warmup", "seconds"):
        command += ["--" + name, str(getattr(arguments, name))]
    for name, value in {"precision": arguments.precision, **settings}.items():
        command += ["--" + name] * value if isinstance(value, bool) else ["--" + name, value]
    environment = {k: v for k, v in os.environ.items() if k != READY_MARK}
    child = subprocess.run(command, env=environment, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
    if child.returncode != 0:
        last = (child.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"   failed: {settings}: {last}", file=sys.stderr, flush=True)
        return None
    return json.loads(child.stdout.splitlines()[-1])


GPU_SETTINGS = [
    {"adam": "foreach"},
    {},
    {"layout": "channels_last"},
    {"layout": "channels_last", "precision": "bf16"},
    {"layout": "channels_last", "precision": "bf16", "compile": True},
    {"layout": "channels_last", "precision": "bf16", "graph": True},
    {"layout": "channels_last", "precision": "bf16", "graph": True, "compile": True},
    {"layout": "channels_last", "graph": True},
    {"layout": "channels_last", "graph": True, "compile": True},
]


def find_best(arguments):
    """Every combination in a process of its own; the fastest median wins."""
    if arguments.device == "cuda":
        return fastest(arguments, GPU_SETTINGS)
    allocators = ["default", "tuned", "tuned_huge"]
    allocators += [name for name in ("jemalloc", "tcmalloc") if preload_of(name)]
    axes = {
        "layout": ["nchw", "channels_last"],
        "allocator": allocators,
        "openmp": list(OPENMP) if arguments.try_openmp else [arguments.openmp],
        "backward": ["split", "joint"] if arguments.try_backward else [arguments.backward],
        "compile": [False, True] if arguments.try_compile else [arguments.compile],
    }
    return fastest(arguments, [dict(zip(axes, values))
                               for values in itertools.product(*axes.values())])


def fastest(arguments, all_settings):
    """The best result; with --json it carries the others along."""
    results = []
    for settings in all_settings:
        result = child_result(arguments, settings)
        if result is not None:
            results.append(result)
            if not arguments.json:
                show(result)
    if not results:
        sys.exit("pytorch_step: no setting worked")
    best = dict(min(results, key=lambda result: result["median_ms"]))
    if arguments.device == "cuda":
        best["all"] = results
    return best


def main():
    arguments = parse_arguments()
    if arguments.best:
        result = find_best(arguments)
        if not arguments.json:
            print("best:")
    else:
        if READY_MARK not in os.environ:
            os.execve(sys.executable, [sys.executable, os.path.abspath(__file__), *sys.argv[1:]],
                      settled_environment(arguments))
        result = measure(arguments)
    if arguments.json:
        print(json.dumps(result))
    else:
        show(result)


if __name__ == "__main__":
    main()
