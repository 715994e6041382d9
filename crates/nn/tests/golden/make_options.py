"""Makes options.json: what PyTorch computes with each optimiser, activation and form of the loss.

Every case trains 784-64-48-10 from `deep_init.safetensors` on the sample of Fashion-MNIST, 20 steps of 50
examples in file order, in float32 and once more in float64, and keeps the losses and enough of the final
parameters to find a wrong one (norm, first and largest entries of each). Hidden layers are tanh where the
case is not about the activation: a smooth function has no kink at which two correct runs could part.

Definitions that differ between frameworks:

- `gelu` is x Φ(x) with the error function, PyTorch's default; `leaky-relu` has PyTorch's slope of 0.01.
- Class weights have Keras' meaning: the loss of a batch is the sum of w[class] · loss over its examples,
  divided by the number of examples. PyTorch's own `weight` divides by the sum of the weights instead, so the
  losses are taken with `reduction="none"` and averaged here.
- Weight decay is over all parameters, biases too, as when PyTorch's optimisers get `net.parameters()`.
- Clipping is `torch.nn.utils.clip_grad_norm_`; the losses of a case with it are those before the step.

Run it with `python make_options.py`, after make_trace.py. It needs torch, numpy and safetensors.
"""

import json
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from safetensors.numpy import load_file

from make_trace import (
    HERE, IMAGES, LABELS, SAMPLE, Trace, batches, digits, gradient_facts, made_by, read_idx
)

STEPS, BATCH = 20, 50
ADAM = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-7}
WEIGHTS = [0.5, 2.0, 1.0, 1.5, 0.0, 1.0, 3.0, 0.25, 1.0, 1.0]
ACTIVATIONS = {
    "relu": torch.nn.ReLU,
    "leaky-relu": torch.nn.LeakyReLU,
    "gelu": torch.nn.GELU,
    "tanh": torch.nn.Tanh,
    "sigmoid": torch.nn.Sigmoid,
}


@dataclass(frozen=True)
class Case:
    name: str
    activation: str = "tanh"
    optimizer: str = "adam"
    settings: dict = field(default_factory=lambda: dict(ADAM))
    label_smoothing: float = 0.0
    class_weights: bool = False
    clip_norm: float | None = None


CASES = (
    Case("leaky-relu", activation="leaky-relu"),
    Case("gelu", activation="gelu"),
    Case("tanh"),
    Case("sigmoid", activation="sigmoid"),
    Case("adamw", optimizer="adamw", settings=ADAM | {"weight_decay": 5.0}),
    Case("sgd", optimizer="sgd", settings={"lr": 0.1}),
    Case("sgd, decay", optimizer="sgd", settings={"lr": 0.1, "weight_decay": 0.05}),
    Case("momentum", optimizer="sgd", settings={"lr": 0.05, "momentum": 0.9}),
    Case(
        "nesterov, decay",
        optimizer="sgd",
        settings={"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    ),
    Case("label smoothing", label_smoothing=0.1),
    Case("class weights", class_weights=True),
    Case("smoothing and weights", activation="gelu", label_smoothing=0.2, class_weights=True),
    Case("clipped", clip_norm=1.8, optimizer="sgd", settings={"lr": 0.3, "momentum": 0.9}),
    Case("clipped adam", clip_norm=0.5),
    Case(
        "all at once",
        activation="gelu",
        optimizer="adamw",
        settings=ADAM | {"weight_decay": 1.0},
        label_smoothing=0.1,
        class_weights=True,
        clip_norm=1.0,
    ),
)


def optimizer(case: Case, parameters) -> torch.optim.Optimizer:
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    return kinds[case.optimizer](parameters, **case.settings)


def train(case: Case, images: np.ndarray, labels: np.ndarray, dtype: torch.dtype):
    """Losses, norms of the gradient before clipping, final parameters, and the margin of the kinks."""
    weights = load_file(HERE / "deep_init.safetensors")
    count = len(weights) // 2
    layers, margins = [torch.nn.Flatten()], []
    for i in range(1, count + 1):
        units, inputs = weights[f"dense_{i}.weight"].shape
        layers.append(torch.nn.Linear(inputs, units, dtype=dtype))
        with torch.no_grad():
            layers[-1].weight.copy_(torch.from_numpy(weights[f"dense_{i}.weight"]))
            layers[-1].bias.copy_(torch.from_numpy(weights[f"dense_{i}.bias"]))
        if i < count:
            layers.append(ACTIVATIONS[case.activation]())
            layers[-1].register_forward_pre_hook(
                lambda _, z: margins.append(float(z[0].detach().abs().min()))
            )
    net = torch.nn.Sequential(*layers)
    step = optimizer(case, net.parameters())
    pixels = torch.from_numpy(images.copy()).to(dtype) / 255
    classes = torch.from_numpy(labels.astype(np.int64))
    of_class = torch.tensor(WEIGHTS if case.class_weights else [1.0] * 10, dtype=dtype)

    losses, norms = [], []
    for batch in batches(Trace("", (), BATCH, STEPS, 0, 0.0), len(images)):
        step.zero_grad()
        each = torch.nn.functional.cross_entropy(
            net(pixels[batch]), classes[batch], reduction="none", label_smoothing=case.label_smoothing
        )
        loss = (each * of_class[classes[batch]]).mean()
        loss.backward()
        limit = float("inf") if case.clip_norm is None else case.clip_norm
        norms.append(float(torch.nn.utils.clip_grad_norm_(net.parameters(), limit)))
        step.step()
        losses.append(loss.detach().numpy())
    names = [f"dense_{i}.{what}" for i in range(1, count + 1) for what in ("weight", "bias")]
    final = {name: p.detach().numpy() for name, p in zip(names, net.parameters(), strict=True)}
    return np.array(losses), norms, final, min(margins)


def make() -> None:
    images, labels = read_idx(SAMPLE / IMAGES), read_idx(SAMPLE / LABELS)
    made = []
    for case in CASES:
        losses, norms, final, _ = train(case, images, labels, torch.float32)
        exact, _, exact_final, margin = train(case, images, labels, torch.float64)
        if case.activation == "leaky-relu":
            assert margin > 5e-6, f"{case.name}: rounding may switch a unit"
        if case.clip_norm is not None:
            clipped = sum(norm > case.clip_norm for norm in norms)
            assert 0 < clipped, f"{case.name}: nothing is clipped"
        apart = max(float(np.abs(final[n] - exact_final[n]).max() / np.abs(exact_final[n]).max()) for n in final)
        print(f"{case.name:22} loss {losses[0]:.4f} to {losses[-1]:.4f}, norms {min(norms):.2f} to "
              f"{max(norms):.2f}, kink {margin:.0e}, f32 and f64 {apart:.0e} apart")
        made.append(
            asdict(case)
            | {"losses": {"f32": digits(losses), "f64": digits(exact)}, "norm_1": norms[0]}
            | {"final": {name: gradient_facts(value) for name, value in exact_final.items()}}
        )
    record = {"made_by": made_by(), "steps": STEPS, "batch_size": BATCH, "class_weights": WEIGHTS, "cases": made}
    # A line for each case.
    cases = ",\n".join(json.dumps(case) for case in record.pop("cases"))
    text = json.dumps(record)[:-1] + ', "cases": [\n' + cases + "\n]}\n"
    (HERE / "options.json").write_text(text)


if __name__ == "__main__":
    torch.set_num_threads(1)
    make()
