"""A stream of texts of which some come again: `headrace embed` in whole processes, in turn.

    .venv/bin/python bench/repeats.py [TEXTS] [SHARE]

Prints texts a second for a stream without repeats, the same with a share of repeats (without a cache
on disk, and with an empty one), and for a second run over a cache that is full. The bar for 30 % is
1 / 0.72 of the plain rate. Texts are lines of about 60 tokens; the repeats are drawn with a fixed
seed from everything that came before.
"""

import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADRACE = ROOT / "build" / "headrace"
RUNS = 3


def write_stream(path: pathlib.Path, count: int, share: float, seed: int) -> None:
    chance = random.Random(seed)
    words = [f"{a}{b}" for a in ("river", "mill", "stone", "water", "wheel") for b in ("", "s", "ing", "ed")]
    texts: list[str] = []
    for n in range(count):
        if texts and chance.random() < share:
            texts.append(chance.choice(texts))
        else:
            texts.append(f"{n} " + " ".join(chance.choice(words) for _ in range(45)))
    path.write_text("\n".join(texts) + "\n")


def seconds(file: pathlib.Path, cache: str) -> float:
    start = time.perf_counter()
    subprocess.run(
        [str(HEADRACE), "embed", "--cache", cache, str(file)],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
    share = float(sys.argv[2]) if len(sys.argv) > 2 else 0.3
    work = pathlib.Path(tempfile.mkdtemp(prefix="headrace-repeats-"))
    plain, repeats, cache = work / "plain.txt", work / "repeats.txt", work / "cache"
    write_stream(plain, count, 0, 1)
    write_stream(repeats, count, share, 2)
    rates: dict[str, list[float]] = {}
    for _ in range(RUNS):
        shutil.rmtree(cache, ignore_errors=True)
        for name, file, where in (
            ("no repeats, no cache", plain, "off"),
            (f"{share:.0%} repeats, no cache", repeats, "off"),
            (f"{share:.0%} repeats, an empty cache", repeats, str(cache)),
            (f"{share:.0%} repeats, a full cache", repeats, str(cache)),
        ):
            rates.setdefault(name, []).append(count / seconds(file, where))
    shutil.rmtree(work)
    first = statistics.median(next(iter(rates.values())))
    print("| stream | texts a second (median of three) | to plain |\n| --- | --- | --- |")
    for name, values in rates.items():
        rate = statistics.median(values)
        print(f"| {name} | {rate:,.0f} | {rate / first:.2f} |")


if __name__ == "__main__":
    os.environ.pop("HEADRACE_CACHE", None)
    main()
