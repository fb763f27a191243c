"""The demo: index part of the PostgreSQL manual, ask three questions, show speed and memory.

DEMO=full indexes all pages. What is printed beside it was measured once with LangChain,
sentence-transformers and Chroma doing the same job on two cores (docs/benchmarks.md).
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADRACE = ROOT / "build" / "headrace"
MANUAL = pathlib.Path("/usr/share/doc/postgresql-doc-15/html")
QUESTIONS = [
    "how do I make a consistent backup while the server is running?",
    "which index type should I use for full text search?",
    "limit how many connections a role may open",
]
PREDECESSOR = {"seconds": 100.0, "mib": 1240, "pages": 97}
PAGES = 97

# Its figures are those of a first run: no vectors of an earlier one.
ENVIRONMENT = {**os.environ, "HEADRACE_CACHE": "off"}


def run(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([str(HEADRACE), *arguments], check=True, env=ENVIRONMENT, **options)


def choose_pages(folder: pathlib.Path) -> pathlib.Path:
    """Every so-many-th page, so that the part is spread over the whole manual."""
    pages = sorted(MANUAL.glob("*.html"))
    part = folder / "postgresql"
    part.mkdir()
    for page in pages[:: max(1, len(pages) // PAGES)][:PAGES]:
        shutil.copy(page, part)
    return part


def main() -> int:
    if not MANUAL.is_dir():
        print(f"{MANUAL} is not there: install the Debian package postgresql-doc-15", file=sys.stderr)
        return 1
    work = pathlib.Path(tempfile.mkdtemp(prefix="headrace-demo-"))
    full = os.environ.get("DEMO") == "full"
    source = MANUAL if full else choose_pages(work)
    kb = work / "kb"
    print(f"\nIndexing {'all' if full else PAGES} pages of the PostgreSQL manual into {kb}\n")
    print(f"$ headrace index {source} --into {kb}")
    begin = time.monotonic()
    report = json.loads(
        run("index", str(source), "--into", str(kb), "--json", stdout=subprocess.PIPE, text=True).stdout
    )
    seconds = time.monotonic() - begin
    documents = report["documents"]
    print(
        f"{documents['added']} documents, {report['rows']} rows, {report['tokens']:,} tokens "
        f"in {seconds:.1f} s; searchable by words after {report['searchable_seconds']:.2f} s; "
        f"peak memory {report['peak_rss_bytes'] / 2**20:.0f} MiB"
    )
    if documents["failed"]:
        print(f"{documents['failed']} failed: headrace errors {kb}")

    begin = time.monotonic()
    run("index", str(source), "--into", str(kb), "--json", capture_output=True)
    print(f"the same again, nothing changed: {time.monotonic() - begin:.2f} s\n")

    for question in QUESTIONS:
        print(f'$ headrace search {kb.name} "{question}" -k 2')
        sys.stdout.flush()
        run("search", str(kb), question, "-k", "2")
        print()

    if not full:
        mib = report["peak_rss_bytes"] / 2**20
        print("                                seconds   peak memory")
        print(f"  Headrace                     {seconds:8.1f}   {mib:7.0f} MiB")
        print(
            f"  LangChain + sentence-        {PREDECESSOR['seconds']:8.1f}   {PREDECESSOR['mib']:7d} MiB"
            f"   (recorded on another 2-core machine, {PREDECESSOR['pages']} pages)"
        )
        print("  transformers + Chroma\n")
    print("Try next:")
    print(f"  build/headrace search {kb} \"your own question\"")
    print(f"  build/headrace search {kb} vacuum --mode text -k 3 --filter \"source not like '%release%'\"")
    print("  build/headrace index ~/Documents --into ~/kb")
    print(f"  .venv/bin/python -c \"import headrace as hr; print(hr.open('{kb}').search('vacuum'))\"")
    print("  DEMO=full make demo")
    return 0


if __name__ == "__main__":
    sys.exit(main())
