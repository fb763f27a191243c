#!/usr/bin/env python3
"""Compares Headrace with Hugging Face tokenizers over settings that no published model may have:
small tokenizer.json files of every model, pre-tokenizer and post-processor with each other, their
flags, prefixes, suffixes and gaps in the vocabulary drawn at random. Ids and offsets must be the
same, or the file refused as unsupported.

    python3 tools/compare_tokenizer_settings.py [--rounds 2000] [--seed 1]

Needs the Python package `tokenizers`. Exit 1 when anything differs.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import sys
import tempfile

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import headrace as hr
from tokenizers import Tokenizer, pre_tokenizers

TEXTS = ["", "ab", "abab a", " ab  b", "the the1 cafe", "\u00e9", "a\u00e9b \u6587", "x<s>a <s> b",
         "a\nb\r\n", "tok0 tok3tok7", "don't 12 a!", "\u00a0a\u3000", "  ", "a" * 40, "aXYb XaY"]
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())


def byte_level(prefix=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True,
            "use_regex": regex}


def split(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated",
            "invert": False}


def draw_pre_tokenizer(draw):
    return draw.choice([
        None, byte_level(), byte_level(), byte_level(True), byte_level(False, False),
        {"type": "Sequence", "pretokenizers": [split(r" ?\p{L}+"), byte_level(False, False)]},
        {"type": "WhitespaceSplit"}, {"type": "BertPreTokenizer"}, split(r" ?\p{L}+|\s"),
        {"type": "Metaspace", "replacement": "\u2581", "split": True,
         "prepend_scheme": draw.choice(["always", "first", "never"])}])


def draw_vocabulary(draw, prefix, suffix):
    """Tokens without order: letters, their decorated forms, words, symbols of bytes."""
    tokens = {"<unk>", *draw.sample(list("abtheXcf1 .'\u00e9\u6587\u2581"), draw.randrange(4, 14)),
              *draw.sample(["ab", "the", "th", " a", "\u0120", "\u0120a", "\u2581a", "\u010a", "aa",
                            "\u00c3", "\u00a9", "\u00c3\u00a9", "caf", "  ", " ", "a b"], 6)}
    if draw.random() < 0.4:
        tokens.update(BYTES if draw.random() < 0.6 else draw.sample(BYTES, 240))
    for token in sorted(tokens - {"<unk>"}):
        if prefix and draw.random() < 0.7:
            tokens.add(prefix + token)
        if suffix and draw.random() < 0.7:
            tokens.add(token + suffix)
        if prefix and suffix and draw.random() < 0.5:
            tokens.add(prefix + token + suffix)
    if draw.random() < 0.4:
        tokens.update(f"<0x{byte:02X}>" for byte in
                      (range(256) if draw.random() < 0.6 else draw.sample(range(256), 200)))
    tokens = sorted(tokens)
    draw.shuffle(tokens)
    return tokens


def draw_merges(draw, tokens, prefix):
    """Pairs whose join is a token as well."""
    known = set(tokens)
    merges = [[a, b] for a in tokens for b in tokens
              if len(a) + len(b) < 8 and b.startswith(prefix) and a + b[len(prefix):] in known]
    draw.shuffle(merges)
    return merges[:20]


def draw_model(draw):
    prefix = draw.choice(["", "", "##"])
    suffix = draw.choice(["", "", "</w>"])
    kind = draw.choice(["BPE", "BPE", "BPE", "Unigram", "WordPiece", "WordLevel"])
    tokens = draw_vocabulary(draw, prefix, suffix)
    flag = lambda: draw.random() < 0.5
    vocabulary = {token: i for i, token in enumerate(tokens)}
    if kind == "BPE":
        return {"type": "BPE", "dropout": None, "unk_token": draw.choice([None, "<unk>"]),
                "continuing_subword_prefix": prefix or None, "end_of_word_suffix": suffix or None,
                "fuse_unk": flag(), "byte_fallback": flag(), "ignore_merges": flag(),
                "vocab": vocabulary, "merges": draw_merges(draw, tokens, prefix)}
    if kind == "Unigram":
        tokens += draw.sample(tokens, draw.choice([0, 3]))  # twice
        return {"type": "Unigram", "unk_id": tokens.index("<unk>"), "byte_fallback": flag(),
                "vocab": [[token, -draw.randrange(1, 2000) / 128] for token in tokens]}
    model = {"type": kind, "unk_token": "<unk>", "vocab": vocabulary}
    if kind == "WordPiece":
        model |= {"continuing_subword_prefix": "##",
                  "max_input_chars_per_word": draw.choice([5, 100])}
    return model


def draw_tokenizer(draw):
    added = [{"id": i, "content": content, "single_word": draw.random() < 0.2,
              "lstrip": draw.random() < 0.2, "rstrip": draw.random() < 0.2,
              "normalized": draw.random() < 0.3, "special": draw.random() < 0.5}
             for i, content in enumerate(draw.sample(["<s>", "tok0", "XY", "\u00e9", "aa"], 2))]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": draw.choice([None, None, {"type": "NFC"}, {"type": "Lowercase"},
                                       {"type": "Prepend", "prepend": "\u2581"}]),
            "pre_tokenizer": draw_pre_tokenizer(draw),
            "post_processor": draw.choice([None, byte_level(), byte_level(True),
                                           byte_level() | {"trim_offsets": False}]),
            "decoder": None, "model": draw_model(draw)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    counts = collections.Counter()
    folder = pathlib.Path(tempfile.mkdtemp())
    for round_ in range(options.rounds):
        draw = random.Random(f"{options.seed} {round_}")
        text = json.dumps(draw_tokenizer(draw))
        try:
            theirs = Tokenizer.from_str(text)
        except Exception:
            counts["no file for either"] += 1
            continue
        path = folder / "tokenizer.json"
        path.write_text(text)
        try:
            ours = hr.Tokenizer(str(path))
        except hr.Unsupported as error:
            counts["refused: " + str(error).split(": ", 1)[-1][:90]] += 1
            continue
        except hr.Error as error:
            print(f"{error}")
            counts["different"] += 1
            continue
        differs = False
        for sample in TEXTS + ["".join(draw.choices(TEXTS, k=3)) for _ in range(5)]:
            wanted = theirs.encode(sample)
            ids, offsets = ours.encode(sample)
            if (ids.tolist(), [tuple(o) for o in offsets.tolist()]) == (wanted.ids, wanted.offsets):
                continue
            if not differs:
                kept = folder / f"{options.seed}-{round_}.json"
                kept.write_text(text)
                print(f"{kept}: {sample!r}\n  {list(zip(wanted.ids, wanted.offsets))}\n"
                      f"  {list(zip(ids.tolist(), map(tuple, offsets.tolist())))}")
            differs = True
        counts["different" if differs else "the same"] += 1
    for name, count in counts.most_common():
        print(f"{count:6} {name}")
    sys.exit(1 if counts["different"] else 0)


if __name__ == "__main__":
    main()
