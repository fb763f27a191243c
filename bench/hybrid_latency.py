"""How long one hybrid search takes over many chunks of real text, one after the other, from Python.

    .venv/bin/python bench/make_text.py FOLDER --chunks 1000000
    .venv/bin/python bench/hybrid_latency.py FOLDER [--model static:all-MiniLM-L6-v2] [--queries 2000]

FOLDER/kb is made from FOLDER/chunks.jsonl where it is not there yet. A query is a text: its vector is
made by the model, both parts are searched and fused, ten hits come back with their texts. Printed:
p50, p95 and p99 of each mode over the same queries, which nobody asked before (their first pass).
"""

import argparse
import pathlib
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main() -> None:
    import headrace as hr

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--model", default="static:all-MiniLM-L6-v2")
    parser.add_argument("--queries", type=int, default=2000)
    options = parser.parse_args()
    kb = options.folder / "kb"
    if not kb.exists():
        subprocess.run(
            [str(ROOT / "build/headrace"), "index", str(options.folder / "chunks.jsonl"), "--into", str(kb),
             "--model", options.model],
            check=True,
        )
    opened = hr.open(str(kb))
    queries = (options.folder / "queries.txt").read_text().splitlines()[: options.queries]
    print(f"{opened.info()['rows']:,} rows, {len(queries)} queries")
    opened.search("first of all", mode="hybrid")  # the model is loaded once
    print("| mode | p50 | p95 | p99 |\n| --- | --- | --- | --- |")
    for mode in ("hybrid", "text", "vector"):
        took = []
        for query in queries:
            start = time.perf_counter()
            opened.search(query, mode=mode, plain=True)
            took.append((time.perf_counter() - start) * 1e3)
        took.sort()
        at = [took[int(len(took) * share)] for share in (0.5, 0.95, 0.99)]
        print(f"| {mode} | {at[0]:.2f} ms | {at[1]:.2f} ms | {at[2]:.2f} ms |")


if __name__ == "__main__":
    main()
