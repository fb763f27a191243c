"""BM25 beside Tantivy and SQLite FTS5: building an index of the chunks of bench/make_text.py, then
the ten best for each query, on two threads.

    .venv/bin/python bench/text_peers.py FOLDER --peers PYTHON [--engines headrace,tantivy,sqlite]

PYTHON is an interpreter with the package tantivy. Every engine lives in a process of its own, stems
English, keeps positions, takes any of the words (OR), and is asked for ten hits without their texts.
Tantivy lets go of the interpreter's lock while it searches, so two threads are two cores. Each builds,
durable and merged, `--repeat` times in turn; then rounds of all queries are asked in turn. Printed:
medians by the clock, and by the processor's time (of all threads; what a machine disturbed by others
still tells), and how many of the ten best are the same as Headrace's on average.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

THREADS = 2
BATCH = 5000
COMPARED = 300  # queries whose hits are compared


def load(folder: pathlib.Path, limit: int) -> tuple[list[dict], list[str]]:
    with open(folder / "chunks.jsonl") as lines:
        rows = [json.loads(line) for line in lines]
    return rows[: limit or None], (folder / "queries.txt").read_text().lower().splitlines()


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Headrace:
    def __init__(self, where: pathlib.Path) -> None:
        self.where = where

    def build(self, rows: list[dict]) -> None:
        import headrace as hr

        self.kb = hr.open(str(self.where), model="none")
        for at in range(0, len(rows), BATCH):
            self.kb.add(rows[at : at + BATCH])
        self.kb.optimize()

    def search(self, queries: list[str]) -> list:
        return self.kb.search_batch(queries, k=10, threads=THREADS, mode="text")[0]

    def ids(self, queries: list[str]) -> list[list[str]]:
        return [[str(i) for i in found] for found in self.search(queries)]


class Tantivy:
    def __init__(self, where: pathlib.Path) -> None:
        where.mkdir(parents=True)
        self.where = where

    def build(self, rows: list[dict]) -> None:
        import tantivy as tv

        schema = tv.SchemaBuilder()
        schema.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
        schema.add_text_field("text", stored=True, tokenizer_name="en_stem")  # with positions
        schema.add_text_field("folder", stored=True, fast=True, tokenizer_name="raw", index_option="basic")
        schema.add_integer_field("number", stored=True, fast=True, indexed=True)
        self.index = tv.Index(schema.build(), path=str(self.where))
        writer = self.index.writer(heap_size=512 << 20, num_threads=THREADS)
        for row in rows:
            writer.add_document(
                tv.Document(id=row["id"], text=row["text"], folder=row["folder"], number=row["number"])
            )
        writer.commit()
        writer.wait_merging_threads()
        self.index.reload()
        self.searcher = self.index.searcher()

    def one(self, query: str):
        return self.searcher.search(self.index.parse_query(query, ["text"]), 10, count=False)

    def search(self, queries: list[str]) -> None:
        in_threads(queries, self.one)

    def ids(self, queries: list[str]) -> list[list[str]]:
        return [[self.searcher.doc(at)["id"][0] for _, at in self.one(q).hits] for q in queries]


class Sqlite:
    def __init__(self, where: pathlib.Path) -> None:
        import threading

        where.mkdir(parents=True)
        self.path = str(where / "fts.db")
        self.local = threading.local()

    def build(self, rows: list[dict]) -> None:
        import sqlite3

        base = sqlite3.connect(self.path)
        base.execute("create virtual table t using fts5(text, id unindexed, tokenize='porter unicode61')")
        base.executemany("insert into t(text, id) values (?, ?)", ((r["text"], r["id"]) for r in rows))
        base.commit()
        base.execute("insert into t(t) values ('optimize')")
        base.commit()

    def one(self, query: str) -> list[str]:
        import sqlite3

        if not hasattr(self.local, "base"):
            self.local.base = sqlite3.connect(self.path)
        words = " OR ".join(f'"{word}"' for word in query.split())
        found = self.local.base.execute(
            "select id from t where t match ? order by rank limit 10", (words,)
        )
        return [row[0] for row in found]

    def search(self, queries: list[str]) -> None:
        in_threads(queries, self.one)

    def ids(self, queries: list[str]) -> list[list[str]]:
        return [self.one(query) for query in queries]


ENGINES = {"headrace": Headrace, "tantivy": Tantivy, "sqlite": Sqlite}
SHARE = {"sqlite": 20}  # asks every twentieth query


def in_threads(queries: list[str], search) -> None:
    parts = [queries[i::THREADS] for i in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(lambda part=part: [search(q) for q in part]) for part in parts]:
            done.result()


def serve(name: str, folder: pathlib.Path, limit: int) -> None:
    """The engine's process: answers "build", "search" and "ids" on standard input with a line each."""
    rows, queries = load(folder, limit)
    asked = queries[:: SHARE.get(name, 1)]
    where = folder / f"index-{name}"
    engine = None
    for line in sys.stdin:
        command = line.strip()
        if command == "build":
            engine = None
            shutil.rmtree(where, ignore_errors=True)
            engine = ENGINES[name](where)
        clock, processor = time.perf_counter(), processor_seconds()
        if command == "build":
            engine.build(rows)
        elif command == "search":
            engine.search(asked)
        answer = {
            "rate": (len(rows) if command == "build" else len(asked)) / (time.perf_counter() - clock),
            "each_us": (processor_seconds() - processor)
            / (len(rows) if command == "build" else len(asked))
            * 1e6,
        }
        if command == "ids":
            answer["ids"] = engine.ids(queries[:COMPARED])
            answer["disk"] = sum(f.stat().st_size for f in where.rglob("*") if f.is_file()) / len(rows)
        print(json.dumps(answer), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--peers", default=sys.executable)
    parser.add_argument("--engines", default="headrace,tantivy,sqlite")
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        serve(options.one, options.folder, options.rows)
        return
    running = {}
    for name in options.engines.split(","):
        python = sys.executable if name == "headrace" else options.peers
        command = [python, __file__, str(options.folder), "--one", name, "--rows", str(options.rows)]
        running[name] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(name: str, command: str) -> dict:
        process = running[name]
        process.stdin.write(command + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"{name} ended while asked to {command}")
        return json.loads(line)

    found: dict[tuple[str, str], list[dict]] = {}
    rounds = ["build"] * options.repeat + ["warm"] + ["search"] * options.rounds
    for step in rounds:
        for name in running:
            answer = ask(name, "search" if step == "warm" else step)
            if step != "warm":
                found.setdefault((name, step), []).append(answer)
    hits = {name: ask(name, "ids") for name in running}
    for process in running.values():
        process.stdin.close()
        process.wait()
    first = next(iter(hits.values()))["ids"]
    cores = min(THREADS, os.cpu_count() or 1)
    print(
        "| | queries/s | by processor time | chunks/s indexed | by processor time | bytes/chunk "
        "| hits alike |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    for name in running:
        queries, build = found[name, "search"], found[name, "build"]

        def median(runs: list[dict], key: str) -> float:
            return statistics.median(run[key] for run in runs)

        alike = statistics.mean(len(set(a) & set(b)) for a, b in zip(hits[name]["ids"], first))
        print(
            f"| {name} | {median(queries, 'rate'):,.0f} | {cores * 1e6 / median(queries, 'each_us'):,.0f} "
            f"| {median(build, 'rate'):,.0f} | {cores * 1e6 / median(build, 'each_us'):,.0f} "
            f"| {hits[name]['disk']:.0f} | {alike:.1f} of 10 |"
        )


if __name__ == "__main__":
    main()
