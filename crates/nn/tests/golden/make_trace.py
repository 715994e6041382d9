"""Makes the golden training traces of this folder with PyTorch.

Two small nets are trained from stored initial weights on the sample of Fashion-MNIST that is in
this repository. What PyTorch computes on the way is the reference for the tests of `nn`:

    {prefix}init.safetensors    weights before the first step
    {prefix}final.safetensors   weights after the last step, float32 run
    {prefix}trace.json          settings, versions, every loss, step 1 in detail

    prefix    net                     batch   steps   initial biases
    (none)    784-128-10              32      100     zero
    deep_     784-64-48-10            50      20      uniform in [-0.1, 0.1)

Samples are taken in file order, without shuffling, epoch after epoch; where the batch size does not
divide the number of samples, the short last batch of an epoch is a step as well. Every run is done
twice, in float32 and in float64 from the same float32 weights: how far the two are apart is what
rounding alone does.

The seeds of the initial weights are chosen, not arbitrary. Where the input of a ReLU is so near zero
that rounding decides its sign, two correct float32 runs part for good: with seed 30, PyTorch with
AVX2 and PyTorch with AVX-512 end 4 % of the largest weight apart. The seeds here are those of 1 to 40
that keep furthest from zero (`relu_margin` in the traces); there the two are 1e-5 apart at most.

Adam here is PyTorch's. Keras' form with the same eps moves a loss of the first 100 steps by up to
3.6 % and dense_1.bias by 8.5 % of its norm, so one trace can't serve both; PyTorch's form is Keras'
with eps · sqrt(1 - beta2^t) in the place of eps, to 1e-15. adam_forms.py explains and measures this.

Run it with `python make_trace.py`. It needs torch, numpy and safetensors, no GPU and no network.
The versions that made the stored files are in the traces under `made_by`. Running it again on another
CPU or version may move the last digits, since the order of summation is not fixed.
"""

import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import safetensors
import torch
from safetensors.numpy import save_file

HERE = Path(__file__).resolve().parent
SAMPLE = HERE.parents[3] / "data" / "sample"
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
ADAM = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-7, "weight_decay": 0.0}


@dataclass(frozen=True)
class Trace:
    prefix: str
    widths: tuple[int, ...]
    batch_size: int
    steps: int
    seed: int
    bias_limit: float


TRACES = (
    Trace("", (784, 128, 10), batch_size=32, steps=100, seed=21, bias_limit=0.0),
    Trace("deep_", (784, 64, 48, 10), batch_size=50, steps=20, seed=10, bias_limit=0.1),
)


def read_idx(path: Path) -> np.ndarray:
    """Unsigned bytes of an IDX file: magic 00 00 08 n, n big-endian u32 sizes, the data."""
    raw = path.read_bytes()
    assert raw[:3] == b"\0\0\x08", f"{path}: not an IDX file of unsigned bytes"
    sizes = np.frombuffer(raw, ">u4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(sizes)


@dataclass
class Run:
    losses: np.ndarray  # one for each step
    logits: np.ndarray  # of step 1
    gradients: dict[str, np.ndarray]  # of step 1
    final: dict[str, np.ndarray]
    relu_margin: float  # smallest magnitude of any ReLU input in any step


def batches(trace: Trace, count: int):
    """One slice of the samples for each step, in file order; none reaches over an epoch's end."""
    starts = range(0, count, trace.batch_size)
    for step in range(trace.steps):
        start = starts[step % len(starts)]
        yield slice(start, min(start + trace.batch_size, count))


def initial_weights(trace: Trace) -> dict[str, np.ndarray]:
    """Glorot-uniform weights [out, in] and uniform biases [out], float32."""
    random = np.random.Generator(np.random.PCG64(trace.seed))
    weights = {}
    for i, (fan_in, fan_out) in enumerate(zip(trace.widths, trace.widths[1:]), start=1):
        limit = np.sqrt(6.0 / (fan_in + fan_out))
        weights[f"dense_{i}.weight"] = random.uniform(-limit, limit, (fan_out, fan_in))
        weights[f"dense_{i}.bias"] = random.uniform(-trace.bias_limit, trace.bias_limit, fan_out)
    return {name: value.astype(np.float32) for name, value in weights.items()}


def network(weights: dict[str, np.ndarray], dtype: torch.dtype) -> torch.nn.Sequential:
    """Flatten, then Linear layers with ReLU between them; the last one gives logits."""
    layers = [torch.nn.Flatten()]
    for name in (n for n in weights if n.endswith(".weight")):
        fan_out, fan_in = weights[name].shape
        layers += [torch.nn.Linear(fan_in, fan_out, dtype=dtype), torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), weights.values(), strict=True):
            parameter.copy_(torch.from_numpy(value))
    return net


def train(trace: Trace, images: np.ndarray, labels: np.ndarray, dtype: torch.dtype) -> Run:
    weights = initial_weights(trace)
    net = network(weights, dtype)
    adam = torch.optim.Adam(net.parameters(), **ADAM)
    pixels = torch.from_numpy(images.copy()).to(dtype) / 255
    classes = torch.from_numpy(labels.astype(np.int64))

    margins = []

    def note_margin(_, inputs):
        margins.append(float(inputs[0].detach().abs().min()))

    for layer in net:
        if isinstance(layer, torch.nn.ReLU):
            layer.register_forward_pre_hook(note_margin)

    losses, first = [], None
    for batch in batches(trace, len(images)):
        adam.zero_grad()
        logits = net(pixels[batch])
        loss = torch.nn.functional.cross_entropy(logits, classes[batch])
        loss.backward()
        if first is None:
            first = logits.detach().numpy(), [p.grad.numpy().copy() for p in net.parameters()]
        adam.step()
        losses.append(loss.detach().numpy())

    return Run(
        losses=np.array(losses),
        logits=first[0],
        gradients=dict(zip(weights, first[1])),
        final={name: p.detach().numpy() for name, p in zip(weights, net.parameters())},
        relu_margin=min(margins),
    )


def digits(values: np.ndarray) -> list:
    """The shortest decimals that read back as the same numbers in the values' own precision."""
    if values.ndim > 1:
        return [digits(row) for row in values]
    return [float(str(value)) for value in values]


def gradient_facts(gradient: np.ndarray) -> dict:
    """Enough of a gradient to find a wrong one: its norm, its first and its largest entries."""
    flat = gradient.reshape(-1)  # row-major, so entry [o, i] of a weight is at o * fan_in + i
    largest = np.argsort(-np.abs(flat), kind="stable")[:8]
    return {
        "l2": float(np.linalg.norm(flat.astype(np.float64))),
        "first": digits(flat[:8]),
        "largest": {"index": largest.tolist(), "value": digits(flat[largest])},
    }


def relative(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference, relative to the largest magnitude."""
    return float(np.abs(a.astype(np.float64) - b).max() / np.abs(b).max())


def made_by() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "safetensors": safetensors.__version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }


def make(trace: Trace, images: np.ndarray, labels: np.ndarray) -> None:
    run = train(trace, images, labels, torch.float32)
    exact = train(trace, images, labels, torch.float64)
    assert exact.relu_margin > 5e-6, f"{trace}: rounding may switch a ReLU; choose another seed"
    facts = {
        "made_by": made_by(),
        "data": {
            "images": IMAGES,
            "labels": LABELS,
            "count": len(images),
            "images_sha256": hashlib.sha256((SAMPLE / IMAGES).read_bytes()).hexdigest(),
            "labels_sha256": hashlib.sha256((SAMPLE / LABELS).read_bytes()).hexdigest(),
        },
        "settings": asdict(trace) | {"adam": ADAM},
        "relu_margin": exact.relu_margin,
        "losses": {"f32": digits(run.losses), "f64": digits(exact.losses)},
        "step_1": {
            "logits": digits(run.logits[:4]),
            "gradients": {name: gradient_facts(g) for name, g in run.gradients.items()},
        },
    }
    save_file(initial_weights(trace), HERE / f"{trace.prefix}init.safetensors")
    save_file(run.final, HERE / f"{trace.prefix}final.safetensors")
    (HERE / f"{trace.prefix}trace.json").write_text(json.dumps(facts, indent=1) + "\n")

    print(f"{trace.prefix}trace.json: loss {run.losses[0]:.6f} to {run.losses[-1]:.6f}")
    print(f"  ReLU margin {exact.relu_margin:.1e}; float32 against float64:")
    print(f"  {'losses':14} {np.abs(run.losses / exact.losses - 1).max():.1e}")
    for name in run.final:
        print(f"  {name:14} {relative(run.final[name], exact.final[name]):.1e}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    samples = read_idx(SAMPLE / IMAGES), read_idx(SAMPLE / LABELS)
    for each in TRACES:
        make(each, *samples)
