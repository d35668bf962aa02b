#!/usr/bin/env python3
"""Checks core/safetensors.cpp against the reference implementation, both ways.

  python3 tests/tools/check_safetensors.py build/release/tests/whisker_tests

The PyPI packages safetensors and torch write a file, whisker loads it and saves it again, and they
read the copy: names, dtypes, shapes, bits and metadata must be equal.
"""
import os
import subprocess
import sys
import tempfile

import torch
from safetensors import safe_open
from safetensors.torch import save_file

DTYPES = (torch.float32, torch.bfloat16, torch.float64, torch.int32, torch.uint8, torch.bool,
          torch.int8, torch.int16, torch.int64, torch.uint16, torch.uint32, torch.uint64,
          torch.float16, torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2,
          torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.float8_e8m0fnu)
SHAPES = ((), (1,), (0,), (7,), (3, 5), (2, 0, 4), (2, 3, 4, 5), (1, 2, 1, 3, 1, 2))


def make_tensors():
    generator = torch.Generator().manual_seed(1)
    tensors = {}
    for dtype in DTYPES:
        for shape in SHAPES:
            size = torch.tensor([], dtype=dtype).element_size()
            values = 2 if dtype is torch.bool else 256
            raw = torch.randint(0, values, (*shape, size), generator=generator, dtype=torch.uint8)
            # Random bits: infinities, not-a-numbers and denormal numbers are among them.
            tensors[f"{dtype}/{'x'.join(map(str, shape))} é"] = raw.view(dtype).reshape(shape)
    tensors["nan"] = torch.tensor([float("nan"), float("inf"), -0.0])
    return tensors


def read(path):
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


def bits(tensor):
    return tensor.reshape(-1).view(torch.uint8).tolist()


def main():
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = os.path.join(folder, "theirs"), os.path.join(folder, "ours")
        metadata = {"format": "pt", "note": "quote \" backslash \\ newline \n cat \U0001F408"}
        save_file(make_tensors(), theirs, metadata)
        environment = {**os.environ, "WHISKER_RESAVE_INPUT": theirs, "WHISKER_RESAVE_OUTPUT": ours}
        subprocess.run([sys.argv[1], "[.resave]"], env=environment, check=True)

        expected, _ = read(theirs)
        actual, saved_metadata = read(ours)
        assert saved_metadata.pop("whisker.checksum").startswith("crc32c:")
        assert saved_metadata == metadata, saved_metadata
        assert actual.keys() == expected.keys()
        for name, tensor in expected.items():
            copy = actual[name]
            assert (copy.dtype, copy.shape) == (tensor.dtype, tensor.shape), name
            assert bits(copy) == bits(tensor), name
        print(f"{len(expected)} tensors agree")


if __name__ == "__main__":
    main()
