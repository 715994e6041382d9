"""Makes metrics.json: what scikit-learn says about random probabilities and labels.

Seven classes, of which one neither occurs nor is predicted, one occurs and is never predicted, and one is predicted
and never occurs: ratios of zero denominators are zero (zero_division=0), and the first is left out of the macro
average. The expected calibration error is the mean of scikit-learn's calibration curve, weighted by the size of
each bin. No two probabilities of an example are equal, so it does not matter which of equal ones comes first.

Run it with `python make_metrics.py`. It needs numpy and scikit-learn.
"""

import json
from pathlib import Path

import numpy as np
from sklearn import __version__
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

HERE = Path(__file__).resolve().parent
EXAMPLES, CLASSES, BINS = 400, 7, 15
NOWHERE, UNPREDICTED, ABSENT = 3, 5, 6


def digits(values: np.ndarray) -> list[float]:
    """The shortest decimals that read back as the same float32 values."""
    return [float(str(value)) for value in values.ravel()]


def main() -> None:
    random = np.random.Generator(np.random.PCG64(5))
    labels = random.choice([0, 1, 2, 4, UNPREDICTED], EXAMPLES, p=[0.35, 0.3, 0.2, 0.1, 0.05])
    probabilities = random.dirichlet(np.full(CLASSES, 0.5), EXAMPLES)
    probabilities[np.arange(EXAMPLES), labels] += random.exponential(0.4, EXAMPLES)
    probabilities[:, [NOWHERE, UNPREDICTED]] *= 1e-3
    probabilities = (probabilities / probabilities.sum(1, keepdims=True)).astype(np.float32)
    assert all(len(set(row)) == CLASSES for row in probabilities)

    predicted = probabilities.argmax(1)
    assert ABSENT in predicted and not {NOWHERE, UNPREDICTED} & set(predicted)
    everything = list(range(CLASSES))

    def scores(average, names=None):
        return precision_recall_fscore_support(
            labels, predicted, labels=names, average=average, zero_division=0
        )

    confidence = probabilities.max(1).astype(np.float64)
    right = predicted == labels
    accuracies, confidences = calibration_curve(right, confidence, n_bins=BINS, strategy="uniform")
    sizes = np.histogram(confidence, np.linspace(0, 1, BINS + 1))[0]
    error = np.average(np.abs(accuracies - confidences), weights=sizes[sizes > 0])
    rows = probabilities.astype(np.float64)
    losses = -np.log(rows[np.arange(EXAMPLES), labels])

    result = {
        "made_by": f"make_metrics.py, scikit-learn {__version__}, numpy {np.__version__}",
        "classes": CLASSES,
        "labels": labels.tolist(),
        "probabilities": digits(probabilities),
        "accuracy": accuracy_score(labels, predicted),
        "confusion": confusion_matrix(labels, predicted, labels=everything).tolist(),
        "precision_recall_f1_support": [s.tolist() for s in scores(None, everything)],
        "macro": [float(v) for v in scores("macro")[:3]],
        "weighted": [float(v) for v in scores("weighted")[:3]],
        "top": [
            top_k_accuracy_score(labels, rows, k=k, labels=everything) for k in range(1, CLASSES)
        ],
        "mean_loss": float(losses.mean()),
        "log_loss": log_loss(labels, rows / rows.sum(1, keepdims=True), labels=everything),
        "bins": BINS,
        "bin_sizes": sizes.tolist(),
        "bin_accuracies": accuracies.tolist(),
        "bin_confidences": confidences.tolist(),
        "expected_calibration_error": float(error),
    }
    (HERE / "metrics.json").write_text(json.dumps(result) + "\n")
    print("accuracy", result["accuracy"], "calibration error", error)


if __name__ == "__main__":
    main()
