"""Compares the forms of Adam in use, and checks the stored traces without PyTorch.

All forms share  m += (g - m)(1 - b1),  v += (g² - v)(1 - b2),  and then, at step t, with
c1 = 1 - b1^t and c2 = sqrt(1 - b2^t):

    pytorch   w -= lr / c1 · m / (sqrt(v) / c2 + eps)       eps beside the corrected sqrt(v)
    keras     w -= lr · c2 / c1 · m / (sqrt(v) + eps)       eps beside the plain sqrt(v)
    scaled    w -= lr · c2 / c1 · m / (sqrt(v) + eps · c2)  PyTorch's, with the work of Keras'

`scaled` is `pytorch` with numerator and denominator multiplied by c2. Keras' eps acts as PyTorch's
eps / c2: 32 times larger at step 1, 3 times at step 100. Weights with gradients as small as that
take shorter steps.

The nets and their gradients are written out by hand in float64, so that agreement with the losses
in trace.json checks PyTorch's run and this one against each other.

Run it with `python adam_forms.py`. It needs numpy and safetensors, and the files of make_trace.py.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

HERE = Path(__file__).resolve().parent
SAMPLE = HERE.parents[3] / "data" / "sample"

FORMS = {
    "pytorch": lambda m, v, lr, eps, c1, c2: lr / c1 * m / (np.sqrt(v) / c2 + eps),
    "keras": lambda m, v, lr, eps, c1, c2: lr * c2 / c1 * m / (np.sqrt(v) + eps),
    "scaled": lambda m, v, lr, eps, c1, c2: lr * c2 / c1 * m / (np.sqrt(v) + eps * c2),
}


def loss_and_gradients(weights: list[np.ndarray], pixels: np.ndarray, classes: np.ndarray):
    """Mean cross-entropy of a net of dense layers, ReLU between them, and its gradients."""
    inputs = [pixels]
    for weight, bias in zip(weights[0::2], weights[1::2]):
        logits = inputs[-1] @ weight.T + bias
        inputs.append(np.maximum(logits, 0))
    rows = np.arange(len(classes))
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    delta = np.exp(log_p)
    delta[rows, classes] -= 1
    delta /= len(classes)
    gradients = []
    for weight, x in zip(weights[-2::-2], inputs[-2::-1]):
        gradients[:0] = delta.T @ x, delta.sum(axis=0)
        delta = delta @ weight * (x > 0)
    return -log_p[rows, classes].mean(), gradients


def train(form, start: dict[str, np.ndarray], pixels, classes, settings: dict):
    """The losses and the final weights of a run with one form of Adam."""
    lr, (b1, b2), eps = (settings["adam"][key] for key in ("lr", "betas", "eps"))
    weights = [value.astype(np.float64) for value in start.values()]
    state = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    starts = range(0, len(pixels), settings["batch_size"])
    losses = []
    for t in range(1, settings["steps"] + 1):
        at = starts[(t - 1) % len(starts)]
        batch = slice(at, at + settings["batch_size"])
        loss, gradients = loss_and_gradients(weights, pixels[batch], classes[batch])
        losses.append(loss)
        for w, (m, v), g in zip(weights, state, gradients):
            m += (g - m) * (1 - b1)
            v += (g * g - v) * (1 - b2)
            w -= form(m, v, lr, eps, 1 - b1**t, np.sqrt(1 - b2**t))
    return np.array(losses), dict(zip(start, weights))


def load_weights(path: Path) -> dict[str, np.ndarray]:
    """dense_1.weight, dense_1.bias, dense_2.weight ... in this order, whatever the file's is."""
    tensors = load_file(path)
    layers = range(1, len(tensors) // 2 + 1)
    names = [f"dense_{i}.{part}" for i in layers for part in ("weight", "bias")]
    return {name: tensors[name] for name in names}


def report(title: str, run, reference) -> None:
    """Of the losses: the largest relative difference. Of each tensor: the largest difference by its
    largest entry, and the norm of the difference by its norm."""
    (losses, weights), (expected_losses, expected) = run, reference
    print(f"  {title}\n    {'losses':14}  {np.abs(losses / expected_losses - 1).max():.1e}")
    for name, w in expected.items():
        apart = weights[name] - w
        largest = np.abs(apart).max() / np.abs(w).max()
        print(f"    {name:14}  {largest:.1e}  norm {np.linalg.norm(apart) / np.linalg.norm(w):.1e}")


def compare(prefix: str) -> None:
    facts = json.loads((HERE / f"{prefix}trace.json").read_text())
    start = load_weights(HERE / f"{prefix}init.safetensors")
    images = np.fromfile(SAMPLE / facts["data"]["images"], np.uint8, offset=16)
    classes = np.fromfile(SAMPLE / facts["data"]["labels"], np.uint8, offset=8)
    pixels = images.reshape(len(classes), -1) / 255
    runs = {name: train(form, start, pixels, classes, facts["settings"]) for name, form in FORMS.items()}

    print(f"{prefix}trace.json")
    exact_losses = np.array(facts["losses"]["f64"])
    report("pytorch form against PyTorch, float64 (losses only)", runs["pytorch"], (exact_losses, {}))
    stored = np.array(facts["losses"]["f32"]), load_weights(HERE / f"{prefix}final.safetensors")
    report("pytorch form, float64, against PyTorch, float32", runs["pytorch"], stored)
    for name in ("scaled", "keras"):
        report(f"{name} form against pytorch form, both float64", runs[name], runs["pytorch"])


if __name__ == "__main__":
    for each in ("", "deep_"):
        compare(each)
