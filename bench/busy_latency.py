"""How long queries take while rows are written and compacted, beside the same queries when it is idle.

    .venv/bin/python bench/busy_latency.py [--rows 100000] [--rate 1000] [--seconds 10]

One process: a thread adds groups of 100 rows (384 floats, 400 bytes of text, a column), so many rows a
second, each group durable; this one asks one query after the other (by text and by vector in turn).
Idle and busy stretches alternate, three of each. Printed: medians over the stretches of p50 and p99.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time

DIMENSION, GROUP = 384, 100


def main() -> None:
    import numpy as np

    import headrace as hr

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    random = np.random.default_rng(1)
    words = [f"{a}{b}" for a in ("river", "mill", "stone", "water", "wheel", "race", "head", "gate")
             for b in ("", "s", "ing", "ed", "er", "less", "ward", "like")]
    pool = random.normal(size=(5000, DIMENSION)).astype(np.float32)
    texts = [" ".join(random.choice(words, 60)) for _ in range(2000)]

    with tempfile.TemporaryDirectory(prefix="headrace-busy-", dir=os.environ.get("BENCH_DIR")) as folder:
        kb = hr.open(folder + "/kb", model=None, dimension=DIMENSION)

        def add(first: int, count: int) -> None:
            ids = np.arange(first, first + count)
            at = [int(i) % 4900 for i in ids]
            kb.add(ids=ids, vectors=pool[at], text=[f"{texts[i % 2000]} n{i}" for i in at], n=ids)

        for first in range(0, options.rows, 5000):
            add(first, 5000)
        kb.optimize()
        written, stop = options.rows, threading.Event()

        def write() -> None:
            nonlocal written
            due = time.perf_counter()
            while not stop.wait(max(0.0, due - time.perf_counter())):
                add(written, GROUP)
                written += GROUP
                due += GROUP / options.rate

        def ask(seconds: float) -> list[float]:
            took, end, n = [], time.perf_counter() + seconds, 0
            while (start := time.perf_counter()) < end:
                text = " ".join(words[(n * 7 + i * 11) % len(words)] for i in range(3))
                if n % 2 == 0:
                    kb.search(text, mode="text")
                else:
                    kb.search(pool[n % 5000])
                took.append((time.perf_counter() - start) * 1e3)
                n += 1
            return took

        ask(1)
        found: dict[str, list[tuple[float, float, float]]] = {"idle": [], "busy": []}
        for _ in range(3):
            for state in found:
                before, start = written, time.perf_counter()
                stop.clear()
                writer = threading.Thread(target=write)
                if state == "busy":
                    writer.start()
                took = sorted(ask(options.seconds))
                stop.set()
                if state == "busy":
                    writer.join()
                rate = (written - before) / (time.perf_counter() - start)
                found[state].append((took[len(took) // 2], took[len(took) * 99 // 100], rate))
        print("| | p50 ms | p99 ms | rows/s written |\n| --- | --- | --- | --- |")
        for state, stretches in found.items():
            p50, p99, rate = (statistics.median(s[i] for s in stretches) for i in range(3))
            print(f"| {state} | {p50:.2f} | {p99:.2f} | {rate:,.0f} |")


if __name__ == "__main__":
    main()
