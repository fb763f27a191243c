"""Chunks of real text and queries for bench/text_peers.py, from Debian's documentation.

    python bench/make_text.py FOLDER [--chunks 200000] [--words 60] [--queries 4000]

Leaves FOLDER/chunks.jsonl ({"id", "text", "folder", "number"}) and FOLDER/queries.txt. Queries are
what people type: headings of the documentation, questions made from them, and pieces of sentences
(each a third). The packages postgresql-doc-15, python3.11-doc, openjdk-17-doc and man pages are
read where they are installed; overlapping windows fill up to the number of chunks.
"""

from __future__ import annotations

import argparse
import gzip
import html
import json
import pathlib
import random
import re

FOLDERS = ["postgresql-doc-15", "python3.11", "python3.11-doc", "openjdk-17-jre-headless", "openjdk-17-doc"]
QUESTIONS = ["how do I {}", "what is {}", "{} example", "when should I use {}", "why does {} fail"]


def documents() -> list[tuple[str, str, list[str]]]:
    """(folder, text, headings) of each document, in a fixed order."""
    found = []
    for folder in FOLDERS:
        base = pathlib.Path("/usr/share/doc") / folder
        files = sorted({p.resolve() for p in base.rglob("*.html")}) if base.exists() else []
        for file in files:
            raw = file.read_text(errors="replace")
            raw = re.sub(r"(?is)<(script|style|nav|header|footer)\b.*?</\1>", " ", raw)
            headings = [plain(h) for h in re.findall(r"(?is)<h[1-4]\b[^>]*>(.*?)</h[1-4]>", raw)]
            found.append((folder, plain(raw), headings))
    for file in sorted(pathlib.Path("/usr/share/man").glob("man*/*.gz")):
        try:
            raw = gzip.open(file, "rt", errors="replace").read()
        except OSError:
            continue
        text = re.sub(r"(?m)^\.\\\".*$|^\.[A-Za-z]+|\\f[A-Z]|\\-|\\", " ", raw)
        found.append(("man", " ".join(text.split()), []))
    return found


def plain(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).replace("¶", " ").split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--chunks", type=int, default=200_000)
    parser.add_argument("--words", type=int, default=60)
    parser.add_argument("--queries", type=int, default=4000)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    random.seed(7)
    docs = documents()
    seen: set[str] = set()
    chunks: list[tuple[str, str]] = []
    for step in (options.words, options.words // 2, options.words // 3, options.words // 6):
        for folder, text, _ in docs:
            words = text.split()
            for begin in range(0, len(words), step):
                piece = " ".join(words[begin : begin + options.words])
                if len(piece) > 80 and piece not in seen:
                    seen.add(piece)
                    chunks.append((folder, piece))
            if len(chunks) >= options.chunks * 1.1:
                break
    random.shuffle(chunks)
    chunks = chunks[: options.chunks]
    with open(options.folder / "chunks.jsonl", "w") as out:
        for number, (folder, text) in enumerate(chunks):
            row = {"id": str(number), "text": text, "folder": folder, "number": number}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    headings = sorted({h for _, _, hs in docs for h in hs if 1 < len(h.split()) < 9})
    random.shuffle(headings)
    queries = []
    for i in range(options.queries):
        heading = headings[i % len(headings)]
        heading = re.sub(r"^[\d.]+\s*", "", heading)
        if i % 3 == 0:
            queries.append(heading)
        elif i % 3 == 1:
            queries.append(random.choice(QUESTIONS).format(heading.lower()))
        else:
            words = random.choice(chunks)[1].split()
            begin = random.randrange(max(1, len(words) - 9))
            queries.append(" ".join(words[begin : begin + random.randrange(3, 9)]))
    queries = [" ".join(re.findall(r"\w+", q)) for q in queries]
    (options.folder / "queries.txt").write_text("\n".join(q for q in queries if q) + "\n")
    size = sum(len(text) for _, text in chunks)
    print(f"{len(chunks)} chunks, {size / 1e6:.1f} MB, {len(queries)} queries")


if __name__ == "__main__":
    main()
