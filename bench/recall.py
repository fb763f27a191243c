"""The recall that is asked for, and what is found, in clusters of near rows, against float32 answers.

    .venv/bin/python bench/recall.py [--rows 60000] [--dimension 64] [--clusters 200] [--sigma 0.15]
                                     [--metric cosine] [--offset 0]

Rows and queries are centres (normal, variance 1) and noise of `sigma` a direction, plus `offset`.
Prints the recall@10 of 500 queries for 0.9, 0.95, 0.99 and 1, before and after `optimize`.
"""

import argparse
import os
import tempfile

import numpy as np

import headrace as hr

QUERIES, K = 500, 10


def made(count: int, options: argparse.Namespace, rng: np.random.Generator, centres: np.ndarray) -> np.ndarray:
    noise = options.sigma * rng.standard_normal((count, options.dimension))
    return (centres[rng.integers(len(centres), size=count)] + noise + options.offset).astype(np.float32)


def best(rows: np.ndarray, queries: np.ndarray, metric: str) -> np.ndarray:
    rows, queries = rows.astype(np.float64), queries.astype(np.float64)
    if metric == "cosine":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    scores = queries @ rows.T
    if metric == "l2":
        scores -= (rows * rows).sum(1) / 2
    return np.argpartition(-scores, K, axis=1)[:, :K]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument("--clusters", type=int, default=200)
    parser.add_argument("--sigma", type=float, default=0.15)
    parser.add_argument("--metric", default="cosine", choices=["cosine", "ip", "l2"])
    parser.add_argument("--offset", type=float, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(7)
    centres = rng.standard_normal((options.clusters, options.dimension))
    rows = made(options.rows, options, rng, centres)
    queries = made(QUERIES, options, rng, centres)
    true = best(rows, queries, options.metric)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        with hr.open(f"{folder}/kb", model=None, dimension=options.dimension, metric=options.metric) as kb:
            for begin in range(0, len(rows), 5000):
                part = rows[begin : begin + 5000]
                kb.add(ids=np.arange(begin, begin + len(part)), vectors=part)
            for moment in ("before optimize", "after"):
                if moment == "after":
                    kb.optimize()
                found = []
                for recall in (0.9, 0.95, 0.99, 1.0):
                    ids, _ = kb.search_batch(queries, k=K, recall=recall)
                    same = sum(len(set(a) & set(b)) for a, b in zip(ids.tolist(), true.tolist()))
                    found.append(f"{recall}: {same / (QUERIES * K):.4f}")
                print(f"{moment:16} {', '.join(found)}")


if __name__ == "__main__":
    main()
