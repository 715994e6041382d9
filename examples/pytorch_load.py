"""Loads a model file that weft wrote into a PyTorch nn.Sequential.

    pip install safetensors numpy torch
    python examples/pytorch_load.py runs/first/model.safetensors
    python examples/pytorch_load.py runs/first/model.safetensors t10k-images-idx3-ubyte t10k-labels-idx1-ubyte

With images and labels (IDX files, plain or .gz) it measures the network, too. Import `load` from here to use it.
"""

import gzip
import json
import sys

import numpy as np
import torch
from safetensors import safe_open
from torch import nn

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def load(path):
    """The network, which takes pixels times `told["pixel_scale"]` and gives logits, and what the file tells."""
    with safe_open(path, "pt") as file:
        told = json.loads(file.metadata()["weft"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    layers, number = [], 0
    for layer in told["architecture"]["layers"]:
        if layer["type"] == "flatten":
            layers.append(nn.Flatten())
        elif layer["type"] == "dense":
            number += 1
            weight, bias = (tensors[f"dense_{number}.{what}"] for what in ("weight", "bias"))
            dense = nn.Linear(weight.shape[1], weight.shape[0])
            dense.load_state_dict({"weight": weight, "bias": bias})
            layers.append(dense)
            # PyTorch's losses take logits, so the softmax at the end stays outside, as it does in weft.
            if layer["activation"] in ACTIVATIONS:
                layers.append(ACTIVATIONS[layer["activation"]]())
            elif layer["activation"] not in ("linear", "softmax"):
                raise ValueError(f"the activation {layer['activation']} is not known here")
        elif layer["type"] == "dropout":
            layers.append(nn.Dropout(layer["rate"]))
    return nn.Sequential(*layers).eval(), told


def read_idx(path):
    """An IDX file of bytes as an array."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        data = file.read()
    assert data[:3] == b"\0\0\x08", f"{path} is no IDX file of bytes"
    dims = np.frombuffer(data, ">u4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(dims)


def predict(network, told, images):
    """Probabilities of the classes for images of 0 to 255."""
    with torch.no_grad():
        scaled = torch.from_numpy(images.astype(np.float32)) * told["pixel_scale"]
        return network(scaled).softmax(1).numpy()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    network, told = load(sys.argv[1])
    print(network)
    print("classes:", ", ".join(told["class_names"]))
    if len(sys.argv) == 4:
        images, labels = read_idx(sys.argv[2]), read_idx(sys.argv[3])
        right = int((predict(network, told, images).argmax(1) == labels).sum())
        print(f"{right} of {len(labels)} images right, accuracy {right / len(labels):.4f}")
