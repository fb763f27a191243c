#!/usr/bin/env python3
"""How well, and how fast, the HTML decoder finds the main content of web pages.

Works on a folder with html/*.html.gz and ground-truth.json (each page's articleBody), as the
article-extraction benchmark of Zyte has them, and measures as that benchmark does: multisets of
4-word shingles, each page's counts normalised, precision and recall averaged over the pages, F1 of
the two averages.

  evaluate_articles.py --data FOLDER --driver BUILD/.../html_bench [--trafilatura PYTHON]
                       [--half 0|1] [--details N]

--trafilatura runs the peer in its own environment (the interpreter given) over the same pages.
"""

import argparse
import collections
import gzip
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

WORD = re.compile(r"\w+")

PEER = """
import json, resource, sys
import trafilatura
from trafilatura import extract
pages = [(path, open(path, 'rb').read()) for path in sys.argv[1:]]
extract(pages[0][1])
start = resource.getrusage(resource.RUSAGE_SELF).ru_utime
texts = {path: extract(page, include_comments=False) or '' for path, page in pages}
seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime - start
print(json.dumps({'texts': texts, 'seconds': seconds, 'version': trafilatura.__version__}))
"""


def shingles(text: str) -> collections.Counter:
    words = WORD.findall(text)
    counts = collections.Counter()
    for i in range(max(1, len(words) - 3)):
        if words[i : i + 4]:
            counts[tuple(words[i : i + 4])] += 1
    return counts


def compare(true: str, found: str) -> tuple[float, float, float]:
    """Shares of right, surplus and missing shingles; they sum to 1 (or all are 0)."""
    wanted, got = shingles(true), shingles(found)
    right = (wanted & got).total()
    surplus, missing = got.total() - right, wanted.total() - right
    total = right + surplus + missing
    return (right / total, surplus / total, missing / total) if total else (0.0, 0.0, 0.0)


def precision(right: float, surplus: float, missing: float) -> float:
    if surplus == missing == 0:
        return 1.0
    return right / (right + surplus) if right + surplus else 0.0


def recall(right: float, surplus: float, missing: float) -> float:
    if surplus == missing == 0:
        return 1.0
    return right / (right + missing) if right + missing else 0.0


def score(shares: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    p = statistics.mean(precision(*s) for s in shares if s[0] + s[1] > 0)
    r = statistics.mean(recall(*s) for s in shares if s[0] + s[2] > 0)
    return 2 * p * r / (p + r), p, r


def report(name: str, truth: dict, found: dict, details: int) -> float:
    shares = {key: compare(truth[key]["articleBody"], found[key]) for key in truth}
    f1, p, r = score(list(shares.values()))
    print(f"{name:<12} F1 {f1:.4f}  precision {p:.4f}  recall {r:.4f}  pages {len(truth)}")
    for key, share in sorted(shares.items(), key=lambda item: item[1][0])[:details]:
        print(f"  {share[0]:.3f} surplus {share[1]:.3f} missing {share[2]:.3f}  {key[:12]}  "
              f"{truth[key].get('url', '')[:90]}")
    return f1


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=pathlib.Path, required=True)
    arguments.add_argument("--driver", type=lambda path: pathlib.Path(path).resolve(), required=True)
    arguments.add_argument("--trafilatura", metavar="PYTHON", help="interpreter that has it")
    arguments.add_argument("--half", type=int, choices=(0, 1), help="only every other page")
    arguments.add_argument("--details", type=int, default=0, help="list the worst pages")
    arguments.add_argument("--least-f1", type=float, default=0.0, help="exit 1 below it")
    arguments.add_argument("--no-speed", action="store_true")
    options = arguments.parse_args()
    truth = json.loads((options.data / "ground-truth.json").read_text("utf-8"))
    if options.half is not None:
        truth = {key: truth[key] for key in sorted(truth)[options.half :: 2]}
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for key in truth:
            page = gzip.decompress((options.data / "html" / f"{key}.html.gz").read_bytes())
            paths[key] = str(pathlib.Path(folder) / f"{key}.html")
            pathlib.Path(paths[key]).write_bytes(page)
        files = list(paths.values())
        lines = subprocess.run([options.driver, "--extract", *files], check=True,
                               capture_output=True).stdout.splitlines()
        by_file = {entry["file"]: entry["text"] for entry in map(json.loads, lines)}
        found = {key: by_file[paths[key]] for key in truth}
        f1 = report("headrace", truth, found, options.details)
        if not options.no_speed:
            subprocess.run([options.driver, "--measure", *files], check=True)
        if options.trafilatura:
            output = subprocess.run([options.trafilatura, "-c", PEER, *files], check=True,
                                    capture_output=True).stdout
            peer = json.loads(output)
            report(f"trafilatura {peer['version']}", truth,
                   {key: peer["texts"][paths[key]] for key in truth}, options.details)
            print(f"decode   {len(files) / peer['seconds']:8.1f} pages/s")
    return 0 if f1 >= options.least_f1 else 1


if __name__ == "__main__":
    sys.exit(main())
