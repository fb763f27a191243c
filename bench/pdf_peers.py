"""PDF text: pages a second beside PyMuPDF and pypdf, and whether the words are those of PDFium itself.

    .venv/bin/python bench/pdf_peers.py --peer-python PEERS/bin/python [--pdfs FOLDER] [--runs 3]

Ours is the whole command `headrace index FOLDER --model none` (decode, chunk, index), the peers only
extract text; both use two cores (a peer one process for each half of the pages). Words: the multiset
of words of each document as PDFium gives them page by page (FPDFText_GetText), against those of all
rows. Words that PDFium gives cut by a hyphen at a line's end are joined first.
"""

import argparse
import collections
import json
import pathlib
import re
import statistics
import subprocess
import tempfile
import time
import unicodedata

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADRACE = ROOT / "build" / "headrace"

PEER = """
import multiprocessing, sys, time
tool, runs, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
files = sys.argv[4:]

def pages_of(path):
    if tool == "pymupdf":
        import pymupdf
        return len(pymupdf.open(path))
    import pypdf
    return len(pypdf.PdfReader(path).pages)

def work(job):
    path, first, last = job
    size = 0
    if tool == "pymupdf":
        import pymupdf
        document = pymupdf.open(path)
        for n in range(first, last):
            size += len(document[n].get_text(sort=False))
    else:
        import pypdf
        document = pypdf.PdfReader(path)
        for n in range(first, last):
            size += len(document.pages[n].extract_text())
    return size

if __name__ == "__main__":
    jobs, pages = [], 0
    for path in files:
        count = pages_of(path)
        if limit:
            count = min(count, limit)
        half = count // 2
        jobs += [(path, 0, half), (path, half, count)]
        pages += count
    for _ in range(runs):
        start = time.perf_counter()
        with multiprocessing.Pool(2) as pool:
            pool.map(work, jobs, chunksize=1)
        print(pages / (time.perf_counter() - start))
"""

WORD = re.compile(r"\w+")


def words(text: str) -> collections.Counter:
    text = unicodedata.normalize("NFKC", text)
    text = re.sub(r"(?:-|\u00ad|\ufffe|\x02)\s*\n\s*(?=\w)", "", text)
    return collections.Counter(WORD.findall(text))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pdfs", default="/usr/share/doc/r-doc-pdf/manual")
    parser.add_argument("--peer-python", default="")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--pypdf-pages", type=int, default=40, help="of each file; pypdf is slow")
    arguments = parser.parse_args()
    import pypdfium2

    files = sorted(pathlib.Path(arguments.pdfs).glob("*.pdf"))
    page_counts = {path: len(pypdfium2.PdfDocument(path)) for path in files}
    pages = sum(page_counts.values())
    speeds = []
    with tempfile.TemporaryDirectory() as folder:
        for run in range(arguments.runs):
            command = [HEADRACE, "index", *files, "--into", f"{folder}/kb{run}", "--model", "none", "--json"]
            start = time.perf_counter()
            report = json.loads(subprocess.check_output([*command, "--overlap", "0"], stderr=subprocess.DEVNULL))
            speeds.append(pages / (time.perf_counter() - start))
            assert report["documents"]["failed"] == 0, report
        rows = subprocess.check_output([HEADRACE, "export", f"{folder}/kb0", "--to", "-"], text=True)
    print(f"headrace: {statistics.median(speeds):.0f} pages/s ({pages} pages, {arguments.runs} runs)")
    ours: dict[str, list[str]] = collections.defaultdict(list)
    for line in rows.splitlines():
        row = json.loads(line)
        ours[row["source"]].append(row["text"])
    both = total_ours = total_theirs = 0
    for path in files:
        document = pypdfium2.PdfDocument(path)
        theirs = collections.Counter()
        for n in range(page_counts[path]):
            page = document[n]
            theirs += words(page.get_textpage().get_text_range().replace("\r\n", "\n"))
            page.close()
        own = collections.Counter()
        for text in ours[str(path)]:
            own += words(text)
        common = sum((own & theirs).values())
        print(f"  {path.name}: {common / sum(theirs.values()):.4f} of PDFium's words, "
              f"{common / max(sum(own.values()), 1):.4f} of ours")
        both += common
        total_ours += sum(own.values())
        total_theirs += sum(theirs.values())
    print(f"words: {both / total_theirs:.4f} of PDFium's are ours, {both / total_ours:.4f} of ours are PDFium's")
    if arguments.peer_python:
        for tool, limit in (("pymupdf", 0), ("pypdf", arguments.pypdf_pages)):
            with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
                script.write(PEER)
                script.flush()
                out = subprocess.check_output(
                    [arguments.peer_python, script.name, tool, str(arguments.runs), str(limit), *map(str, files)],
                    text=True, stderr=subprocess.DEVNULL,
                )
            print(f"{tool}: {statistics.median(map(float, out.split())):.0f} pages/s")


if __name__ == "__main__":
    main()
