#!/usr/bin/env python3
"""Makes tests/golden/stored_dtypes.safetensors: dtypes of files that ops do not compute with.

  python3 tests/golden/make_stored_dtypes.py

Each tensor <name> comes with what PyTorch converts it to, <name>/<dtype>. Floating-point dtypes
have every bit pattern, integers their ends. bn.* is the state of a BatchNorm2d.

Written with torch 2.15.0, safetensors 0.8.0.
"""
import os

import torch
from safetensors.torch import save_file

INTEGERS = {"int8": torch.int8, "int16": torch.int16, "int64": torch.int64,
            "uint16": torch.uint16, "uint32": torch.uint32, "uint64": torch.uint64}
BYTES = {"float8_e4m3": torch.float8_e4m3fn, "float8_e5m2": torch.float8_e5m2,
         "float8_e8m0": torch.float8_e8m0fnu, "float8_e4m3fnuz": torch.float8_e4m3fnuz,
         "float8_e5m2fnuz": torch.float8_e5m2fnuz}


def main():
    tensors = {}
    for name, dtype in INTEGERS.items():
        ends = torch.iinfo(dtype)
        tensors[name] = torch.tensor(sorted({ends.min, ends.min // 3, -1 if ends.min else 0, 0, 1,
                                             100, ends.max // 3, ends.max}), dtype=dtype)
    every_byte = torch.arange(256, dtype=torch.uint8)
    for name, dtype in BYTES.items():
        tensors[name] = every_byte.clone().view(dtype)
    tensors["float16"] = torch.arange(65536, dtype=torch.int32).to(torch.uint16).view(torch.float16)
    tensors["bool"] = torch.tensor([False, True, True])
    for name, tensor in list(tensors.items()):
        tensors[name + "/float32"] = tensor.to(torch.float32)
        if name != "float16":
            tensors[name + "/float64"] = tensor.to(torch.float64)
    for name in ("float16", "int64", "bool"):
        tensors[name + "/bfloat16"] = tensors[name].to(torch.float32).to(torch.bfloat16)

    torch.manual_seed(1)
    norm = torch.nn.BatchNorm2d(2)
    for _ in range(3):
        norm(torch.randn(2, 2, 3, 3))
    tensors.update({"bn." + name: tensor.clone() for name, tensor in norm.state_dict().items()})
    folder = os.path.dirname(os.path.abspath(__file__))
    path = os.path.join(folder, "stored_dtypes.safetensors")
    save_file(tensors, path)
    os.chmod(path, 0o644)
    print(len(tensors), "tensors")


if __name__ == "__main__":
    main()
