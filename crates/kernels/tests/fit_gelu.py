"""The polynomial of src/ops/gelu.rs: prints its coefficients, highest power first, and their error.

Φ(-t) e^(t²/2) (t + 3.5) of 0 <= t <= 14.5, in u = (t - 3.5) / (t + 3.5), of which it is smooth; least squares
of the relative error, reweighted towards the least largest one (C. L. Lawson, 1961). Beyond 14.5 e^(-t²/2) is
zero in f32. Needs numpy and mpmath.
"""

import numpy as np
from mpmath import erfc, exp, mp, mpf, sqrt

K, DEGREE, LARGEST = 3.5, 9, 14.5


def wanted(t: float) -> float:
    t = mpf(t)
    return float(erfc(t / sqrt(2)) * exp(t * t / 2) / 2 * (t + mpf(K)))


def fit() -> np.ndarray:
    end, n = (LARGEST - K) / (LARGEST + K), 400
    points = np.cos((np.arange(n) + 0.5) * np.pi / n)  # Chebyshev's, in -1..1
    u = (points + 1) / 2 * (end + 1) - 1
    y = np.array([wanted(K * (1 + x) / (1 - x)) for x in u])
    powers = np.polynomial.chebyshev.chebvander(points, DEGREE)
    weights = np.ones(n)
    for _ in range(60):
        by = np.sqrt(weights)
        c, *_ = np.linalg.lstsq(powers * (by / y)[:, None], by, rcond=None)
        weights *= np.abs(powers @ c / y - 1)
        weights /= weights.sum()
    series = np.polynomial.chebyshev.Chebyshev(c, domain=[-1, end])
    return series.convert(kind=np.polynomial.Polynomial).coef.astype(np.float32)


if __name__ == "__main__":
    mp.dps = 40
    coefficients = fit()
    print(", ".join(str(c) for c in coefficients[::-1]))
    t = np.linspace(0, LARGEST, 4001)
    found = np.polyval(coefficients[::-1].astype(float), (t - K) / (t + K))
    print(f"{max(abs(f / wanted(x) - 1) for f, x in zip(found, t)) * 2**24:.2f} · 2^-24")
