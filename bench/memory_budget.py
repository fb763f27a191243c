"""Peak memory over a corpus 20 times the budget: budget + 10 % is the bar, for the process that runs.

    .venv/bin/python bench/memory_budget.py [--budget 128] [--times 20] [--model none] [--work FOLDER]

The corpus is made of this machine's documentation (HTML, PDF, text, man pages), some of it packed into
archives and JSONL, with single files from bytes up to a good part of the budget, until its size is
reached. It is made once and kept in the work folder.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADRACE = ROOT / "build" / "headrace"
MIB = 1 << 20


def originals() -> list[pathlib.Path]:
    found = []
    for folder in ("/usr/share/doc", "/usr/share/man"):
        for path in pathlib.Path(folder).rglob("*"):
            if path.suffix in {".html", ".txt", ".pdf", ".gz", ".md", ".rst"} and path.is_file() and not path.is_symlink():
                found.append(path)
    return sorted(found)


def make_corpus(folder: pathlib.Path, size: int, budget: int) -> None:
    folder.mkdir(parents=True)
    sources = originals()
    total = 0
    copy = 0
    while total < size:
        sub = folder / f"{copy:03}"
        sub.mkdir()
        pages: list[pathlib.Path] = []
        for n, path in enumerate(sources):
            if total >= size:
                break
            if path.suffix in {".html", ".txt"} and n % 4 < 3:
                pages.append(path)
                continue
            target = sub / f"{n:05}-{path.name}"
            shutil.copyfile(path, target)
            total += target.stat().st_size
        thirds = [pages[0::3], pages[1::3], pages[2::3]]
        if total < size:
            with zipfile.ZipFile(sub / "pages.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
                for n, path in enumerate(thirds[0]):
                    package.write(path, f"{n:05}-{path.name}")
            total += (sub / "pages.zip").stat().st_size
        if total < size:
            with open(sub / "records.jsonl", "w", encoding="utf-8") as out:
                for n, path in enumerate(thirds[1]):
                    text = re.sub(r"<[^>]+>", " ", path.read_text(encoding="utf-8", errors="replace"))
                    out.write(json.dumps({"id": f"{copy}-{n}", "text": text}) + "\n")
            total += (sub / "records.jsonl").stat().st_size
        if total < size:
            with tarfile.open(sub / "pages.tar", "w") as package:
                for n, path in enumerate(thirds[2]):
                    package.add(path, f"{n:05}-{path.name}")
            total += (sub / "pages.tar").stat().st_size
        # Single files of a sixteenth and an eighth of the budget.
        for part in (16, 8):
            if total >= size:
                break
            with open(sub / f"large-{part}.txt", "w", encoding="utf-8") as out:
                for path in thirds[0]:
                    out.write(re.sub(r"<[^>]+>", " ", path.read_text(encoding="utf-8", errors="replace")))
                    if out.tell() > budget // part:
                        break
            total += (sub / f"large-{part}.txt").stat().st_size
        copy += 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--budget", type=int, default=128, help="MiB")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--model", default="none")
    parser.add_argument("--work", default="/tmp/headrace-memory")
    arguments = parser.parse_args()
    budget = arguments.budget * MIB
    corpus = pathlib.Path(arguments.work) / f"corpus-{arguments.budget}-{arguments.times}"
    if not corpus.exists():
        make_corpus(corpus, budget * arguments.times, budget)
    kb = pathlib.Path(arguments.work) / "kb"
    shutil.rmtree(kb, ignore_errors=True)
    start = time.perf_counter()
    process = subprocess.Popen(
        [HEADRACE, "index", corpus, "--into", kb, "--model", arguments.model, "--memory", f"{arguments.budget}MiB",
         "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
    out, _ = process.communicate()
    report = json.loads(out)
    size = sum(path.stat().st_size for path in corpus.rglob("*") if path.is_file())
    peak = report["peak_rss_bytes"]
    print(f"corpus {size / MIB:.0f} MiB ({size / budget:.1f} × the budget), {report['documents']}, {report['rows']} rows, "
          f"{time.perf_counter() - start:.0f} s")
    print(f"peak RSS {peak / MIB:.1f} MiB, budget {arguments.budget} MiB: {peak / budget:.2f} × the budget")
    shutil.rmtree(kb, ignore_errors=True)
    raise SystemExit(0 if peak <= budget * 1.1 else 1)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
