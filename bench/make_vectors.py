"""Vectors of real text for bench/vector_peers.py: passages of Debian's documentation, embedded by
`headrace embed` with the default model, in parts (a stopped run goes on), cached as one .npy.

    .venv/bin/python bench/make_vectors.py FOLDER [--rows 60000] [--words 22] [--queries 2000]

Leaves FOLDER/real.npy (rows to index) and FOLDER/real_queries.npy (passages of other documents).
With --synthetic N it leaves FOLDER/synthetic.npy instead: a mixture of low intrinsic dimension made
from the statistics of real.npy (see `synthetic`).
"""

import argparse
import html
import os
import pathlib
import random
import re
import subprocess

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ["openjdk-17-doc", "postgresql-doc-15", "python3.11-doc", "openjdk-17-jre-headless"]
PART = 4000


def passages(words: int, limit: int) -> list[str]:
    """Passages of about `words` words, each once, from all documents in a seeded order."""
    files = []
    for folder in FOLDERS:
        base = pathlib.Path("/usr/share/doc") / folder
        if base.exists():
            files += [p for p in base.resolve().rglob("*.html") if p.is_file()]
    files = sorted(set(files))
    random.Random(1).shuffle(files)
    seen, out = set(), []
    for file in files:
        text = file.read_text(errors="replace")
        text = re.sub(r"\s+", " ", text)
        text = re.sub(r"(?is)<(script|style|nav|header|footer)\b.*?</\1>", " ", text)
        text = re.sub(r"(?i)</(p|li|td|div|h\d|pre|dd|dt|tr)>|<br", "\n<", text)
        for line in html.unescape(re.sub(r"<[^>]*>", " ", text)).split("\n"):
            parts = line.split()
            for begin in range(0, len(parts), words):
                piece = " ".join(parts[begin : begin + words])[: words * 9]
                if len(piece) < 40 or piece in seen:
                    continue
                seen.add(piece)
                out.append(piece)
                if len(out) == limit:
                    return out
    return out


def embed(texts: list[str], folder: pathlib.Path) -> np.ndarray:
    model = subprocess.check_output(
        [str(ROOT / ".venv/bin/python"), str(ROOT / "tools/model_folder.py")], text=True
    ).strip()
    parts = []
    for begin in range(0, len(texts), PART):
        part = folder / f"part-{begin // PART:04d}.npy"
        if not part.exists():
            lines = "\n".join(texts[begin : begin + PART]) + "\n"
            done = subprocess.run(
                [os.environ.get("HEADRACE", str(ROOT / "build/headrace")), "embed", "--model", model, "--format", "npy", "-"],
                input=lines.encode(),
                stdout=subprocess.PIPE,
                check=True,
            )
            part.write_bytes(done.stdout)
        parts.append(np.load(part))
    return np.concatenate(parts)


def synthetic(real: np.ndarray, rows: int, seed: int) -> np.ndarray:
    """Rows that are as hard to tell apart as real ones: each takes a real row as its centre and
    moves along the differences of that row's neighbourhood (pairs of rows of one cluster)."""
    rng = np.random.default_rng(seed)
    order = np.argsort(real @ rng.standard_normal(real.shape[1]).astype(np.float32))
    base = real[order]
    out = np.empty((rows, real.shape[1]), np.float32)
    for begin in range(0, rows, 50_000):
        n = min(50_000, rows - begin)
        at = rng.integers(0, len(base), n)
        step = rng.integers(1, 4000, (n, 2))
        a = base[np.minimum(at + step[:, 0], len(base) - 1)]
        b = base[np.maximum(at - step[:, 1], 0)]
        weight = rng.uniform(0.15, 0.5, (n, 1)).astype(np.float32)
        part = base[at] + weight * (a - b)
        out[begin : begin + n] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--words", type=int, default=22)
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--synthetic", type=int, default=0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.synthetic:
        real = np.load(options.folder / "real.npy")
        rows = synthetic(real, options.synthetic + options.queries, 7)
        np.save(options.folder / "synthetic.npy", rows[: options.synthetic])
        np.save(options.folder / "synthetic_queries.npy", rows[options.synthetic :])
        return
    texts = passages(options.words, options.rows + options.queries)
    rows = embed(texts, options.folder)
    np.save(options.folder / "real.npy", rows[: -options.queries])
    np.save(options.folder / "real_queries.npy", rows[-options.queries :])


if __name__ == "__main__":
    main()
