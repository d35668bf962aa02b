#!/usr/bin/env python3
"""Makes the golden files of the differentiable ops: tests/golden/ops.safetensors and ops.json.

  python3 tests/golden/make_golden.py     (rewrites both files; tensors keep their bytes)
  python3 tests/golden/check_golden.py    (compares them with TensorFlow's own kernels)

Inputs are float32 values drawn by a seeded numpy generator. Everything else is computed by
PyTorch in float64 from those values and rounded once to float32, so a file holds the truth to half
a unit in the last place. The same is computed in float32 too: `f32_error` says how far PyTorch's
own float32 is from the truth, which is what a tolerance should be measured against.

Layouts: images [N, H, W, C]; conv weights [out, kh, kw, in]; transposed conv weights
[in, kh, kw, out]; dense weights [out, in].

ops.json is {"format": 1, "versions": {...}, "tensors": "ops.safetensors", "cases": [case, ...]}:
  op            name of the op, as conv2d
  name          op/variant, unique, as conv2d/same_5x5_stride2
  attributes    scalars, strings and lists of integers of the op; see below
  inputs        tensor names, in order; the last part of a name is the role: x, weight, bias ...
  outputs       tensor names, in order
  output_grads  as long as outputs: the gradient that arrives at each output, null where none does
  grads         as long as inputs: the gradient that must come out, null for inputs without one
  f32_error     per output and per gradient (nulls left out), in order: PyTorch's float32 error,
                max |a - b| / max |b|. That of convolutions depends on the CPU: when a case is
                added, the lines of the others are best kept as they were
Optimizer cases (sgd, rmsprop, adam) have no gradients. Their inputs are param [n], grads [steps, n]
and the state before (m, v, velocity, mean_square); their outputs are params [steps, n], the values
after each step, and the state after the last (new_m, new_v ...).

Attributes: conv2d, conv2d_weight_grad, conv2d_input_grad, conv_transpose2d have stride_h, stride_w,
pad_top, pad_bottom, pad_left, pad_right (the padding of the convolution that the op belongs to) and
padding ("same", "valid" or "explicit"); conv2d_input_grad and conv_transpose2d have out_h, out_w
(the size of what they produce), conv2d_weight_grad has kernel_h, kernel_w. Reductions have axes and
keepdims. upsample2d and avg_pool2d have block_h, block_w. batch_norm has training, epsilon,
effective_epsilon (TensorFlow's fused op takes no less than 1.001e-5), momentum. Losses have
reduction ("none" or "mean").

Written with Python 3.11, numpy 2.4.6, torch 2.15.0, safetensors 0.8.0.
"""
import hashlib
import json
import os

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

from golden_optimizers import add_optimizers

HERE = os.path.dirname(os.path.abspath(__file__))
TENSORS, CASES = {}, []


def rng_of(name):
    """A generator that depends on the case's name alone: adding a case changes no other."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


def normal(name, role, *shape, scale=1.0):
    values = rng_of(role + "@" + name).standard_normal(shape) * scale
    return values.astype(np.float32)


def uniform(name, role, low, high, *shape):
    return rng_of(role + "@" + name).uniform(low, high, shape).astype(np.float32)


def relative_error(value, truth):
    scale = np.abs(truth).max(initial=0.0)
    worst = np.abs(value.astype(np.float64) - truth).max(initial=0.0)
    return float(f"{worst / scale if scale > 0 else worst:.2e}")


def evaluate(function, inputs, differentiable, output_grads, dtype):
    tensors = {role: torch.tensor(value, dtype=dtype, requires_grad=role in differentiable)
               for role, value in inputs.items()}
    outputs = function(**tensors)
    arriving = {role: torch.tensor(value, dtype=dtype) for role, value in output_grads.items()}
    grads = {}
    if differentiable:
        wanted = [tensors[role] for role in differentiable]
        found = torch.autograd.grad([outputs[role] for role in arriving], wanted,
                                    list(arriving.values()), allow_unused=True)
        grads = {role: torch.zeros_like(tensors[role]) if grad is None else grad
                 for role, grad in zip(differentiable, found)}
    as_numpy = lambda named: {k: v.detach().numpy() for k, v in named.items()}
    return as_numpy(outputs), as_numpy(grads)


def record(op, variant, attributes, inputs, function, constant=(), silent=()):
    """Adds one case. `constant` inputs have no gradient, `silent` outputs receive none."""
    name = f"{op}/{variant}"
    differentiable = [role for role in inputs if role not in constant]
    shapes, _ = evaluate(function, inputs, [], {}, torch.float64)
    arriving = {role: normal(name, "d" + role, *value.shape) for role, value in shapes.items()
                if role not in silent and differentiable}
    outputs, grads = evaluate(function, inputs, differentiable, arriving, torch.float64)
    outputs32, grads32 = evaluate(function, inputs, differentiable, arriving, torch.float32)

    def store(role, value):
        key = f"{name}/{role}"
        assert key not in TENSORS and np.isfinite(value).all(), key
        TENSORS[key] = np.ascontiguousarray(value, dtype=np.float32)
        return key

    case = {"op": op, "name": name, "attributes": attributes,
            "inputs": [store(role, value) for role, value in inputs.items()],
            "outputs": [store(role, value) for role, value in outputs.items()],
            "output_grads": [store("d" + role, arriving[role]) if role in arriving else None
                             for role in outputs],
            "grads": [store("grad_" + role, grads[role]) if role in grads else None
                      for role in inputs],
            "f32_error": [relative_error(outputs32[role], outputs[role]) for role in outputs] +
                         [relative_error(grads32[role], grads[role]) for role in grads]}
    assert all(value.dtype == np.float32 for value in inputs.values()), name
    assert len({case_["name"] for case_ in CASES} | {name}) == len(CASES) + 1, name
    CASES.append(case)


# ---- convolutions ------------------------------------------------------------------------------

def same_padding(size, kernel, stride):
    """TensorFlow's SAME: the extra one goes after."""
    out = -(-size // stride)
    need = max((out - 1) * stride + kernel - size, 0)
    return need // 2, need - need // 2


def conv2d_reference(x, weight, bias, stride, pad):
    """x [N,H,W,C], weight [out,kh,kw,in], pad (top, bottom, left, right) -> y [N,H',W',out]"""
    planes = F.pad(x.permute(0, 3, 1, 2), (pad[2], pad[3], pad[0], pad[1]))
    y = F.conv2d(planes, weight.permute(0, 3, 1, 2), bias, stride)
    return y.permute(0, 2, 3, 1)


def adjoint_input(dy, weight, stride, pad, size):
    """What conv2d's gradient sends to x [N, *size, in]; by autograd, since conv2d is linear."""
    x = torch.zeros(dy.shape[0], *size, weight.shape[3], dtype=dy.dtype, requires_grad=True)
    y = conv2d_reference(x, weight, None, stride, pad)
    return torch.autograd.grad(y, x, dy, create_graph=True)[0]


def adjoint_weight(x, dy, stride, pad, kernel):
    weight = torch.zeros(dy.shape[3], *kernel, x.shape[3], dtype=x.dtype, requires_grad=True)
    y = conv2d_reference(x, weight, None, stride, pad)
    return torch.autograd.grad(y, weight, dy, create_graph=True)[0]


# variant: batch, (h, w), in, out, (kh, kw), (stride_h, stride_w), padding or its four sides
CONVOLUTIONS = {
    "same_5x5_stride2_even": (2, (8, 8), 3, 4, (5, 5), (2, 2), "same"),    # pads 1 before, 2 after
    "same_5x5_stride2_odd": (2, (7, 9), 2, 3, (5, 5), (2, 2), "same"),     # pads 2 and 2
    "same_5x5_stride1": (1, (6, 5), 3, 2, (5, 5), (1, 1), "same"),
    "same_4x4_stride2": (2, (6, 8), 3, 5, (4, 4), (2, 2), "same"),
    "same_4x4_stride1": (1, (5, 5), 2, 2, (4, 4), (1, 1), "same"),         # even kernel: 1 and 2
    "same_3x3_stride2_even": (2, (6, 6), 4, 3, (3, 3), (2, 2), "same"),    # pads 0 before, 1 after
    "same_3x3_stride3": (1, (8, 7), 2, 3, (3, 3), (3, 3), "same"),
    "same_1x1_stride2": (2, (5, 4), 3, 2, (1, 1), (2, 2), "same"),
    "same_5x5_one_pixel": (3, (1, 1), 2, 3, (5, 5), (2, 2), "same"),
    "same_5x5_stride2_blocks": (2, (8, 8), 16, 16, (5, 5), (2, 2), "same"),  # full SIMD blocks
    "valid_3x3_stride1": (2, (5, 6), 3, 4, (3, 3), (1, 1), "valid"),
    "valid_5x5_stride2": (1, (9, 8), 2, 3, (5, 5), (2, 2), "valid"),       # last column unused
    "valid_1x1": (2, (3, 4), 5, 3, (1, 1), (1, 1), "valid"),
    "valid_whole_input": (2, (4, 4), 3, 2, (4, 4), (1, 1), "valid"),
    "one_channel_3x3": (1, (5, 5), 1, 1, (3, 3), (1, 1), "same"),
    "explicit_uneven": (2, (5, 4), 2, 3, (3, 3), (2, 1), (2, 0, 1, 3)),
    "explicit_symmetric_4x4": (1, (8, 8), 3, 2, (4, 4), (2, 2), (1, 1, 1, 1)),
    "explicit_2x3_kernel": (1, (5, 6), 2, 2, (2, 3), (1, 2), (0, 1, 1, 1)),
    "wide_1x1_padding1": (2, (3, 4), 3, 4, (1, 1), (1, 1), (1, 1, 1, 1)),  # as wide as the kernel
    "wide_3x3_padding3": (1, (4, 5), 2, 3, (3, 3), (1, 1), (3, 3, 3, 3)),
    "wide_3x3_stride2_padding5": (2, (5, 4), 3, 2, (3, 3), (2, 2), (5, 5, 5, 5)),
}

# variant: batch, (p, q), in, out, kernel, stride, padding, output_padding of PyTorch's own function
TRANSPOSED_CONVOLUTIONS = {
    "torch_1x1_padding1": (2, (4, 5), 3, 2, 1, 1, 1, 0),
    "torch_3x3_padding3": (1, (7, 6), 2, 3, 3, 1, 3, 0),
    "torch_3x3_stride2_padding5": (1, (7, 8), 2, 3, 3, 2, 5, 0),
    "torch_3x3_stride2_output_padding1": (2, (3, 4), 3, 2, 3, 2, 0, 1),
    "torch_2x2_stride3_padding1_output_padding2": (2, (3, 4), 2, 3, 2, 3, 1, 2),
}


def add_convolutions():
    for variant, (batch, size, c_in, c_out, kernel, stride, padding) in CONVOLUTIONS.items():
        if padding == "same":
            pad = [side for s, k, step in zip(size, kernel, stride)
                   for side in same_padding(s, k, step)]
        else:
            pad = [0] * 4 if padding == "valid" else list(padding)
        out = [(s + pad[2 * i] + pad[2 * i + 1] - kernel[i]) // stride[i] + 1
               for i, s in enumerate(size)]
        attributes = {"stride_h": stride[0], "stride_w": stride[1], "pad_top": pad[0],
                      "pad_bottom": pad[1], "pad_left": pad[2], "pad_right": pad[3],
                      "padding": padding if isinstance(padding, str) else "explicit"}
        fan_in = (kernel[0] * kernel[1] * c_in) ** -0.5
        x = normal("conv2d/" + variant, "x", batch, *size, c_in)
        weight = normal("conv2d/" + variant, "weight", c_out, *kernel, c_in, scale=fan_in)
        dy = normal("conv2d/" + variant, "upstream", batch, *out, c_out)

        record("conv2d", variant, attributes,
               {"x": x, "weight": weight, "bias": normal("conv2d/" + variant, "bias", c_out)},
               lambda x, weight, bias: {"y": conv2d_reference(x, weight, bias, stride, pad)})
        record("conv2d_input_grad", variant,
               {**attributes, "out_h": size[0], "out_w": size[1]}, {"dy": dy, "weight": weight},
               lambda dy, weight: {"dx": adjoint_input(dy, weight, stride, pad, size)})
        record("conv2d_weight_grad", variant,
               {**attributes, "kernel_h": kernel[0], "kernel_w": kernel[1]}, {"x": x, "dy": dy},
               lambda x, dy: {"dweight": adjoint_weight(x, dy, stride, pad, kernel)})
        if variant in ("same_5x5_stride2_even", "same_5x5_stride2_odd", "same_5x5_stride1",
                       "same_4x4_stride2", "same_3x3_stride2_even", "valid_3x3_stride1",
                       "same_5x5_one_pixel", "explicit_symmetric_4x4", "one_channel_3x3"):
            record("conv_transpose2d", variant,
                   {**attributes, "out_h": size[0], "out_w": size[1]},
                   {"x": dy, "weight": weight, "bias": normal("up/" + variant, "bias", c_in)},
                   lambda x, weight, bias: {
                       "y": adjoint_input(x, weight, stride, pad, size) + bias})


def add_transposed_convolutions():
    for variant, (batch, size, c_in, c_out, kernel, stride, padding,
                  extra) in TRANSPOSED_CONVOLUTIONS.items():
        out = [(s - 1) * stride - 2 * padding + kernel + extra for s in size]
        attributes = {"stride_h": stride, "stride_w": stride, "pad_top": padding,
                      "pad_bottom": padding - extra, "pad_left": padding,
                      "pad_right": padding - extra, "padding": "explicit", "out_h": out[0],
                      "out_w": out[1]}
        record("conv_transpose2d", variant, attributes,
               {"x": normal("up/" + variant, "x", batch, *size, c_in),
                "weight": normal("up/" + variant, "weight", c_in, kernel, kernel, c_out,
                                 scale=(kernel * kernel * c_in) ** -0.5),
                "bias": normal("up/" + variant, "bias", c_out)},
               lambda x, weight, bias: {"y": F.conv_transpose2d(
                   x.permute(0, 3, 1, 2), weight.permute(0, 3, 1, 2), bias, stride, padding,
                   extra).permute(0, 2, 3, 1)})


# ---- matmul, dense, batch norm -----------------------------------------------------------------

def add_matmuls():
    for ta in (False, True):
        for tb in (False, True):
            variant = ("t" if ta else "n") + ("t" if tb else "n")
            for tag, (m, k, n) in {"": (5, 7, 3), "_vector": (1, 6, 1)}.items():
                a = normal("matmul/" + variant + tag, "a", *((k, m) if ta else (m, k)))
                b = normal("matmul/" + variant + tag, "b", *((n, k) if tb else (k, n)))
                record("matmul", variant + tag, {"transpose_a": ta, "transpose_b": tb},
                       {"a": a, "b": b},
                       lambda a, b: {"y": (a.T if ta else a) @ (b.T if tb else b)})
    for variant, (batch, c_in, c_out) in {"small": (4, 6, 5), "one_output": (3, 9, 1),
                                          "one_row": (1, 3, 17)}.items():
        record("dense", variant, {},
               {"x": normal("dense/" + variant, "x", batch, c_in),
                "weight": normal("dense/" + variant, "weight", c_out, c_in, scale=c_in ** -0.5),
                "bias": normal("dense/" + variant, "bias", c_out)},
               lambda x, weight, bias: {"y": x @ weight.T + bias})


def batch_norm_reference(x, gamma, beta, moving_mean, moving_variance, training):
    epsilon, momentum = 1.001e-5, 0.99
    if not training:
        y = (x - moving_mean) / torch.sqrt(moving_variance + epsilon) * gamma + beta
        return {"y": y}
    axes = tuple(range(x.dim() - 1))
    count = x.numel() // x.shape[-1]
    mean = x.mean(axes)
    variance = ((x - mean) ** 2).mean(axes)
    y = (x - mean) / torch.sqrt(variance + epsilon) * gamma + beta
    unbiased = variance * (count / (count - 1)) if count > 1 else variance
    return {"y": y,
            "new_moving_mean": moving_mean - (1 - momentum) * (moving_mean - mean.detach()),
            "new_moving_variance": moving_variance
            - (1 - momentum) * (moving_variance - unbiased.detach())}


def add_batch_norms():
    shapes = {"image": (3, 4, 5, 6), "one_channel": (2, 3, 3, 1), "one_pixel": (4, 1, 1, 3),
              "blocks": (2, 3, 3, 16),
              "one_value": (1, 1, 1, 3), "small_variance": (2, 4, 4, 3), "offset": (2, 4, 4, 3)}
    for training in (True, False):
        for tag, shape in shapes.items():
            variant = ("training_" if training else "inference_") + tag
            name = "batch_norm/" + variant
            channels = shape[-1]
            x = normal(name, "x", *shape) * np.float32(1.5) + np.float32(0.3)
            if tag == "small_variance":   # epsilon decides: 1e-5 instead of 1.001e-5 would show
                x = normal(name, "x", *shape, scale=3e-3)
            if tag == "offset":           # a one-pass variance would lose digits here
                x = normal(name, "x", *shape) + np.float32(100)
            inputs = {"x": x, "gamma": uniform(name, "gamma", 0.5, 1.5, channels),
                      "beta": normal(name, "beta", channels),
                      "moving_mean": normal(name, "moving_mean", channels, scale=0.5),
                      "moving_variance": uniform(name, "moving_variance", 0.5, 2.0, channels)}
            record("batch_norm", variant,
                   {"training": training, "epsilon": 1e-5, "effective_epsilon": 1.001e-5,
                    "momentum": 0.99}, inputs,
                   lambda **tensors: batch_norm_reference(**tensors, training=training),
                   constant=("moving_mean", "moving_variance"),
                   silent=("new_moving_mean", "new_moving_variance"))


# ---- elementwise, shapes, reductions -----------------------------------------------------------

def add_elementwise():
    spread = np.concatenate([np.linspace(-6, 6, 24), [-0.5, 0.25, -1e-3, 1e-3, 30, -30, 2.5, -9]])
    spread = spread.astype(np.float32).reshape(4, 8)
    away = np.where(np.abs(spread) < 1e-6, np.float32(0.1), spread)
    positive = np.float32(0.02) + np.abs(spread)
    small = np.clip(spread, -9, 9)
    for slope in (0.2, 0.01):
        record("leaky_relu", f"slope_{slope}", {"negative_slope": slope}, {"x": away},
               lambda x: {"y": F.leaky_relu(x, slope)})
    unary = {"relu": (away, F.relu), "tanh": (spread, torch.tanh),
             "sigmoid": (spread, torch.sigmoid), "selu": (away, F.selu),
             "sqrt": (positive, torch.sqrt), "square": (spread, torch.square),
             "abs": (away, torch.abs), "exp": (small, torch.exp), "log": (positive, torch.log)}
    for op, (x, function) in unary.items():
        record(op, "spread", {}, {"x": x}, lambda x: {"y": function(x)})
    record("cast", "to_bfloat16", {"dtype": "bfloat16"}, {"x": spread},
           lambda x: {"y": x.to(torch.bfloat16).to(x.dtype)})
    for factor in (2.5, -0.125):
        record("scale", f"by_{factor}", {"factor": factor}, {"x": spread},
               lambda x: {"y": factor * x})

    binary = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div}
    shapes = {"same": ((2, 3, 4), (2, 3, 4)), "channel": ((2, 3, 2, 5), (5,)),
              "channel_left": ((5,), (2, 3, 2, 5)), "scalar": ((3, 4), ()),
              "rows_and_columns": ((4, 1), (1, 3)), "batch": ((3, 1, 1, 2), (3, 2, 4, 2)),
              "one": ((2, 3), (1, 1))}
    for op, function in binary.items():
        for variant, (left, right) in shapes.items():
            name = f"{op}/{variant}"
            b = normal(name, "b", *right)
            if op == "div":
                b = (np.sign(b) * (np.abs(b) + np.float32(0.5))).astype(np.float32)
            record(op, variant, {}, {"a": normal(name, "a", *left), "b": b},
                   lambda a, b: {"y": function(a, b)})


def add_shape_ops():
    reductions = {"all": [0, 1, 2, 3], "channels_only": [0, 1, 2], "last": [3], "first": [0],
                  "middle": [1, 2]}
    for op, function in {"sum": torch.sum, "mean": torch.mean}.items():
        for variant, axes in reductions.items():
            for keepdims in (False, True):
                tag = variant + ("_keepdims" if keepdims else "")
                record(op, tag, {"axes": axes, "keepdims": keepdims},
                       {"x": normal(f"{op}/{variant}", "x", 2, 3, 4, 5)},
                       lambda x: {"y": function(x, dim=axes, keepdim=keepdims)})
    record("reshape", "flatten", {"shape": [2, 24]},
           {"x": normal("reshape/flatten", "x", 2, 3, 2, 4)}, lambda x: {"y": x.reshape(2, 24)})
    record("reshape", "to_image", {"shape": [2, 2, 2, 3]},
           {"x": normal("reshape/image", "x", 2, 12)}, lambda x: {"y": x.reshape(2, 2, 2, 3)})
    for axis, shapes in {0: [(2, 3, 2), (1, 3, 2), (4, 3, 2)], 1: [(2, 1, 3), (2, 4, 3)],
                         3: [(2, 2, 2, 1), (2, 2, 2, 3)]}.items():
        inputs = {f"x{i}": normal(f"concat/{axis}", f"x{i}", *s) for i, s in enumerate(shapes)}
        record("concat", f"axis_{axis}", {"axis": axis}, inputs,
               lambda **parts: {"y": torch.cat(list(parts.values()), axis)})
    for variant, (begin, end) in {"head": (0, 2), "middle": (1, 4), "one": (4, 5)}.items():
        record("slice", variant, {"begin": begin, "end": end},
               {"x": normal("slice/" + variant, "x", 5, 2, 3)}, lambda x: {"y": x[begin:end]})


def on_planes(function, x, *arguments):
    """function of PyTorch's [N,C,H,W] on x [N,H,W,C]"""
    return function(x.permute(0, 3, 1, 2), *arguments).permute(0, 2, 3, 1)


def add_resampling():
    for variant, (rows, columns) in {"2x2": (2, 2), "3x1": (3, 1), "1x4": (1, 4)}.items():
        attributes = {"block_h": rows, "block_w": columns}
        record("upsample2d", variant, attributes,
               {"x": normal("upsample2d/" + variant, "x", 2, 3, 4, 5)},
               lambda x: {"y": on_planes(F.interpolate, x, None, (rows, columns))})
        record("avg_pool2d", variant, attributes,
               {"x": normal("avg_pool2d/" + variant, "x", 2, 6, 8, 5)},
               lambda x: {"y": on_planes(F.avg_pool2d, x, (rows, columns))})


# ---- losses ------------------------------------------------------------------------------------

def cross_entropy(logits, labels):
    """max(x, 0) - x z + log(1 + exp(-|x|)), whose gradient by x is sigmoid(x) - z"""
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none")


def add_losses():
    logits = np.array([-100, -30, -8, -2, -0.5, -1e-3, 1e-3, 0.5, 2, 8, 30, 100], np.float32)
    logits = logits.reshape(12, 1)
    labels = {"ones": np.ones_like(logits), "zeros": np.zeros_like(logits),
              "soft": np.full_like(logits, 0.9),
              "mixed": uniform("labels", "mixed", 0, 1, 12, 1)}
    for tag, label in labels.items():
        record("sigmoid_cross_entropy", tag, {"reduction": "none"},
               {"logits": logits, "labels": label},
               lambda logits, labels: {"loss": cross_entropy(logits, labels)}, ("labels",))
        record("sigmoid_cross_entropy", tag + "_mean", {"reduction": "mean"},
               {"logits": logits, "labels": label},
               lambda logits, labels: {"loss": cross_entropy(logits, labels).mean()}, ("labels",))
    x, target = normal("losses", "x", 6, 3), normal("losses", "target", 6, 3)
    scores = np.where(np.abs(np.abs(x) - 1) < 0.05, x * np.float32(1.2), x)  # off the hinge's kink
    record("mse_loss", "mean", {"reduction": "mean"}, {"x": x, "target": target},
           lambda x, target: {"loss": F.mse_loss(x, target)}, ("target",))
    for value in (0.0, 1.0, 0.9):
        record("least_squares_loss", f"target_{value}", {"target": value, "reduction": "mean"},
               {"x": x}, lambda x: {"loss": ((x - value) ** 2).mean()})
    record("hinge_loss", "real", {"role": "real", "reduction": "mean"}, {"x": scores},
           lambda x: {"loss": F.relu(1 - x).mean()})
    record("hinge_loss", "fake", {"role": "fake", "reduction": "mean"}, {"x": scores},
           lambda x: {"loss": F.relu(1 + x).mean()})
    record("hinge_loss", "generator", {"role": "generator", "reduction": "mean"}, {"x": scores},
           lambda x: {"loss": -x.mean()})
    record("wasserstein_loss", "real", {"role": "real", "reduction": "mean"}, {"x": x},
           lambda x: {"loss": -x.mean()})
    record("wasserstein_loss", "fake", {"role": "fake", "reduction": "mean"}, {"x": x},
           lambda x: {"loss": x.mean()})


def write_files():
    path = os.path.join(HERE, "ops.safetensors")
    save_file(TENSORS, path)
    os.chmod(path, 0o644)
    head = {"format": 1, "versions": {"torch": torch.__version__.split("+")[0],
                                      "numpy": np.__version__}, "tensors": "ops.safetensors"}
    with open(os.path.join(HERE, "ops.json"), "w", encoding="utf-8") as file:
        file.write(json.dumps(head)[:-1] + ', "cases": [\n')
        file.write(",\n".join(json.dumps(case) for case in CASES))
        file.write("\n]}\n")


def main():
    torch.set_num_threads(1)
    add_convolutions()
    add_transposed_convolutions()
    add_matmuls()
    add_batch_norms()
    add_elementwise()
    add_shape_ops()
    add_resampling()
    add_losses()
    add_optimizers(record, normal)
    write_files()
    sizes = [os.path.getsize(os.path.join(HERE, name)) for name in ("ops.safetensors", "ops.json")]
    worst = sorted(((max(case["f32_error"]), case["name"]) for case in CASES), reverse=True)[:8]
    print(f"{len(CASES)} cases, {len(TENSORS)} tensors, {sizes[0]} + {sizes[1]} bytes")
    print("largest float32 errors of PyTorch:", *(f"{name} {error:.1e}" for error, name in worst))


if __name__ == "__main__":
    main()
