"""Float32 products of NumPy, random in shapes, strides and transposes, against float64.

Every product is one call of cblas_sgemm of whatever BLAS is under NumPy. The error of each element must stay
within gamma_K |A||B|, gamma_K = K u / (1 - K u), u = 2^-24: the bound for any order of the additions.
"""

import sys

import numpy as np

PRODUCTS = 200
LARGEST = 3000
# Multiplications of a product, so that the check in float64 takes seconds over the reference BLAS.
MOST = 300_000_000
# Some that reach the limits in two directions.
LONG = [(3000, 3000, 33), (3000, 40, 3000), (25, 3000, 2999)]

random = np.random.default_rng(20261125)


def size():
    """2..3000, small ones as likely as large ones. A vector would not be a matrix product to NumPy."""
    return int(np.exp(random.uniform(np.log(2), np.log(LARGEST + 1))))


def shape():
    while True:
        m, n, k = size(), size(), size()
        if m * n * k <= MOST:
            return m, n, k


def matrix(rows, cols):
    """A view of that shape: rows or columns contiguous, with gaps, every second one, or backwards."""
    how = random.choice(["rows", "columns", "gaps", "column gaps", "second rows", "second elements", "backwards"])
    more = int(random.integers(1, 20))
    shapes = {
        "gaps": (rows, cols + more),
        "column gaps": (cols, rows + more),
        "columns": (cols, rows),
        "second rows": (2 * rows, cols),
        "second elements": (rows, 2 * cols),
    }
    whole = random.standard_normal(shapes.get(how, (rows, cols)), dtype=np.float32)
    views = {
        "gaps": lambda: whole[:, :cols],
        "column gaps": lambda: whole[:, :rows].T,
        "columns": lambda: whole.T,
        "second rows": lambda: whole[::2],
        "second elements": lambda: whole[:, ::2],
        "backwards": lambda: whole[::-1, ::-1],
    }
    return how, views.get(how, lambda: whole)()


def main():
    worst = 0.0
    for i in range(PRODUCTS):
        m, n, k = LONG[i] if i < len(LONG) else shape()
        (how_a, a), (how_b, b) = matrix(m, k), matrix(k, n)
        blas_takes_it = {how_a, how_b}.isdisjoint({"second elements", "backwards"})
        if blas_takes_it and random.random() < 0.5:
            # Into columns of a wider matrix, whose others must stay.
            wide = np.full((m, n + 5), np.nan, dtype=np.float32)
            c = np.matmul(a, b, out=wide[:, :n])
            assert np.isnan(wide[:, n:]).all(), "columns beside the result were written"
            how_c = "gaps"
        else:
            # Copies what a BLAS cannot take.
            c = np.dot(a, b)
            how_c = "rows"
        a, b = a.astype(np.float64), b.astype(np.float64)
        ku = k * 2.0**-24
        bound = ku / (1 - ku) * (np.abs(a) @ np.abs(b))
        share = float(np.max(np.abs(c - a @ b) / bound))
        assert c.dtype == np.float32 and share <= 1, f"{m}x{n}x{k}, {how_a}, {how_b}: {share} of the bound"
        worst = max(worst, share)
        print(f"product {m}x{n}x{k}: A {how_a}, B {how_b}, C {how_c}: {share:.4f} of the bound")
    print(f"{PRODUCTS} products of float32, none with an error above {worst:.2f} of the bound; NumPy {np.__version__}")


if __name__ == "__main__":
    sys.exit(main())
