"""Filtered vector search: conditions that 0.1 %, 1 % and 10 % of the rows meet, with recall.

    .venv/bin/python bench/vector_filters.py DATA [--set synthetic] [--rows N] [--threads 2]

DATA is the folder that make_vectors.py left. Prints, for no condition and for each of the three, the
recall of the ten nearest (against exact answers of 500 queries), queries a second by the clock and by
processor time (what the threads would reach undisturbed), and the process's own memory a row, without
pages of the mapped files. The knowledge base is kept in DATA for the next run.
"""

import argparse
import os
import pathlib
import sys
import time

import headrace as hr
import numpy as np

K = 10
GROUPS = 1000
CHECKED = 500


def own_bytes() -> int:
    """Anonymous memory: pages of mapped files, which the system may drop, do not count."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    return 0


def build(folder: pathlib.Path, rows: np.ndarray, groups: np.ndarray) -> None:
    start = time.perf_counter()
    kb = hr.open(str(folder), model=None, dimension=rows.shape[1])
    for begin in range(0, len(rows), 20_000):
        part = slice(begin, min(begin + 20_000, len(rows)))
        kb.add(
            ids=np.arange(part.start, part.stop),
            vectors=np.ascontiguousarray(rows[part], dtype=np.float32),
            g=groups[part].tolist(),
        )
    added = time.perf_counter() - start
    kb.optimize()
    print(f"added in {added:.1f} s, ready in {time.perf_counter() - start:.1f} s", flush=True)
    kb.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--set", default="synthetic")
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    rows = np.load(options.data / f"{options.set}.npy", mmap_mode="r")
    rows = rows[: options.rows] if options.rows else rows
    queries = np.load(options.data / f"{options.set}_queries.npy").astype(np.float32)
    groups = np.random.default_rng(1).integers(0, GROUPS, len(rows))
    folder = options.data / f"filters-{options.set}-{len(rows)}"
    if not folder.exists():
        build(folder, rows, groups)
        os.execv(sys.executable, [sys.executable, *sys.argv])  # memory is that of a fresh process
    before = own_bytes()
    kb = hr.open(str(folder), model=None, dimension=rows.shape[1])

    def search(condition: str | None) -> np.ndarray:
        found = kb.search_batch(queries, k=K, threads=options.threads, filter=condition)
        return np.asarray(found[0]).astype(int)

    measured = []
    for below in (GROUPS, 1, GROUPS // 100, GROUPS // 10):
        condition = None if below == GROUPS else f"g < {below}"
        found = search(condition)
        clock, cpu = [], []
        for _ in range(5):
            at = time.perf_counter(), time.process_time()
            search(condition)
            clock.append(time.perf_counter() - at[0])
            cpu.append(time.process_time() - at[1])
        own = (own_bytes() - before) / len(rows)
        measured.append((condition, below, found, min(clock), min(cpu), own))
    print("| condition | rows | recall@10 | QPS | QPS by processor time | own bytes a row |")
    print("| --- | --- | --- | --- | --- | --- |")
    for condition, below, found, clock, cpu, own in measured:
        allowed = np.flatnonzero(groups < below)
        hits = 0
        for begin in range(0, CHECKED, 50):
            scores = np.concatenate(
                [
                    queries[begin : begin + 50] @ np.asarray(rows[part], dtype=np.float32).T
                    for part in np.array_split(allowed, 1 + len(allowed) // 50_000)
                ],
                axis=1,
            )
            best = allowed[np.argpartition(-scores, K, axis=1)[:, :K]]
            hits += sum(len(set(a) & set(b)) for a, b in zip(best.tolist(), found[begin:].tolist()))
        n = len(queries)
        print(
            f"| {condition or 'none'} | {len(allowed):,} | {hits / CHECKED / K:.4f} | {n / clock:,.0f} |"
            f" {options.threads * n / cpu:,.0f} | {own:.0f} |"
        )
    kb.close()


if __name__ == "__main__":
    main()
