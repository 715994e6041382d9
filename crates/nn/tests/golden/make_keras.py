"""Makes keras_adam.json: five steps of keras.optimizers.Adam on given gradients, in float32.

Keras adds eps to sqrt(v) before the bias correction, PyTorch after it (see adam_forms.py), so
gradients of magnitudes from 0.1 down to 1e-11 are in it: the small ones tell the two forms apart.
The first weight's gradient is always zero; it must stay where it is.

Run it with `python make_keras.py`. It needs keras and torch, its backend here.
"""

import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
import numpy as np
import torch

HERE = Path(__file__).resolve().parent
ADAM = {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
SIZE, STEPS = 12, 5


def digits(values: np.ndarray) -> list[float]:
    """The shortest decimals that read back as the same float32 values."""
    return [float(str(value)) for value in values]


def main() -> None:
    random = np.random.Generator(np.random.PCG64(3))
    start = random.uniform(-0.1, 0.1, SIZE).astype(np.float32)
    magnitudes = 10.0 ** -np.arange(SIZE)
    gradients = (random.standard_normal((STEPS, SIZE)) * magnitudes).astype(np.float32)
    gradients[:, 0] = 0

    weights = keras.Variable(start)
    adam = keras.optimizers.Adam(**ADAM)
    after = []
    for gradient in gradients:
        adam.apply([keras.ops.convert_to_tensor(gradient)], [weights])
        after.append(digits(keras.ops.convert_to_numpy(weights)))
    facts = {
        "made_by": {"keras": keras.__version__, "torch": torch.__version__, "numpy": np.__version__},
        "adam": ADAM,
        "start": digits(start),
        "gradients": [digits(gradient) for gradient in gradients],
        "weights": after,
    }
    (HERE / "keras_adam.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
