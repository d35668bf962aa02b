#!/usr/bin/env python3
"""Makes tests/golden/special_values.safetensors: elementwise functions where numbers end.

  python3 tests/golden/make_special_values.py

Every function is computed by PyTorch, in float32, float64 and bfloat16, at infinities, zeros of
both signs, NaN and two ordinary numbers. Tensors are named <op>/<dtype>/<role>:
  unary   x, y, and dx1, dxinf, dxnan: the gradients that dy = 1, inf and NaN induce; ddx is the
          derivative of sum(dx1), where PyTorch has one
  binary  a, b (all pairs), y, and da1, db1, dainf, dbinf
PyTorch is given one element at a time, because its vectorised SELU has another gradient at NaN than
its plain loops and its GPU kernels. The results are repeated, so that our vectorised loops are met.

Written with torch 2.15.0, safetensors 0.8.0.
"""
import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

INF, NAN = float("inf"), float("nan")
VALUES = [-INF, -1.0, -0.0, 0.0, 1.0, INF, NAN]
LABELS = [0.0, 0.5, 0.9, 1.0]
UNARY = {"relu": F.relu, "leaky_relu": lambda x: F.leaky_relu(x, 0.2), "tanh": torch.tanh,
         "sigmoid": torch.sigmoid, "selu": F.selu, "exp": torch.exp, "log": torch.log,
         "sqrt": torch.sqrt, "square": torch.square, "abs": torch.abs,
         "affine": lambda x: x * -1.5 + 0.25}
BINARY = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div,
          "sigmoid_cross_entropy": lambda x, z: F.binary_cross_entropy_with_logits(
              x, z, reduction="none")}
DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}


def unary(function, dtype):
    x = torch.tensor(VALUES, dtype=dtype, requires_grad=True)
    y = torch.cat([function(element) for element in x.split(1)])
    tensors = {"x": x, "y": y}
    for name, dy in (("dx1", 1.0), ("dxinf", INF), ("dxnan", NAN)):
        tensors[name], = torch.autograd.grad(y, x, torch.full_like(y, dy), retain_graph=True)
    dx, = torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)
    ddx = None
    if dx.requires_grad:
        ddx, = torch.autograd.grad(dx.sum(), x, allow_unused=True)
    tensors["ddx"] = torch.zeros_like(x) if ddx is None else ddx
    return {role: tensor.repeat(5) for role, tensor in tensors.items()}


def binary(function, dtype, second):
    pairs = [(a, b) for a in VALUES for b in second]
    a = torch.tensor([a for a, _ in pairs], dtype=dtype, requires_grad=True)
    b = torch.tensor([b for _, b in pairs], dtype=dtype, requires_grad=True)
    y = function(a, b)
    tensors = {"a": a, "b": b, "y": y}
    for name, dy in (("1", 1.0), ("inf", INF)):
        tensors["da" + name], tensors["db" + name] = torch.autograd.grad(
            y, (a, b), torch.full_like(y, dy), retain_graph=True)
    return tensors


def main():
    tensors = {}
    for dtype_name, dtype in DTYPES.items():
        for op, function in UNARY.items():
            for role, tensor in unary(function, dtype).items():
                tensors[f"{op}/{dtype_name}/{role}"] = tensor.detach().clone()
        for op, function in BINARY.items():
            second = LABELS if op == "sigmoid_cross_entropy" else VALUES
            for role, tensor in binary(function, dtype, second).items():
                tensors[f"{op}/{dtype_name}/{role}"] = tensor.detach().clone()
    folder = os.path.dirname(os.path.abspath(__file__))
    save_file(tensors, os.path.join(folder, "special_values.safetensors"))
    print(len(tensors), "tensors")


if __name__ == "__main__":
    main()
