"""Writes procrustes.jsonl: alignments computed by numpy in float64, as an oracle for test/align/golden.test.ts.

Run: python3 test/data/align/make.py > test/data/align/procrustes.jsonl   (numpy 2.x)
"""

import json

import numpy as np


def polar(x):
    u, _, vt = np.linalg.svd(x)
    return u @ vt


def rotation(m, lam):
    u, _, vt = np.linalg.svd(m)
    if lam is None:
        return u @ vt
    if np.linalg.det(u @ vt) < 0:
        u[:, -1] = -u[:, -1]
    return polar((1 - lam) * np.eye(len(m)) + lam * (u @ vt))


def case(rng, r, k, d, reference, kind, lam):
    f32 = lambda x: np.round(x.astype(np.float32), 6).astype(np.float32).astype(np.float64)
    a, b = f32(rng.normal(size=(r, k))), f32(rng.normal(size=(d, r)))
    if kind == "near":
        ref = a + 0.2 * rng.normal(size=(r, k)) if reference == "A" else b + 0.2 * rng.normal(size=(d, r))
    else:
        ref = rng.normal(size=(r, k)) if reference == "A" else rng.normal(size=(d, r))
    ref = f32(ref)
    m = a @ ref.T if reference == "A" else b.T @ ref
    rot = rotation(m, lam)
    rows = lambda x: [[float(f"{v:.8g}") for v in row] for row in x]
    return {
        "name": f"r{r} {kind} {reference} {'hard' if lam is None else lam}",
        "r": r, "k": k, "d": d, "reference": reference, "lambda": lam,
        "A": rows(a), "B": rows(b), "ref": rows(ref), "A_out": rows(rot.T @ a), "B_out": rows(b @ rot),
    }  # fmt: skip


rng = np.random.default_rng(7)
for r, k, d in ((1, 5, 3), (2, 7, 5), (3, 6, 9), (5, 3, 8)):
    for reference in "AB":
        for kind in ("near", "random"):
            if r > k and reference == "A":
                continue  # M is singular: R is not unique
            for lam in (None, 0.6, 1.0):
                print(json.dumps(case(rng, r, k, d, reference, kind, lam)))
