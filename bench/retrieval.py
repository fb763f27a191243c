"""nDCG@10 of text, static and model, alone and together, on a collection in the layout
corpus.jsonl, queries.jsonl, qrels.tsv.

    .venv/bin/python bench/retrieval.py FOLDER [--model M]
"""

import argparse
import json
import math
import pathlib
import tempfile
import time

import headrace as hr


def read_collection(folder: pathlib.Path):
    queries = [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]
    relevant: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text().splitlines():
        parts = line.split("\t")
        if len(parts) < 3 or not parts[-1].lstrip("-").isdigit():
            continue
        relevant.setdefault(parts[0], {})[parts[-2]] = int(parts[-1])
    return queries, relevant


def ndcg(ranked: list[str], grades: dict[str, int], k: int = 10) -> float:
    gain = sum(max(grades.get(name, 0), 0) / math.log2(i + 2) for i, name in enumerate(ranked[:k]))
    best = sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:k]
    ideal = sum(grade / math.log2(i + 2) for i, grade in enumerate(best))
    return gain / ideal if ideal else 0.0


def evaluate(kb, queries, relevant, mode: str, space: str | None) -> float:
    scores = []
    for query in queries:
        name = str(query.get("_id", query.get("id")))
        if name not in relevant:
            continue
        ranked: list[str] = []
        for hit in kb.search(query.get("text", query.get("query")), k=100, mode=mode, space=space):
            document = str(hit.metadata.get("id", hit.source))
            if document not in ranked:
                ranked.append(document)
        scores.append(ndcg(ranked, relevant[name]))
    return sum(scores) / len(scores)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--model", default="all-MiniLM-L6-v2")
    arguments.add_argument("--static-only", action="store_true")
    given = arguments.parse_args()
    queries, relevant = read_collection(given.folder)
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        main_model = f"static:{given.model}" if given.static_only else given.model
        report = hr.read(str(given.folder / "corpus.jsonl")).into(
            f"{folder}/kb", model=main_model, instant=not given.static_only, progress=False
        )
        print(f"{report.rows} rows; searchable after {report.searchable_seconds:.2f} s, "
              f"whole {time.monotonic() - started:.2f} s")
        with hr.open(f"{folder}/kb") as kb:
            static = "default" if given.static_only else "static"
            rows = [("text", "text", None), ("static", "vector", static), ("text + static", "hybrid", static)]
            if not given.static_only:
                rows += [("model", "vector", "default"), ("text + model", "hybrid", "default")]
            for name, mode, space in rows:
                print(f"{name:15} {evaluate(kb, queries, relevant, mode, space):.4f}")


if __name__ == "__main__":
    main()
