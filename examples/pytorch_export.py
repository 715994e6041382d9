"""Saves a PyTorch nn.Sequential of Linear layers, and says how weft imports it.

    pip install safetensors torch
    python examples/pytorch_export.py net.safetensors
    weft import net.safetensors --out net --activation relu --input 28x28

Import `export` from here to save a network of your own; what stands at the end of this file is an example, a network
that is not trained.
"""

import sys

from safetensors.torch import save_file
from torch import nn

ACTIVATIONS = {
    nn.ReLU: "relu",
    nn.LeakyReLU: "leaky-relu",
    nn.GELU: "gelu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.Identity: "linear",
}
WITHOUT_EFFECT = (nn.Flatten, nn.Dropout, nn.Softmax, nn.LogSoftmax)


def export(network, path):
    """Saves the tensors; returns the command line that makes a model file of them."""
    activations = []
    linear = False
    for module in network:
        if isinstance(module, nn.Linear):
            if linear:
                activations.append("linear")
            linear = True
        elif isinstance(module, nn.LeakyReLU) and module.negative_slope != 0.01:
            raise ValueError("weft's leaky ReLU has a slope of 0.01")
        elif isinstance(module, nn.GELU) and module.approximate != "none":
            raise ValueError("weft's GELU is the exact one")
        elif type(module) in ACTIVATIONS and linear:
            activations.append(ACTIVATIONS[type(module)])
            linear = False
        elif not isinstance(module, WITHOUT_EFFECT):
            raise ValueError(f"{module} has no counterpart in weft")
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, path)
    named = f" --activation {','.join(activations)}" if activations else ""
    return f"weft import {path} --out model.safetensors{named}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    example = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10)
    )
    print(export(example, sys.argv[1]))
