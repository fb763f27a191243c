"""BM25 beside Tantivy and SQLite FTS5: building an index of the chunks of bench/make_text.py, then
the ten best for each query, on two threads.

    .venv/bin/python bench/text_peers.py FOLDER --peers PYTHON [--engines headrace,tantivy,sqlite]

PYTHON is an interpreter with the package tantivy. Every engine runs in a process of its own; each
stems English and keeps positions. All of it runs several times in turn; medians are printed.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

THREADS = 2
BATCH = 5000


def load(folder: pathlib.Path) -> tuple[list[dict], list[str]]:
    with open(folder / "chunks.jsonl") as lines:
        rows = [json.loads(line) for line in lines]
    return rows, (folder / "queries.txt").read_text().lower().splitlines()


def in_threads(queries: list[str], search) -> None:
    parts = [queries[i::THREADS] for i in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(lambda part=part: [search(q) for q in part]) for part in parts]:
            done.result()


def headrace(rows: list[dict], queries: list[str], where: pathlib.Path, rounds: int) -> dict:
    import headrace as hr

    begin = time.perf_counter()
    kb = hr.open(str(where), model="none")
    for at in range(0, len(rows), BATCH):
        kb.add(rows[at : at + BATCH])
    added = time.perf_counter() - begin
    kb.optimize()
    build = time.perf_counter() - begin
    kb.search_batch(queries[:200], k=10, threads=THREADS, mode="text")
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        kb.search_batch(queries, k=10, threads=THREADS, mode="text")
        times.append(time.perf_counter() - begin)
    return {"build_s": build, "added_s": added, "query_s": times}


def tantivy(rows: list[dict], queries: list[str], where: pathlib.Path, rounds: int) -> dict:
    import tantivy as tv

    where.mkdir(parents=True)
    schema = tv.SchemaBuilder()
    schema.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
    schema.add_text_field("text", stored=True, tokenizer_name="en_stem")
    schema.add_text_field("folder", stored=True, fast=True, tokenizer_name="raw", index_option="basic")
    schema.add_integer_field("number", stored=True, fast=True, indexed=True)
    index = tv.Index(schema.build(), path=str(where))
    begin = time.perf_counter()
    writer = index.writer(heap_size=512 << 20, num_threads=THREADS)
    for row in rows:
        writer.add_document(
            tv.Document(id=row["id"], text=row["text"], folder=row["folder"], number=row["number"])
        )
    writer.commit()
    writer.wait_merging_threads()
    build = time.perf_counter() - begin
    index.reload()
    searcher = index.searcher()

    def search(query: str) -> None:
        searcher.search(index.parse_query(query, ["text"]), 10, count=False)

    in_threads(queries[:200], search)
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        in_threads(queries, search)
        times.append(time.perf_counter() - begin)
    return {"build_s": build, "query_s": times, "segments": searcher.num_segments}


def sqlite(rows: list[dict], queries: list[str], where: pathlib.Path, rounds: int) -> dict:
    import sqlite3
    import threading

    where.mkdir(parents=True)
    path = str(where / "fts.db")
    begin = time.perf_counter()
    base = sqlite3.connect(path)
    base.execute("create virtual table t using fts5(text, id unindexed, tokenize='porter unicode61')")
    base.executemany("insert into t(text, id) values (?, ?)", ((r["text"], r["id"]) for r in rows))
    base.commit()
    base.execute("insert into t(t) values ('optimize')")
    base.commit()
    build = time.perf_counter() - begin
    local = threading.local()

    def search(query: str) -> None:
        if not hasattr(local, "base"):
            local.base = sqlite3.connect(path)
        words = " OR ".join(f'"{word}"' for word in query.split())
        local.base.execute(
            "select id from t where t match ? order by rank limit 10", (words,)
        ).fetchall()

    some = queries[:200]
    begin = time.perf_counter()
    in_threads(some, search)
    spent = time.perf_counter() - begin
    return {"build_s": build, "query_s": [spent * len(queries) / len(some)]}


ENGINES = {"headrace": headrace, "tantivy": tantivy, "sqlite": sqlite}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--peers", default=sys.executable)
    parser.add_argument("--engines", default="headrace,tantivy,sqlite")
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        rows, queries = load(options.folder)
        if options.rows:
            rows = rows[: options.rows]
        where = options.folder / f"index-{options.one}"
        shutil.rmtree(where, ignore_errors=True)
        result = ENGINES[options.one](rows, queries, where, options.rounds)
        disk = sum(f.stat().st_size for f in where.rglob("*") if f.is_file())
        print(json.dumps({**result, "rows": len(rows), "queries": len(queries), "disk": disk}))
        return
    found: dict[str, list[dict]] = {}
    for _ in range(options.repeat):
        for engine in options.engines.split(","):
            python = sys.executable if engine == "headrace" else options.peers
            command = [python, __file__, str(options.folder), "--one", engine]
            command += ["--rows", str(options.rows), "--rounds", str(options.rounds)]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found.setdefault(engine, []).append(json.loads(out.splitlines()[-1]))
    for engine, runs in found.items():
        qps = statistics.median(r["queries"] / t for r in runs for t in r["query_s"])
        rate = statistics.median(r["rows"] / r["build_s"] for r in runs)
        disk = runs[0]["disk"] / runs[0]["rows"]
        print(f"{engine:9} {qps:9.0f} queries/s {rate:9.0f} chunks/s indexed {disk:6.0f} bytes/chunk")


if __name__ == "__main__":
    main()
