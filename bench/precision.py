"""What a lower precision costs: cosine to fp32 and nDCG@10 of exact vector search on Cranfield.

    HEADRACE_TEST_DATA=… bench/precision.py [--documents 1400]
"""

import argparse
import json
import math
import os
import pathlib

import numpy as np

import headrace


def ndcg(documents: np.ndarray, queries: np.ndarray, ids: list[str], wanted: list[dict[str, int]]) -> float:
    scores = queries @ documents.T
    total = []
    for row, relevant in zip(scores, wanted, strict=True):
        ideal = sum(
            (2**grade - 1) / math.log2(place + 2)
            for place, grade in enumerate(sorted((max(g, 0) for g in relevant.values()), reverse=True)[:10])
        )
        if ideal == 0:
            continue
        gain = sum(
            (2 ** max(relevant.get(ids[i], 0), 0) - 1) / math.log2(place + 2)
            for place, i in enumerate(np.argsort(-row, kind="stable")[:10])
        )
        total.append(gain / ideal)
    return sum(total) / len(total)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=0)
    arguments = parser.parse_args()
    folder = pathlib.Path(os.environ["HEADRACE_TEST_DATA"]) / "cranfield"
    lines = (folder / "corpus.jsonl").read_text().splitlines()
    corpus = [json.loads(line) for line in lines[: arguments.documents or len(lines)]]
    queries = [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]
    relevant: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text().splitlines():
        fields = line.split()
        if fields[-1].lstrip("-").isdigit():
            relevant.setdefault(fields[0], {})[fields[-2]] = int(fields[-1])
    texts = [f"{d.get('title', '')}\n{d['text']}" for d in corpus]
    ids = [d["_id"] for d in corpus]
    wanted = [relevant.get(q["_id"], {}) for q in queries]
    reference = None
    for precision in ("fp32", "bf16", "int16", "int8"):
        model = headrace.Model(precision=precision)
        vectors = model.embed(texts)
        asked = model.embed([q["text"] for q in queries])
        if reference is None:
            reference = vectors, asked
        cosines = [
            (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
            for a, b in zip(reference, (vectors, asked), strict=True)
        ]
        print(
            f"{precision}: nDCG@10 {ndcg(vectors, asked, ids, wanted):.4f}, cosine to fp32 of texts mean "
            f"{cosines[0].mean():.5f} least {cosines[0].min():.5f}, of queries mean {cosines[1].mean():.5f} "
            f"least {cosines[1].min():.5f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
