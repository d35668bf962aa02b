#!/usr/bin/env python3
"""Compares tests/golden/ops.* with TensorFlow's own kernels, which make_golden.py never uses.

  python3 tests/golden/check_golden.py

Covers what the article takes from TensorFlow: the convolutions with SAME and VALID padding, fused
batch norm, the activations, the cross-entropy, and the training kernels of the optimizers. Ends
with status 1 if a value is further off than its tolerance.

Written with Python 3.11, numpy 2.4.6, tensorflow 2.21.0, safetensors 0.8.0.
"""
import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np
import tensorflow as tf
from safetensors.numpy import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
TENSORS = load_file(os.path.join(HERE, "ops.safetensors"))
# float32 sums of up to a few hundred terms, some of which nearly cancel.
TOLERANCE = 5e-6
# With an offset of 100, x - mean has an error of 1e-5 by itself. TensorFlow's Adam takes 1 - beta2
# of the float32 nearest to 0.999: 1.3e-5 off in v, which the same error in its correction cancels.
LOOSE = {"batch_norm/training_offset": 2e-4, "batch_norm/inference_offset": 2e-5,
         "adam/gan_tensorflow": 2e-5, "adam/usual_tensorflow": 2e-5}


def convolution(attributes, x, weight, sizes=None):
    """conv2d, or with sizes its transpose, in TensorFlow's orders of weights"""
    strides = [1, attributes["stride_h"], attributes["stride_w"], 1]
    padding = attributes["padding"].upper()
    if padding == "EXPLICIT":
        padding = [[0, 0], [attributes["pad_top"], attributes["pad_bottom"]],
                   [attributes["pad_left"], attributes["pad_right"]], [0, 0]]
    weight = tf.transpose(weight, [1, 2, 3, 0])
    if sizes is None:
        return tf.nn.conv2d(x, weight, strides, padding)
    return tf.nn.conv2d_transpose(x, weight, [x.shape[0], *sizes, weight.shape[2]], strides,
                                  padding)


def batch_norm(attributes, x, gamma, beta, moving_mean, moving_variance):
    """TensorFlow 1 raised epsilon to 1.001e-5 in Python; today's wrapper does not."""
    if not attributes["training"]:
        y, _, _ = tf.compat.v1.nn.fused_batch_norm(
            x, gamma, beta, moving_mean, moving_variance, epsilon=attributes["effective_epsilon"],
            is_training=False)
        return [y]
    y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
        x, gamma, beta, epsilon=attributes["effective_epsilon"], is_training=True)
    rate = 1 - attributes["momentum"]
    return [y, moving_mean - rate * (moving_mean - mean),
            moving_variance - rate * (moving_variance - variance)]


DIFFERENTIABLE = {
    "conv2d": lambda a, x, weight, bias: [convolution(a, x, weight) + bias],
    "conv_transpose2d": lambda a, x, weight, bias: [
        convolution(a, x, weight, (a["out_h"], a["out_w"])) + bias],
    "conv2d_input_grad": lambda a, dy, weight: [
        convolution(a, dy, weight, (a["out_h"], a["out_w"]))],
    "matmul": lambda a, left, right: [tf.matmul(left, right, a["transpose_a"], a["transpose_b"])],
    "dense": lambda a, x, weight, bias: [tf.matmul(x, weight, transpose_b=True) + bias],
    "batch_norm": batch_norm,
    "leaky_relu": lambda a, x: [tf.nn.leaky_relu(x, a["negative_slope"])],
    "relu": lambda a, x: [tf.nn.relu(x)],
    "tanh": lambda a, x: [tf.tanh(x)],
    "sigmoid": lambda a, x: [tf.sigmoid(x)],
    "selu": lambda a, x: [tf.nn.selu(x)],
    "add": lambda a, left, right: [left + right],
    "sub": lambda a, left, right: [left - right],
    "mul": lambda a, left, right: [left * right],
    "div": lambda a, left, right: [left / right],
    "sqrt": lambda a, x: [tf.sqrt(x)],
    "square": lambda a, x: [tf.square(x)],
    "abs": lambda a, x: [tf.abs(x)],
    "exp": lambda a, x: [tf.exp(x)],
    "log": lambda a, x: [tf.math.log(x)],
    "sum": lambda a, x: [tf.reduce_sum(x, a["axes"], a["keepdims"])],
    "mean": lambda a, x: [tf.reduce_mean(x, a["axes"], a["keepdims"])],
    "sigmoid_cross_entropy": lambda a, logits, labels: [
        (tf.reduce_mean if a["reduction"] == "mean" else tf.identity)(
            tf.nn.sigmoid_cross_entropy_with_logits(logits=logits, labels=labels))],
}


def adam(a, var, m, v):
    def step(t, grad):
        tf.raw_ops.ResourceApplyAdam(
            var=var.handle, m=m.handle, v=v.handle, beta1_power=a["beta1"] ** t,
            beta2_power=a["beta2"] ** t, lr=a["lr"], beta1=a["beta1"], beta2=a["beta2"],
            epsilon=a["epsilon"], grad=grad)
    return step


def rmsprop(a, var, mean_square, velocity):
    return lambda t, grad: tf.raw_ops.ResourceApplyRMSProp(
        var=var.handle, ms=mean_square.handle, mom=velocity.handle, lr=a["lr"], rho=a["decay"],
        momentum=a["momentum"], epsilon=a["epsilon"], grad=grad)


def sgd(a, var, velocity=None):
    if velocity is None:
        return lambda t, grad: tf.raw_ops.ResourceApplyGradientDescent(
            var=var.handle, alpha=a["lr"], delta=grad)
    return lambda t, grad: tf.raw_ops.ResourceApplyMomentum(
        var=var.handle, accum=velocity.handle, lr=a["lr"], grad=grad, momentum=a["momentum"],
        use_nesterov=a["nesterov"])


OPTIMIZERS = {"adam": adam, "rmsprop": rmsprop, "sgd": sgd}


def optimizer_results(case):
    param, grads, *state = (TENSORS[name] for name in case["inputs"])
    variables = [tf.Variable(value) for value in (param, *state)]
    step = OPTIMIZERS[case["op"]](case["attributes"], *variables)
    params = []
    for t, grad in enumerate(grads, 1):
        step(t, tf.constant(grad))
        params.append(variables[0].numpy())
    return [np.stack(params), *(variable.numpy() for variable in variables[1:])]


def differentiable_results(case):
    inputs = [tf.constant(TENSORS[name]) for name in case["inputs"]]
    arriving = [None if name is None else tf.constant(TENSORS[name])
                for name in case["output_grads"]]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = DIFFERENTIABLE[case["op"]](case["attributes"], *inputs)
        total = tf.add_n([tf.reduce_sum(y * dy) for y, dy in zip(outputs, arriving)
                          if dy is not None])
    grads = tape.gradient(total, inputs)
    return [*outputs, *(grad for grad, name in zip(grads, case["grads"]) if name is not None)]


def main():
    with open(os.path.join(HERE, "ops.json"), encoding="utf-8") as file:
        cases = json.load(file)["cases"]
    checked, failed, skipped, worst = 0, 0, set(), (0.0, "")
    for case in cases:
        if case["op"] in OPTIMIZERS:
            if case["attributes"].get("convention") == "pytorch":
                continue
            results, wanted = optimizer_results(case), case["outputs"]
        elif case["op"] in DIFFERENTIABLE:
            results = differentiable_results(case)
            wanted = case["outputs"] + [name for name in case["grads"] if name is not None]
        else:
            skipped.add(case["op"])
            continue
        checked += 1
        for result, name in zip(results, wanted, strict=True):
            truth = TENSORS[name].astype(np.float64)
            error = np.abs(np.asarray(result) - truth).max() / max(np.abs(truth).max(), 1e-30)
            worst = max(worst, (error, name))
            if not error <= LOOSE.get(case["name"], TOLERANCE):
                failed += 1
                print(f"{name}: relative error {error:.2e}")
    print(f"{checked} of {len(cases)} cases checked, {failed} values too far off, worst "
          f"{worst[1]} {worst[0]:.1e}; not covered: {', '.join(sorted(skipped))}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
