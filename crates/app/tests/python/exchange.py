"""What other programs make of weft's files, and weft of theirs: `cargo xtask test --python` runs this.

    exchange.py WEFT DATA FOLDER

WEFT is the program, DATA a folder with a data set (or `sample`), FOLDER an empty one to work in. For networks of
several shapes, the ONNX model passes ONNX's checker and gives, in onnxruntime, the class of every test image that weft
gives and its probabilities within 1e-5, whatever the number of images at once; Python's safetensors reads the weights,
and, where torch is installed, nn.Sequential agrees too and the way back (weft import) keeps every bit. Where weights learnt
behind one activation stand behind another, logits may be far larger than trained ones, and with them the roundings of
their sums, which every program adds in an order of its own: an image whose logits exceed 16 is allowed as much more.
"""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from safetensors import safe_open
from safetensors.numpy import save_file

ROOT = Path(__file__).resolve().parents[4]
WEFT, DATA, FOLDER = sys.argv[1], sys.argv[2], Path(sys.argv[3])
SET = ["--dataset", "sample"] if DATA == "sample" else ["--data", DATA]
# Of probabilities; five to ten times the ulp of logits up to 16.
WITHIN, LOGIT = 1e-5, 16
NETWORKS = {
    "tutorial": [],
    "deep": ["--hidden", "70,33,64"],
}


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky-relu": lambda x: np.where(x < 0, np.float32(0.01) * x, x),
    "gelu": lambda x: x * np.vectorize(lambda v: 0.5 * (1 + math.erf(v / math.sqrt(2))))(x),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "linear": lambda x: x,
}


def activation(told):
    """What follows the hidden layers."""
    return [layer for layer in told["architecture"]["layers"] if layer["type"] == "dense"][0]["activation"]


def weft(*args):
    done = subprocess.run([WEFT, *map(str, args)], check=True, capture_output=True, text=True)
    return done.stdout


def idx(path):
    data = Path(path).read_bytes()
    dims = np.frombuffer(data, ">u4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(dims)


def test_images():
    folder = ROOT / "data" / "sample" if DATA == "sample" else Path(DATA)
    return idx(folder / "t10k-images-idx3-ubyte")


def predictions(model):
    rows = map(json.loads, weft("predict", "--model", model, *SET, "--all", "--json").splitlines())
    return np.array([row["probabilities"] for row in rows], np.float32)


def logits(model, images, told):
    """The weights as Python's safetensors reads them, and the network in a few lines of NumPy."""
    with safe_open(model, "numpy") as file:
        layers = len(file.keys()) // 2
        get = lambda i, what: file.get_tensor(f"dense_{i}.{what}")
        x = images.reshape(len(images), -1).astype(np.float32) * np.float32(told["pixel_scale"])
        for i in range(1, layers + 1):
            x = x @ get(i, "weight").T + get(i, "bias")
            x = ACTIVATIONS[activation(told)](x) if i < layers else x
    return x


def assert_same(found, expected, what, z=0):
    assert found.shape == expected.shape, (what, found.shape, expected.shape)
    within = WITHIN * np.maximum(1, np.abs(z).max(-1) / LOGIT)
    # Where two probabilities are that close, either class may be the larger.
    behind = expected.max(1) - expected[np.arange(len(found)), found.argmax(1)]
    differ = np.flatnonzero(behind > within)
    assert differ.size == 0, f"{what}: other classes for images {differ[:10]}"
    apart = np.abs(found - expected).max(1)
    far = np.flatnonzero(~(apart <= within))
    assert far.size == 0, f"{what}: probabilities differ by up to {apart.max()}, for images {far[:10]}"
    print(f"{what}: {len(found)} images, the same classes, probabilities within {apart.max():.1e}")


def check_onnx(name, model, images, expected, told):
    z = logits(model, images, told)
    for pixels, dtype in (("u8", np.uint8), ("f32", np.float32)):
        path = FOLDER / f"{name}-{pixels}.onnx"
        weft("export", "--model", model, "--onnx", path, "--pixels", pixels)
        file = onnx.load(path)
        onnx.checker.check_model(file, full_check=True)
        props = {entry.key: entry.value for entry in file.metadata_props}
        assert json.loads(props["class_names"]) == told["class_names"], props
        assert props.get("data_hash") == told["data_hash"] and props["seed"] == str(told["seed"])
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (takes,) = session.get_inputs()
        assert takes.name == "pixels" and takes.shape == ["N", *images.shape[1:]], takes.shape
        run = lambda some: session.run(["probabilities"], {"pixels": some.astype(dtype)})[0]
        assert_same(run(images), expected, f"{name}, onnxruntime, {pixels}", z)
        for count in (1, 7):
            assert_same(run(images[:count]), expected[:count], f"{name}, {count} at once", z[:count])


def check_numpy(name, model, images, expected, told):
    z = logits(model, images, told)
    x = np.exp(z - z.max(1, keepdims=True))
    assert_same(x / x.sum(1, keepdims=True), expected, f"{name}, NumPy", z)


def check_import(name, model, told):
    """Out to the names that PyTorch gives, and back."""
    with safe_open(model, "numpy") as file:
        tensors = {n: file.get_tensor(n) for n in file.keys()}
    state = {f"net.{2 * int(n.split('.')[0][6:]) - 1}.{n.split('.')[1]}": t for n, t in tensors.items()}
    path, back = FOLDER / f"{name}.state.safetensors", FOLDER / f"{name}-back.safetensors"
    save_file(state, path)
    weft("import", path, "--out", back, "--activation", activation(told))
    with safe_open(back, "numpy") as file:
        assert sorted(file.keys()) == sorted(tensors)
        for n, tensor in tensors.items():
            assert np.array_equal(file.get_tensor(n).view(np.uint32), tensor.view(np.uint32)), n
        again = json.loads(file.metadata()["weft"])
    # Dropout leaves no trace in the tensors, and none in predictions.
    layers = [layer for layer in told["architecture"]["layers"] if layer["type"] != "dropout"]
    assert again["architecture"] == {**told["architecture"], "layers": layers}, again
    print(f"{name}, imported again: every bit is the same")


def check_activation(name, model, other, images, told):
    """The same weights with another activation."""
    path, back, names = (FOLDER / f"{name}.{what}" for what in ("state.safetensors", other, "names"))
    names.write_text("\n".join(told["class_names"]))
    weft("import", path, "--out", back, "--activation", other, "--classes", names)
    with safe_open(back, "numpy") as file:
        told = json.loads(file.metadata()["weft"])
    expected = predictions(back)
    check_onnx(f"{name}-{other}", back, images, expected, told)
    check_numpy(f"{name}-{other}", back, images, expected, told)


def check_torch(name, model, images, expected):
    sys.path.insert(0, str(ROOT / "examples"))
    import pytorch_export
    import pytorch_load
    import torch

    network, told = pytorch_load.load(model)
    assert_same(pytorch_load.predict(network, told, images), expected, f"{name}, PyTorch")
    path, back = FOLDER / f"{name}.torch.safetensors", FOLDER / f"{name}-torch.safetensors"
    command = pytorch_export.export(network, str(path)).split()
    assert command[:2] == ["weft", "import"], command
    weft("import", path, "--out", back, *command[command.index("--out") + 2 :])
    assert_same(predictions(back), expected, f"{name}, from PyTorch")
    # A network that PyTorch made, with inputs normalised as torchvision does.
    torch.manual_seed(1)
    linear = torch.nn.Linear
    other = torch.nn.Sequential(torch.nn.Flatten(), linear(images[0].size, 20), torch.nn.ReLU(), linear(20, 10))
    pytorch_export.export(other, str(path))
    weft("import", path, "--out", back, "--force", "--mean", 0.2860, "--std", 0.3530)
    with torch.no_grad():
        x = (torch.from_numpy(images.astype(np.float32)) / 255 - 0.2860) / 0.3530
        assert_same(predictions(back), other(x).softmax(1).numpy(), f"{name}, normalised in PyTorch")


def main():
    images = test_images()
    for name, options in NETWORKS.items():
        run = FOLDER / name
        weft("train", *SET, "--no-plots", "--epochs", 1, "--quiet", "--out", run, *options)
        model = run / "model.safetensors"
        expected = predictions(model)
        with safe_open(model, "numpy") as file:
            told = json.loads(file.metadata()["weft"])
        check_onnx(name, model, images, expected, told)
        check_numpy(name, model, images, expected, told)
        check_import(name, model, told)
        for other in ACTIVATIONS:
            check_activation(name, model, other, images, told)
        try:
            import torch  # noqa: F401
        except ImportError:
            print(f"{name}: PyTorch is not installed, so not asked")
        else:
            check_torch(name, model, images, expected)


main()
