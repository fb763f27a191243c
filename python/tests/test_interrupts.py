"""Ctrl-C ends whatever is under way: KeyboardInterrupt, promptly, with nothing left running."""

import os
import subprocess
import sys

import headrace as hr
import pytest

MODEL = next((m["directory"] for m in hr.models() if "minilm" in m["directory"].lower()), "")

# What each child has, and what is interrupted then: work for minutes.
TEXTS = 'texts = [f"{n} " + " ".join(f"word{n * k % 9973}" for k in range(1, 200)) for n in range(20_000)]'
DOCUMENTS = f'{TEXTS}\ndocuments = [{{"id": str(n), "text": text}} for n, text in enumerate(texts)]'
PIPELINE = f"{DOCUMENTS}\npipeline = hr.read(documents).chunk(256).embed(MODEL)"
VECTORS = """
kb = hr.open("kb", model=None, dimension=256)
noise = np.random.default_rng(7)
matrix = noise.standard_normal((40_000, 256), dtype=np.float32)
kb.add(ids=list(range(len(matrix))), vectors=matrix)
"""
CASES = {
    "to_arrow": (PIPELINE, "pipeline.to_arrow()"),
    "batches": (PIPELINE, "for batch in pipeline.batches(): assert batch.num_rows"),
    "capsule_of_a_table": (PIPELINE, "pa.table(pipeline)"),
    "capsule_of_a_reader": (PIPELINE, "for batch in pa.RecordBatchReader.from_stream(pipeline): pass"),
    "mapped": (
        f"{DOCUMENTS}\npipeline = hr.read(documents).map(lambda batch: batch).chunk(256).embed(MODEL)",
        "pipeline.to_arrow()",
    ),
    "into": (PIPELINE, 'pipeline.into("kb")'),
    "embed": (TEXTS, "hr.embed(texts, model=MODEL)"),
    "add": (f'{DOCUMENTS}\nkb = hr.open("kb", model=MODEL)', "kb.add(documents)"),
    "search_batch": (VECTORS, "kb.search_batch(np.tile(matrix, (10, 1)), k=10, recall=1.0)"),
    "search_batch_of_texts": (
        f'{DOCUMENTS}\nkb = hr.open("kb", model=MODEL)\nkb.add(documents[:10])',
        "kb.search_batch(texts, k=10)",
    ),
}

CHILD = """
import gc, os, signal, threading, time
import numpy as np, pyarrow as pa
import headrace as hr

MODEL = {model!r}
{first}
hr.embed(["warm"], model=MODEL) if MODEL else None
before = len(os.listdir("/proc/self/task"))

def interrupt_at_work(start):
    while time.process_time() < start + 1.0:
        threading.Event().wait(0.01)
    os.kill(os.getpid(), signal.SIGINT)

watcher = threading.Thread(target=interrupt_at_work, args=(time.process_time(),))
watcher.start()
try:
    {then}
    print("finished")
except KeyboardInterrupt:
    print("interrupted")
watcher.join()
pipeline = batch = None
gc.collect()
print(len(os.listdir("/proc/self/task")) - before)
"""


def run_child(tmp_path, first: str, then: str) -> list[str]:
    """Its lines; far less than a minute, or the work was not ended."""
    if not MODEL:
        pytest.skip("the default model is not installed")
    code = CHILD.format(model=MODEL, first=first, then=then)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("case", CASES)
def test_ctrl_c_ends_it(tmp_path, case):
    said, threads = run_child(tmp_path, *CASES[case])
    assert said == "interrupted"
    # The engine's pool of threads of the knowledge base or the default model may have come.
    assert int(threads) <= (2 * (os.cpu_count() or 1) if "kb" in CASES[case][0] else 0)
