"""Peak memory over a corpus 20 times the budget: budget + 10 % is the bar, for the process that runs.

    .venv/bin/python bench/memory_budget.py [--budget 64] [--times 20] [--model none] [--work FOLDER]

The corpus is made of this machine's documentation until its size is reached, and kept in the work
folder: most of it pages as the web has them (a text of some kilobytes within a lot of scripts and
styles, which makes the corpus large and quick to read), the rest archives, JSONL, manuals in PDF, plain
pages, and single texts of a sixteenth of the budget up to the largest that one document may have.
With --documents it is pages without scripts and archives of them, and no large texts: for short runs
with a model.

Two peaks are printed: what the process says of itself (VmHWM), which the bar is about, and what it and
its workers held together at one moment (the sum of their anonymous and private pages, looked at every
20 ms), since pages that processes share are counted once by the machine.
"""

import argparse
import json
import pathlib
import random
import re
import shutil
import subprocess
import tarfile
import threading
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADRACE = ROOT / "build" / "headrace"
MIB = 1 << 20


def pages() -> list[bytes]:
    found = []
    for folder in ("/usr/share/doc/postgresql-doc-15", "/usr/share/doc/python3.11-doc", "/usr/share/doc"):
        for path in sorted(pathlib.Path(folder).rglob("*.html")) if pathlib.Path(folder).is_dir() else []:
            if path.is_file() and not path.is_symlink():
                found.append(path.read_bytes())
            if len(found) == 1500:
                return found
    return found


def manuals() -> list[pathlib.Path]:
    paths = pathlib.Path("/usr/share").rglob("*.pdf")
    return sorted(path for path in paths if path.is_file() and not path.is_symlink() and path.stat().st_size < 4 * MIB)


def text_of(page: bytes) -> str:
    return re.sub(r"[ \t]+", " ", re.sub(r"<[^>]+>", " ", page.decode("utf-8", errors="replace")))


class Corpus:
    """Files of each kind in turn until the size is reached; the same ones for the same arguments."""

    def __init__(self, folder: pathlib.Path, size: int, budget: int, documents: bool) -> None:
        self.folder, self.size, self.budget, self.documents = folder, size, budget, documents
        self.random = random.Random(1)
        self.pages = pages()
        self.texts = [text_of(page) for page in self.pages]
        self.manuals = manuals()
        self.script = ("<script>" + "var a={b:1,c:[2,3]};function f(x){return x+a.b}\n" * 4096 + "</script>").encode()
        self.total = 0
        self.next = 0

    def take(self) -> int:
        self.next += 1
        return self.next % len(self.pages)

    def written(self, path: pathlib.Path) -> None:
        self.total += path.stat().st_size

    def write(self, path: pathlib.Path, data: bytes) -> None:
        path.write_bytes(data)
        self.total += len(data)

    def make(self) -> None:
        batch = 0
        while self.total < self.size:
            sub = self.folder / f"{batch:04}"
            sub.mkdir(parents=True)
            if batch % 8 == 0 and not self.documents:
                self.large(sub, batch // 8)
            elif batch % 16 in (4, 12):
                self.containers(sub)
            else:
                self.web(sub)
            batch += 1

    def web(self, sub: pathlib.Path) -> None:
        for n in range(64):
            page = self.pages[self.take()]
            if not self.documents:
                head = page.find(b"</head>")
                page = page[:head] + self.script * self.random.randint(1, 3) + page[head:]
            self.write(sub / f"{n:03}.html", page)

    def containers(self, sub: pathlib.Path) -> None:
        chosen = [self.take() for _ in range(96)]
        with zipfile.ZipFile(sub / "pages.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
            for n in chosen[:32]:
                package.writestr(f"{n:04}.html", self.pages[n])
        with tarfile.open(sub / "pages.tar", "w") as package:
            for n in chosen[32:64]:
                (sub / "page").write_bytes(self.pages[n])
                package.add(sub / "page", f"{n:04}.html")
        (sub / "page").unlink()
        with open(sub / "records.jsonl", "w", encoding="utf-8") as out:
            for n in chosen[64:]:
                out.write(json.dumps({"id": str(n), "text": self.texts[n]}) + "\n")
        for name in ("pages.zip", "pages.tar", "records.jsonl"):
            self.written(sub / name)
        if self.manuals:
            manual = self.manuals[self.next // 96 % len(self.manuals)]
            shutil.copyfile(manual, sub / manual.name)
            self.written(sub / manual.name)

    def large(self, sub: pathlib.Path, turn: int) -> None:
        kinds = ("txt", "html", "json", "zip")
        bytes_max = self.budget // 16 if turn // 4 % 2 == 1 else self.budget // PART_MAX - 4096
        kind = kinds[turn % len(kinds)]
        text = ""
        while len(text) < bytes_max:
            text += self.texts[self.take()]
        text = text.encode()[:bytes_max].decode("utf-8", errors="ignore")
        if kind == "html":
            body = "".join(f"<p>{part.replace('<', ' ')}</p>" for part in text.split("\n\n"))
            text = "<html><body>" + body
            self.write(sub / "large.html", text.encode()[:bytes_max])
        elif kind == "json":
            lines = [line for line in text.split("\n") if line.strip()]
            self.write(sub / "large.json", json.dumps({"lines": lines[: len(lines) * 3 // 4]}).encode()[: bytes_max])
        elif kind == "zip":
            with zipfile.ZipFile(sub / "large.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
                package.writestr("large.txt", text)
            self.written(sub / "large.zip")
        else:
            self.write(sub / "large.txt", text.encode()[:bytes_max])


# The largest text of one document is the budget divided by this (docs: --memory).
PART_MAX = 10


def held_bytes(pid: int) -> int:
    """What a process holds alone: anonymous pages and its own copies of others."""
    total = 0
    try:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Private_Clean:", "Private_Dirty:")):
                total += int(line.split()[1]) * 1024
    except (OSError, IndexError):
        return 0
    return total


def children(pid: int) -> list[int]:
    try:
        return [int(word) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
                for word in (task / "children").read_text().split()]
    except OSError:
        return []


def run(command: list, seen: dict) -> dict:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def watch() -> None:
        while process.poll() is None:
            workers = children(process.pid)
            together = held_bytes(process.pid) + sum(held_bytes(worker) for worker in workers)
            seen["together"] = max(seen.get("together", 0), together)
            seen["workers"] = max(seen.get("workers", 0), len(workers))
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    out, _ = process.communicate()
    watcher.join()
    return json.loads(out)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--budget", type=int, default=64, help="MiB")
    parser.add_argument("--times", type=float, default=20)
    parser.add_argument("--model", default="none")
    parser.add_argument("--documents", action="store_true", help="pages without scripts, no large texts")
    parser.add_argument("--work", default="/tmp/headrace-memory")
    arguments = parser.parse_args()
    budget = arguments.budget * MIB
    name = f"corpus-{arguments.budget}-{arguments.times:g}{'-documents' if arguments.documents else ''}"
    corpus = pathlib.Path(arguments.work) / name
    if not (corpus / "made").exists():
        shutil.rmtree(corpus, ignore_errors=True)
        Corpus(corpus, int(budget * arguments.times), budget, arguments.documents).make()
        (corpus / "made").write_text("complete\n")
    kb = pathlib.Path(arguments.work) / "kb"
    shutil.rmtree(kb, ignore_errors=True)
    start = time.perf_counter()
    seen: dict = {}
    report = run([HEADRACE, "index", corpus, "--into", kb, "--model", arguments.model,
                  "--memory", f"{arguments.budget}MiB", "--json"], seen)
    if "error" in report:
        raise SystemExit(report["error"])
    size = sum(path.stat().st_size for path in corpus.rglob("*") if path.is_file())
    peak = report["peak_rss_bytes"]
    print(f"corpus {size / MIB:.0f} MiB ({size / budget:.1f} × the budget), {report['documents']}, {report['rows']} rows, "
          f"{time.perf_counter() - start:.0f} s")
    print(f"peak RSS {peak / MIB:.1f} MiB, budget {arguments.budget} MiB: {peak / budget:.2f} × the budget")
    print(f"with {seen['workers']} workers, at one moment: {seen['together'] / MIB:.1f} MiB")
    shutil.rmtree(kb, ignore_errors=True)
    raise SystemExit(0 if peak <= budget * 1.1 else 1)


if __name__ == "__main__":
    main()
