"""`make bench`: Headrace against its predecessor on the same pages, whole processes, in turn.

Peers live in .venv-bench (made here from bench/peers.txt; large, PyTorch is in it), or in the
environment that HEADRACE_BENCH_VENV names. Prints a Markdown table of medians.
"""

import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADRACE = ROOT / "build" / "headrace"
MANUAL = pathlib.Path("/usr/share/doc/postgresql-doc-15/html")
RUNS = 3


# Every run computes its vectors.
os.environ["HEADRACE_CACHE"] = "off"


def peers() -> pathlib.Path:
    venv = pathlib.Path(os.environ.get("HEADRACE_BENCH_VENV", ROOT / ".venv-bench"))
    python = venv / "bin" / "python"
    if not python.exists():
        print(f"making {venv} (peers, about 6 GB)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", str(ROOT / "bench/peers.txt")], check=True)
    return python


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds and peak MiB of one whole process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"failed: {' '.join(command)}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def compare(name: str, ours, theirs, bar: str) -> None:
    a, b = [], []
    for _ in range(RUNS):
        a.append(measure(ours()))
        b.append(measure(theirs()))
    seconds = [statistics.median(x[0] for x in runs) for runs in (a, b)]
    memory = [statistics.median(x[1] for x in runs) for runs in (a, b)]
    print(
        f"| {name} | {seconds[0]:.2f} s, {memory[0]:.0f} MiB | {seconds[1]:.1f} s, {memory[1]:.0f} MiB "
        f"| {seconds[1] / seconds[0]:.1f}× faster, {memory[0] / memory[1]:.0%} memory | {bar} |"
    )


def main() -> None:
    python = str(peers())
    model = subprocess.check_output(
        [str(ROOT / ".venv/bin/python"), str(ROOT / "tools/model_folder.py")], text=True
    ).strip()
    work = pathlib.Path(tempfile.mkdtemp(prefix="headrace-bench-"))
    pages = work / "pages"
    pages.mkdir()
    files = sorted(MANUAL.glob("*.html"))
    for page in files[:: max(1, len(files) // 97)][:97]:
        shutil.copy(page, pages)

    def headrace(*options: str):
        kb = tempfile.mkdtemp(dir=work)
        return [str(HEADRACE), "index", str(pages), "--into", f"{kb}/kb", *options]

    print("| work | Headrace | LangChain + sentence-transformers + Chroma | ratio | bar |")
    print("| --- | --- | --- | --- | --- |")
    script = str(ROOT / "bench/langchain_job.py")
    compare("load and split only", lambda: headrace("--model", "none"),
            lambda: [python, script, str(pages), model, "--no-embedding"], "≥20×")
    compare("the main job", headrace, lambda: [python, script, str(pages), model], "≥2.5×, ≤20 %")
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
