#!/usr/bin/env python3
"""Compares `headrace tokenize` with Hugging Face tokenizers: ids and offsets, text by text.

    python3 tools/compare_tokenizer.py --model MODEL FILE|FOLDER...      real text
    python3 tools/compare_tokenizer.py --model MODEL --code-points       every code point
    python3 tools/compare_tokenizer.py --model MODEL --random 20000      hostile strings, by --seed

MODEL is a folder with a tokenizer.json. Files may be gzipped; each is one text, and each line of a
.jsonl is one more. Needs the Python package `tokenizers`. Exit 1 when anything differs.
"""

import argparse
import gzip
import json
import pathlib
import random
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer

BATCH_CHARACTERS = 4_000_000
# Pieces that have been wrong somewhere: marks that sort, characters that map to others, blocks'
# ends, added tokens, invisible characters.
TRICKY = [*"abcXYZ019 \t\n\r\0\x0b\x1f.,'#[]()_-", "[MASK]", "[CLS]", "[SEP]", "[UNK]", "[mask]",
          "##ing", "\u0130", "\u00df", "\u00e9", "e\u0301", "\u0344", "\u1b44", "\u302e",
          "\U0001d165", "\u0323", "\u0345", "\u4e2d", "\uf900", "\ud55c", "\u1100\u1161", "\u00a0",
          "\u3000", "\u2028", "\ufffd", "\ufeff", "\u200b", "\U0001f600",
          "\U0001f468\u200d\U0001f469", "\u2126", "\u0419", "\ufb01", "\u226e", "\u1fc1", "\u037e",
          "\u0ddd", "a" * 99, "b" * 17, "\u00e9" * 50, "hello", "world", "\ue000", "\U0010ffff",
          "\u0378", "\u20e3", "\u201c", "\u2019", "\u2014"]


def files(paths):
    for path in map(pathlib.Path, paths):
        yield from (sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path])


def texts_of_files(paths):
    for path in files(paths):
        opener = gzip.open if path.suffix == ".gz" else open
        try:
            with opener(path, "rb") as file:
                data = file.read()
        except (OSError, EOFError):
            continue
        if b"\0" in data[:4096]:
            continue
        text = data.decode("utf-8", "replace")
        yield text
        if path.suffix == ".jsonl":
            yield from text.split("\n")


def scalar_values():
    return (chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF)


def texts_of_code_points():
    for before, after in (("a", "b"), ("", ""), ("!", "\u1b44\u0301 \u0301Q"),
                          ("e\u0301\u302e", "\u0323\U0001d165\u1b44z")):
        yield from (before + c + after for c in scalar_values())


def texts_of_chance(count, seed):
    chance = random.Random(seed)
    blocks = [(0x20, 0x250), (0x300, 0x370), (0x900, 0x1200), (0x1B00, 0x2100), (0x3000, 0xD7FF),
              (0xE000, 0x11000), (0x11000, 0x12000), (0x1D000, 0x1F000)]
    for _ in range(count):
        yield "".join(chance.choice(TRICKY) if chance.random() < 0.7
                      else chr(chance.randrange(*chance.choice(blocks)))
                      for _ in range(chance.choice([1, 2, 3, 5, 8, 13, 30])))


def ours(args, texts):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        for text in texts:
            file.write(json.dumps({"text": text}) + "\n")
        file.flush()
        command = [args.headrace, "tokenize", "--json", "--model", args.model, file.name]
        done = subprocess.run(command, check=True, capture_output=True)
    lines = done.stdout.decode().splitlines()
    if len(lines) != len(texts):
        sys.exit(f"{len(texts)} texts in, {len(lines)} lines out")
    return map(json.loads, lines)


def compare(args, tokenizer, texts, totals):
    for text, mine, theirs in zip(texts, ours(args, texts), tokenizer.encode_batch(texts)):
        totals["texts"] += 1
        totals["bytes"] += len(text.encode())
        totals["tokens"] += len(theirs.ids)
        offsets = [list(pair) for pair in theirs.offsets]
        if mine["ids"] == theirs.ids and mine["offsets"] == offsets:
            continue
        totals["different"] += 1
        if totals["different"] <= 10:
            print(f"differs: {text[:200]!r}\n  theirs {theirs.ids[:40]} {offsets[:40]}\n"
                  f"  ours   {mine['ids'][:40]} {mine['offsets'][:40]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("paths", nargs="*")
    parser.add_argument("--model", required=True)
    parser.add_argument("--headrace", default="build/headrace")
    parser.add_argument("--code-points", action="store_true")
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(pathlib.Path(args.model) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    totals = dict(texts=0, bytes=0, tokens=0, different=0)
    batch, size = [], 0

    def all_texts():
        yield from texts_of_files(args.paths)
        if args.code_points:
            yield from texts_of_code_points()
        yield from texts_of_chance(args.random, args.seed)

    for text in all_texts():
        batch.append(text)
        size += len(text)
        if size > BATCH_CHARACTERS:
            compare(args, tokenizer, batch, totals)
            batch, size = [], 0
    compare(args, tokenizer, batch, totals)
    print(json.dumps(totals))
    return 1 if totals["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
