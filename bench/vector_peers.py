"""Vectors: Headrace against hnswlib, FAISS, usearch and SymphonyQG (rabitqlib), in one run.

    PEERS/bin/python bench/vector_peers.py DATA [--set real] [--only headrace,hnswlib,…] [--threads 2]

DATA is the folder that make_vectors.py left. Each engine runs in a process of its own: it builds its
index, then its effort is raised until recall@10 over all queries reaches 0.95, and the fastest of
five batches counts. Headrace is asked for 0.95, which holds for queries that nobody knows yet; "tuned"
is what it does where it is tuned to these queries as the others are. True answers are computed exactly, once, and kept beside the data. The engines'
environment needs numpy, hnswlib, faiss-cpu, usearch, rabitqlib; Headrace comes from this checkout.
"""

import argparse
import json
import os
import pathlib
import shutil
import site
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
K = 10
TARGET = 0.95


def truth(folder: pathlib.Path, name: str, rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    cached = folder / f"{name}.truth-{len(rows)}.npy"
    if not cached.exists():
        found = []
        for begin in range(0, len(queries), 100):
            scores = queries[begin : begin + 100] @ rows.T
            found.append(np.argpartition(-scores, K, axis=1)[:, :K])
        np.save(cached, np.concatenate(found))
    return np.load(cached)


def recall(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.mean([len(set(a.tolist()) & set(b.tolist())) / K for a, b in zip(found, true)]))


def resident() -> float:
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def tuned(search, efforts, queries, true) -> dict:
    """The least effort that reaches the target; the fastest of five batches."""
    best = None
    for effort in efforts:
        got = recall(np.asarray(search(queries, effort)), true)
        best = {"effort": effort, "recall": round(got, 4)}
        if got >= TARGET:
            break
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        search(queries, best["effort"])
        seconds.append(time.perf_counter() - start)
    best["qps"] = round(len(queries) / min(seconds))
    return best


def run_headrace(rows, queries, true, threads) -> dict:
    site.addsitedir(str(next((ROOT / ".venv/lib").glob("python*/site-packages"))))
    import headrace as hr

    folder = tempfile.mkdtemp(prefix="headrace-vectors-", dir=os.environ.get("BENCH_TMP"))
    before = resident()
    start = time.perf_counter()
    kb = hr.open(folder + "/kb", model=None, dimension=rows.shape[1])
    ids = np.arange(len(rows))
    for begin in range(0, len(rows), 10_000):
        kb.add(ids=ids[begin : begin + 10_000], vectors=rows[begin : begin + 10_000])
    added = time.perf_counter() - start
    kb.optimize()
    built = time.perf_counter() - start
    kb.close()
    kb = hr.open(folder + "/kb", model=None, dimension=rows.shape[1])
    before = resident()

    def search(q, effort):
        return np.asarray(kb.search_batch(q, k=K, threads=threads, recall=effort)[0]).astype(int)

    result = tuned(search, [TARGET], queries, true)
    # As the others are tuned: to these queries, whose answers are known.
    result["tuned"] = tuned(search, [0.8, 0.84, 0.87, 0.9, 0.91, 0.92, 0.93, 0.94, TARGET], queries, true)
    result |= {"build_s": round(built, 1), "add_s": round(added, 1)}
    result["memory_mib"] = round(resident() - before)
    result["disk_bytes_per_row"] = round(kb.info()["bytes_on_disk"] / len(rows))
    result["verify"] = kb.verify(recall=True).get("recall")
    kb.close()
    shutil.rmtree(folder)
    return result


def run_hnswlib(rows, queries, true, threads) -> dict:
    import hnswlib

    before = resident()
    start = time.perf_counter()
    index = hnswlib.Index(space="ip", dim=rows.shape[1])
    index.init_index(max_elements=len(rows), M=16, ef_construction=200)
    index.add_items(rows, num_threads=threads)
    built = time.perf_counter() - start

    def search(q, effort):
        index.set_ef(effort)
        return index.knn_query(q, k=K, num_threads=threads)[0]

    memory = round(resident() - before)
    efforts = [10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 192, 256]
    return tuned(search, efforts, queries, true) | {"build_s": round(built, 1), "memory_mib": memory}


def run_faiss(rows, queries, true, threads) -> dict:
    import faiss

    faiss.omp_set_num_threads(threads)
    before = resident()
    start = time.perf_counter()
    dimension = rows.shape[1]
    lists = int(4 * len(rows) ** 0.5)
    quantizer = faiss.IndexFlatIP(dimension)
    base = faiss.IndexIVFPQFastScan(quantizer, dimension, lists, dimension // 4, 4, faiss.METRIC_INNER_PRODUCT)
    index = faiss.IndexRefineFlat(base)
    index.train(rows)
    index.add(rows)
    built = time.perf_counter() - start

    def search(q, effort):
        base.nprobe, index.k_factor = effort
        return index.search(q, K)[1]

    efforts = [(n, f) for n in (4, 8, 12, 16, 24, 32, 48, 64, 96, 128) for f in (4, 8, 16)]
    memory = round(resident() - before)
    return tuned(search, efforts, queries, true) | {"build_s": round(built, 1), "memory_mib": memory}


def run_usearch(rows, queries, true, threads) -> dict:
    from usearch.index import Index

    before = resident()
    start = time.perf_counter()
    index = Index(ndim=rows.shape[1], metric="ip", dtype="f16", connectivity=16, expansion_add=128)
    index.add(np.arange(len(rows)), rows, threads=threads)
    built = time.perf_counter() - start

    def search(q, effort):
        index.expansion_search = effort
        return index.search(q, K, threads=threads).keys

    memory = round(resident() - before)
    efforts = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256]
    return tuned(search, efforts, queries, true) | {"build_s": round(built, 1), "memory_mib": memory}


def run_symphonyqg(rows, queries, true, threads) -> dict:
    import rabitqlib

    before = resident()
    start = time.perf_counter()
    index = rabitqlib.SymqgIndex(rows.shape[1], 32)
    index.build(rows, 200, num_threads=threads)
    built = time.perf_counter() - start

    def search(q, effort):
        return index.search_batch(q, K, effort, threads)[0]

    memory = round(resident() - before)
    efforts = [10, 16, 24, 32, 40, 48, 64, 80, 96, 128, 192, 256]
    return tuned(search, efforts, queries, true) | {"build_s": round(built, 1), "memory_mib": memory}


ENGINES = {"headrace": run_headrace, "hnswlib": run_hnswlib, "faiss": run_faiss, "usearch": run_usearch, "symphonyqg": run_symphonyqg}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--set", default="real")
    parser.add_argument("--only", default=",".join(ENGINES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine:
        rows = np.load(options.data / f"{options.set}.npy").astype(np.float32)
        queries = np.load(options.data / f"{options.set}_queries.npy").astype(np.float32)
        if options.rows:
            rows = rows[: options.rows]
        true = truth(options.data, options.set, rows, queries)
        print(json.dumps(ENGINES[options.engine](rows, queries, true, options.threads)))
        return
    print("| engine | QPS | recall@10 | effort | build s | memory MiB |\n| --- | --- | --- | --- | --- | --- |")
    for engine in options.only.split(","):
        command = [sys.executable, __file__, str(options.data), "--set", options.set, "--engine", engine]
        command += ["--threads", str(options.threads), "--rows", str(options.rows)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        r = json.loads(done.stdout.splitlines()[-1])
        print(
            f"| {engine} | {r['qps']:,} | {r['recall']} | {r['effort']} | {r['build_s']} | {r['memory_mib']} |",
            {key: r[key] for key in r if key in ("add_s", "disk_bytes_per_row", "tuned", "verify")} or "",
            flush=True,
        )


if __name__ == "__main__":
    main()
