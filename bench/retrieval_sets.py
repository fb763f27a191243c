"""nDCG@10 of text, vector and hybrid search on sets made from the data at hand.

    .venv/bin/python bench/retrieval_sets.py FOLDER [--cranfield DIR] [--sections 800]

cranfield: a folder with corpus.jsonl, queries.jsonl and qrels (qrels.tsv or qrels.jsonl).
headings: sections of the PostgreSQL manual (package postgresql-doc-15) without their headings; each
heading is a query whose one right answer is its section.
"""

from __future__ import annotations

import argparse
import html
import json
import math
import pathlib
import random
import re
import shutil

import headrace as hr


def sections(limit: int) -> tuple[list[dict], dict[str, str], dict[str, dict[str, int]]]:
    base = pathlib.Path("/usr/share/doc/postgresql-doc-15/html")
    found = []
    for file in sorted(base.glob("*.html")):
        raw = re.sub(r"(?is)<(script|style|nav)\b.*?</\1>", " ", file.read_text(errors="replace"))
        parts = re.split(r"(?is)<h([1-4])\b[^>]*>(.*?)</h\1>", raw)
        for at in range(1, len(parts) - 2, 3):
            heading = re.sub(r"^[\d.A-Z]*\d[\d.]*\s*", "", plain(parts[at + 1]))
            text = " ".join(plain(parts[at + 2]).split()[:150])
            if 2 <= len(heading.split()) <= 8 and len(text.split()) >= 25:
                found.append((f"{file.stem}#{at}", heading, text))
    names: dict[str, int] = {}
    for _, heading, _ in found:
        names[heading] = names.get(heading, 0) + 1
    random.Random(3).shuffle(found)
    found = found[:limit]
    corpus = [{"id": key, "text": text} for key, _, text in found]
    queries = {key: heading for key, heading, _ in found if names[heading] == 1}
    return corpus, queries, {key: {key: 1} for key in queries}


def plain(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def cranfield(folder: pathlib.Path) -> tuple[list[dict], dict[str, str], dict[str, dict[str, int]]]:
    def lines(name: str) -> list[dict]:
        return [json.loads(line) for line in (folder / name).read_text().splitlines() if line]

    corpus = []
    for row in lines("corpus.jsonl"):
        key = str(row.get("_id", row.get("id")))
        corpus.append({"id": key, "text": row["text"], "title": row.get("title", "")})
    queries = {str(row.get("_id", row.get("id"))): row["text"] for row in lines("queries.jsonl")}
    right: dict[str, dict[str, int]] = {}
    for line in next(folder.glob("qrels*")).read_text().splitlines():
        if line.startswith("{"):
            row = json.loads(line)
            query, key, grade = row["query-id"], row["corpus-id"], row["score"]
        else:
            parts = line.split()
            if not parts[-1].lstrip("-").isdigit():
                continue
            query, key, grade = parts[0], parts[-2], parts[-1]
        right.setdefault(str(query), {})[str(key)] = int(grade)
    return corpus, queries, right


def ndcg(ranked: list[str], right: dict[str, int]) -> float:
    gains = [right.get(key, 0) for key in ranked[:10]]
    ideal = sorted(right.values(), reverse=True)[:10]
    best = sum(g / math.log2(i + 2) for i, g in enumerate(ideal) if g > 0)
    return sum(g / math.log2(i + 2) for i, g in enumerate(gains) if g > 0) / best if best else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--cranfield", type=pathlib.Path)
    parser.add_argument("--sections", type=int, default=800)
    options = parser.parse_args()
    sets = {"headings": lambda: sections(options.sections)}
    if options.cranfield:
        sets["cranfield"] = lambda: cranfield(options.cranfield)
    for name, make in sets.items():
        corpus, queries, right = make()
        where = options.folder / name
        shutil.rmtree(where, ignore_errors=True)
        with hr.open(str(where), model="all-MiniLM-L6-v2") as kb:
            for at in range(0, len(corpus), 500):
                kb.add(corpus[at : at + 500])
            kb.optimize()
            result = {}
            ways = {
                "text": {"mode": "text"},
                "vector": {"mode": "vector"},
                "hybrid": {},
                "rrf": {"fusion": "rrf"},
                "title_weight=1": {"title_weight": 1.0},
            }
            for way, extra in ways.items():
                total = 0.0
                for key, text in queries.items():
                    ranked: list[str] = []
                    for hit in kb.search(text, k=30, **extra):
                        if hit.metadata["id"] not in ranked:
                            ranked.append(hit.metadata["id"])
                    total += ndcg(ranked, right.get(key, {}))
                result[way] = round(total / len(queries), 4)
        print(f"{name}: {len(corpus)} documents, {len(queries)} queries: {result}", flush=True)


if __name__ == "__main__":
    main()
