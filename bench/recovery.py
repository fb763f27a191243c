"""Opening after kill -9: how long until the first query is answered, with as much log as there can be.

    .venv/bin/python bench/recovery.py

A process adds rows of 384 floats and 400 bytes of text and kills itself when much of it is in no segment yet: at most 64 MB, of which half is on its way into one. Then, three times each, a new process opens the knowledge
base to search it (a reader) and to write to it (a writer), and asks one query. Printed: medians of the
seconds from the call to the hit, after the import, by the clock and by the processor.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

# The first is looked for as long as the second allows; it takes a kill in the middle of a fold.
LOG_BYTES, ROWS, LOG_BYTES_THEN = 50 << 20, 120_000, 30 << 20
DIMENSION = 384
TEXT = ("A row of text as documents have it, with words that repeat and some that do not: {n}. " * 5)[:400]


def fill(folder: str) -> None:
    import numpy as np

    import headrace as hr

    kb = hr.open(folder, model=None, dimension=DIMENSION)
    pool = np.random.default_rng(1).normal(size=(1000, DIMENSION)).astype(np.float32)
    for first in range(0, 2 * ROWS, 1000):
        ids = np.arange(first, first + 1000)
        kb.add(ids=ids, vectors=pool, text=[f"word{i} " + TEXT.replace("{n}", str(i)) for i in ids], n=ids)
        logs = sum(f.stat().st_size for f in pathlib.Path(folder).glob("log-*"))
        if logs > (LOG_BYTES if first < ROWS else LOG_BYTES_THEN):
            break
    print(json.dumps({"rows": len(kb), "log_bytes": logs}), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def first_query(folder: str, writes: bool) -> None:
    import headrace as hr

    clock, processor = time.perf_counter(), time.process_time()
    kb = hr.open(folder, model=None)
    if writes:
        kb.delete("n = -1")
    hits = kb.search("word77", mode="text")
    assert hits[0].source == "77", hits
    print(json.dumps([time.perf_counter() - clock, time.process_time() - processor]))


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True)
    return done.stdout.strip().splitlines()[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--do", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.do:
        step, folder = options.do
        return fill(folder) if step == "fill" else first_query(folder, step == "write")
    with tempfile.TemporaryDirectory(prefix="headrace-recovery-", dir=os.environ.get("BENCH_DIR")) as work:
        killed, kb = work + "/killed", work + "/kb"
        filled = json.loads(run("--do", "fill", killed))
        print(f"{filled['rows']:,} rows, {filled['log_bytes'] / 1e6:.0f} MB of log")
        for step in ("read", "write"):
            took = []
            for _ in range(3):
                shutil.rmtree(kb, ignore_errors=True)
                shutil.copytree(killed, kb)
                took.append(json.loads(run("--do", step, kb)))
            clock, processor = (statistics.median(x[i] for x in took) for i in (0, 1))
            print(f"{step}: {clock:.2f} s to the first hit, {processor:.2f} s of the processor")


if __name__ == "__main__":
    main()
