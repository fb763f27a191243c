#!/usr/bin/env python3
"""Compares Headrace's tokenizer with Hugging Face tokenizers: ids and offsets, text by text; for
short texts also pairs (with token types) and decoding.

    python3 tools/compare_tokenizer.py --model MODEL FILE|FOLDER...      real text
    python3 tools/compare_tokenizer.py --model MODEL --code-points       every code point
    python3 tools/compare_tokenizer.py --model MODEL --random 20000      hostile strings, by --seed:
        tricky ones, as many of random and of damaged bytes, and of added tokens side by side
    python3 tools/compare_tokenizer.py --model MODEL --speed FILE...     bytes per second, one core

MODEL is a tokenizer.json or a folder with one. Files may be gzipped; each is one text, and each
line of a .jsonl is one more. Needs the Python package `tokenizers`. Exit 1 when anything differs.
"""

import argparse
import gzip
import json
import os
import pathlib
import random
import sys
import time

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import headrace as hr
from tokenizers import Tokenizer

SHORT = 2_000  # characters, for pairs and decoding
# Pieces that have been wrong somewhere: marks that sort, characters that map to others, blocks'
# ends, added tokens, invisible characters.
TRICKY = [*"abcXYZ019 \t\n\r\0\x0b\x1f.,'#[]()_-", "[MASK]", "[CLS]", "[SEP]", "[UNK]", "[mask]",
          "##ing", "\u0130", "\u00df", "\u00e9", "e\u0301", "\u0344", "\u1b44", "\u302e",
          "\U0001d165", "\u0323", "\u0345", "\u4e2d", "\uf900", "\ud55c", "\u1100\u1161", "\u00a0",
          "\u3000", "\u2028", "\ufffd", "\ufeff", "\u200b", "\U0001f600",
          "\U0001f468\u200d\U0001f469", "\u2126", "\u0419", "\ufb01", "\u226e", "\u1fc1", "\u037e",
          "\u0ddd", "a" * 99, "b" * 17, "\u00e9" * 50, "hello", "world", "\ue000", "\U0010ffff",
          "\u0378", "\u20e3", "\u201c", "\u2019", "\u2014", "'s", "'LL", "'\u017f", "  ",
          "\r\n", "\u0600", "\u2581", "``", "<0x41>", "\u0915\u094d\u0937", "\ufb01\u0301"]


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


def texts_of_bytes(count, seed):
    """Bytes of chance, and texts whose bytes are damaged: both as what is left when decoded."""
    chance = random.Random(seed)
    for i in range(count):
        data = bytearray(chance.randbytes(chance.choice([1, 10, 100, 1000])))
        if i % 2:
            data = bytearray("".join(chance.choice(TRICKY) for _ in range(50)).encode())
            for _ in range(5):
                data[chance.randrange(len(data))] = chance.randrange(256)
        yield data.decode("utf-8", "replace")


def texts_of_added_tokens(tokenizer, count, seed):
    """Added tokens side by side, with and without something between them."""
    chance = random.Random(seed)
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    for _ in range(count if added else 0):
        yield "".join(chance.choice(added) if chance.random() < 0.6 else chance.choice(TRICKY)
                      for _ in range(chance.choice([2, 5, 20, 100])))


def texts_of_chance(count, seed):
    chance = random.Random(seed)
    blocks = [(0x20, 0x250), (0x300, 0x370), (0x900, 0x1200), (0x1B00, 0x2100), (0x3000, 0xD7FF),
              (0xE000, 0x11000), (0x11000, 0x12000), (0x1D000, 0x1F000)]
    for _ in range(count):
        yield "".join(chance.choice(TRICKY) if chance.random() < 0.7
                      else chr(chance.randrange(*chance.choice(blocks)))
                      for _ in range(chance.choice([1, 2, 3, 5, 8, 13, 30])))


def differences(mine, theirs, text, before):
    found = []
    tokens, encoded = mine.encode(text), theirs.encode(text)
    if tokens.ids.tolist() != encoded.ids:
        found.append("ids")
    elif tokens.offsets.tolist() != [list(pair) for pair in encoded.offsets]:
        found.append("offsets")
    if mine.encode_batch([text]).ids.tolist() != encoded.ids:
        found.append("ids alone")
    if len(text) <= SHORT:
        pair, both = mine.encode_pair(before, text), theirs.encode(before, text)
        if pair.ids.tolist() != both.ids or pair.types.tolist() != both.type_ids:
            found.append("pair")
        for skip in (False, True):
            if not encoded.ids:
                continue
            wanted = theirs.decode(encoded.ids, skip_special_tokens=skip)
            if mine.decode(encoded.ids, skip_special=skip) != wanted:
                found.append(f"decoded, skip_special={skip}")
    return found, len(encoded.ids)


def compare(mine, theirs, texts, totals):
    before = ""
    for text in texts:
        found, tokens = differences(mine, theirs, text, before)
        before = text if len(text) <= SHORT else ""
        totals["texts"] += 1
        totals["bytes"] += len(text.encode())
        totals["tokens"] += tokens
        if found:
            totals["different"] += 1
            if totals["different"] <= 10:
                print(f"differs in {', '.join(found)}: {text[:200]!r}")
        if totals["bytes"] >= totals["most"]:
            return


def speed(mine, theirs, texts):
    """Bytes per second of processor time for both, on the same texts of about 16 KB."""
    parts = [text[i:i + 16_384] for text in texts for i in range(0, len(text), 16_384)]
    size = sum(len(part.encode()) for part in parts)
    out = {"bytes": size}
    for name, run in (("headrace", lambda: mine.encode_batch(parts)),
                      ("tokenizers", lambda: theirs.encode_batch_fast(parts))):
        times = []
        for _ in range(3):
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
        out[name + "_MB_per_s"] = round(size / min(times) / 1e6, 1)
    print(json.dumps(out))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("paths", nargs="*")
    parser.add_argument("--model", required=True)
    parser.add_argument("--code-points", action="store_true")
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--most", type=float, default=1e12, help="stop after so many bytes")
    args = parser.parse_args()
    path = pathlib.Path(args.model)
    mine = hr.Tokenizer(str(path))
    theirs = Tokenizer.from_file(str(path / "tokenizer.json" if path.is_dir() else path))
    theirs.no_truncation()
    theirs.no_padding()
    if args.speed:
        speed(mine, theirs, list(texts_of_files(args.paths)))
        return 0
    totals = dict(texts=0, bytes=0, tokens=0, different=0, most=args.most)

    def all_texts():
        yield from texts_of_files(args.paths)
        if args.code_points:
            yield from texts_of_code_points()
        yield from texts_of_chance(args.random, args.seed)
        yield from texts_of_bytes(args.random, args.seed)
        yield from texts_of_added_tokens(theirs, args.random, args.seed)

    compare(mine, theirs, all_texts(), totals)
    del totals["most"]
    print(json.dumps(totals))
    return 1 if totals["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
