"""Durable inserts, visible when acknowledged: Headrace, Chroma, LanceDB, and the disk's own bound.

    .venv/bin/python bench/insert_peers.py            # all, in turn, three rounds, medians

Every side adds groups of 100 rows (384-d float32 vector, 400 bytes of text, an integer column) and
waits for each group; the bound writes the same bytes to one file and calls fdatasync for each group.
headrace-async is acknowledged before the disk has the group. Whether a peer waits for the disk is its
own affair: `strace -f -c -e trace=fsync,fdatasync` tells.
Peers run in the environment that HEADRACE_BENCH_VENV names (default .venv-bench).
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DIMENSION, GROUP = 384, 100
TEXT = ("A row of text as documents have it, with words that repeat and some that do not: {n}. " * 5)[:400]
# Seconds that each side may take in a round; slow ones do fewer groups.
SECONDS = float(os.environ.get("SECONDS_EACH", "4"))


def groups():
    """Endless groups: ids, vectors, texts."""
    import numpy as np

    random = np.random.default_rng(1)
    pool = random.normal(size=(5000, DIMENSION)).astype(np.float32)
    first = 0
    while True:
        ids = list(range(first, first + GROUP))
        at = first % 4900
        yield ids, pool[at : at + GROUP], [TEXT.replace("{n}", str(i)) for i in ids]
        first += GROUP


def rate(add) -> float:
    """Rows a second, each group acknowledged before the next."""
    source = groups()
    add(*next(source))  # what is made once
    rows, start = 0, time.perf_counter()
    while (took := time.perf_counter() - start) < SECONDS:
        add(*next(source))
        rows += GROUP
    return rows / took


def bound(folder: str) -> float:
    file = os.open(os.path.join(folder, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def add(_ids, vectors, texts):
        os.write(file, vectors.tobytes() + "".join(texts).encode())
        os.fdatasync(file)

    return rate(add)


def headrace(folder: str, durability: str = "sync") -> float:
    import headrace as hr

    kb = hr.open(folder + "/kb", model=None, dimension=DIMENSION, durability=durability)
    result = rate(lambda ids, vectors, texts: kb.add(ids=ids, vectors=vectors, text=texts, n=ids))
    assert len(kb) % GROUP == 0
    return result


def headrace_async(folder: str) -> float:
    return headrace(folder, "async")


def chroma(folder: str) -> float:
    import chromadb

    client = chromadb.PersistentClient(folder)
    collection = client.create_collection("rows")
    return rate(
        lambda ids, vectors, texts: collection.add(
            ids=[str(i) for i in ids], embeddings=vectors, documents=texts,
            metadatas=[{"n": i} for i in ids],
        )
    )


def lancedb(folder: str) -> float:
    import lancedb as peer
    import pyarrow as pa

    table = None
    database = peer.connect(folder)

    def add(ids, vectors, texts):
        nonlocal table
        flat = pa.array(vectors.reshape(-1))
        batch = pa.table({"id": ids, "vector": pa.FixedSizeListArray.from_arrays(flat, DIMENSION),
                          "text": texts, "n": ids})
        if table is None:
            table = database.create_table("t", batch)
        else:
            table.add(batch)

    return rate(add)


SIDES = {"bound": bound, "headrace": headrace, "headrace-async": headrace_async, "chroma": chroma,
         "lancedb": lancedb}


def main() -> None:
    if len(sys.argv) > 1:
        with tempfile.TemporaryDirectory(prefix="headrace-insert-", dir=os.environ.get("BENCH_DIR")) as folder:
            print(json.dumps(SIDES[sys.argv[1]](folder)))
        return
    peers = pathlib.Path(os.environ.get("HEADRACE_BENCH_VENV", ROOT / ".venv-bench")) / "bin/python"
    pythons = {"bound": sys.executable, "headrace": sys.executable,
               "headrace-async": sys.executable, "chroma": str(peers), "lancedb": str(peers)}
    found: dict[str, list[float]] = {name: [] for name in SIDES}
    for _ in range(int(os.environ.get("ROUNDS", "3"))):
        for name in SIDES:
            done = subprocess.run([pythons[name], __file__, name], capture_output=True, text=True)
            if done.returncode != 0:
                print(f"{name}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                continue
            found[name].append(float(done.stdout.strip().splitlines()[-1]))
    medians = {name: statistics.median(rates) for name, rates in found.items() if rates}
    ours = medians["headrace"]
    print("| | rows/s, groups of 100 | Headrace against it |\n| --- | --- | --- |")
    for name, value in medians.items():
        print(f"| {name} | {value:,.0f} | {ours / value:.2f}× |")


if __name__ == "__main__":
    main()
