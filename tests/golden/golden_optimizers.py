"""The optimizer cases of make_golden.py: steps from a given state, both epsilon conventions."""
import numpy as np
import torch


def torch_steps(make, param, grads, state_names):
    """The parameters after every step of one of torch.optim's optimizers, and its state."""
    leaf = param.clone().requires_grad_(True)
    optimizer = make([leaf])
    params = []
    for grad in grads:
        leaf.grad = grad.clone()
        optimizer.step()
        params.append(leaf.detach().clone())
    state = optimizer.state[leaf]
    return {"params": torch.stack(params),
            **{"new_" + ours: state[theirs].clone() for ours, theirs in state_names.items()}}


def adam_tensorflow(param, grads, m, v, lr, beta1, beta2, epsilon):
    params = []
    for t, g in enumerate(grads, 1):
        m, v = m + (1 - beta1) * (g - m), v + (1 - beta2) * (g * g - v)
        step = lr * (1 - beta2 ** t) ** 0.5 / (1 - beta1 ** t)
        param = param - step * m / (torch.sqrt(v) + epsilon)
        params.append(param)
    return {"params": torch.stack(params), "new_m": m, "new_v": v}


def rmsprop_tensorflow(param, grads, mean_square, velocity, lr, decay, momentum, epsilon):
    params = []
    for g in grads:
        mean_square = decay * mean_square + (1 - decay) * g * g
        velocity = momentum * velocity + lr * g / torch.sqrt(mean_square + epsilon)
        param = param - velocity
        params.append(param)
    return {"params": torch.stack(params), "new_mean_square": mean_square,
            "new_velocity": velocity}


def add_optimizers(record, normal):
    """Gradients of very different sizes, some tiny, some zero: there the epsilons differ."""
    sizes = np.array([1, 1, 1, 0.1, 1e-2, 1e-4, 1e-6, 1e-7, 1e-8, 1e-10, 0, 30], np.float32)
    n, steps = sizes.size, 4
    param = normal("optimizers", "param", n)
    grads = normal("optimizers", "grads", steps, n) * sizes
    zeros, ones = np.zeros(n, np.float32), np.ones(n, np.float32)

    adams = {"gan": (2e-4, 0.5, 0.999), "usual": (1e-3, 0.9, 0.999)}
    for variant, (lr, beta1, beta2) in adams.items():
        settings = dict(lr=lr, beta1=beta1, beta2=beta2, epsilon=1e-8)
        inputs = {"param": param, "grads": grads, "m": zeros, "v": zeros}
        record("adam", variant + "_tensorflow",
               {**settings, "convention": "tensorflow", "steps": steps}, inputs,
               lambda param, grads, m, v: adam_tensorflow(param, grads, m, v, **settings),
               constant=inputs)
        record("adam", variant + "_pytorch",
               {**settings, "convention": "pytorch", "steps": steps}, inputs,
               lambda param, grads, m, v: torch_steps(
                   lambda p: torch.optim.Adam(p, lr, (beta1, beta2), 1e-8), param, grads,
                   {"m": "exp_avg", "v": "exp_avg_sq"}), constant=inputs)

    for variant, (momentum, nesterov) in {"momentum": (0.9, False),
                                          "nesterov": (0.9, True)}.items():
        inputs = {"param": param, "grads": grads, "velocity": zeros}
        record("sgd", variant,
               {"lr": 0.05, "momentum": momentum, "nesterov": nesterov, "steps": steps}, inputs,
               lambda param, grads, velocity: torch_steps(
                   lambda p: torch.optim.SGD(p, 0.05, momentum, nesterov=nesterov), param, grads,
                   {"velocity": "momentum_buffer"}), constant=inputs)
    inputs = {"param": param, "grads": grads}
    record("sgd", "plain", {"lr": 0.05, "momentum": 0.0, "nesterov": False, "steps": steps}, inputs,
           lambda param, grads: torch_steps(lambda p: torch.optim.SGD(p, 0.05), param, grads, {}),
           constant=inputs)

    for momentum in (0.0, 0.9):
        settings = dict(lr=1e-3, decay=0.9, momentum=momentum, epsilon=1e-8)
        tag = "_momentum" if momentum else ""
        # TensorFlow 1 starts the mean square at one, Keras and PyTorch at zero.
        inputs = {"param": param, "grads": grads, "mean_square": ones, "velocity": zeros}
        record("rmsprop", "tensorflow" + tag,
               {**settings, "convention": "tensorflow", "steps": steps}, inputs,
               lambda param, grads, mean_square, velocity: rmsprop_tensorflow(
                   param, grads, mean_square, velocity, **settings), constant=inputs)
        names = {"mean_square": "square_avg"}
        names |= {"velocity": "momentum_buffer"} if momentum else {}
        inputs = {"param": param, "grads": grads, "mean_square": zeros}
        inputs |= {"velocity": zeros} if momentum else {}
        record("rmsprop", "pytorch" + tag,
               {**settings, "convention": "pytorch", "steps": steps}, inputs,
               lambda param, grads, **state: torch_steps(
                   lambda p: torch.optim.RMSprop(p, 1e-3, 0.9, 1e-8, momentum=momentum), param,
                   grads, names), constant=inputs)
