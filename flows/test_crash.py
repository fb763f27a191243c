"""kill -9 at any moment: reopen, nothing acknowledged is lost, the next run ends the job."""

import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

HEADRACE = str(pathlib.Path(__file__).resolve().parent.parent / "build" / "headrace")


def make_documents(folder: pathlib.Path, count: int) -> None:
    folder.mkdir()
    for n in range(count):
        (folder / f"{n:04}.txt").write_text(f"document number{n} " + " ".join(f"w{n}y{i}" for i in range(300)))


def rows(folder: pathlib.Path, kb: str) -> list[dict]:
    done = subprocess.run([HEADRACE, "export", kb, "--to", "-"], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        return []
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("round_", range(5))
def test_killed_runs_go_on_and_end_the_same(tmp_path, round_):
    make_documents(tmp_path / "docs", 300)
    command = [HEADRACE, "index", "docs", "--model", "none", "--memory", "96MiB"]
    subprocess.run([*command, "--into", "whole"], cwd=tmp_path, check=True, capture_output=True)
    expected = rows(tmp_path, "whole")
    seen: set[str] = set()
    for attempt in range(8):
        process = subprocess.Popen([*command, "--into", "kb"], cwd=tmp_path,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # Later each time, at a place that differs from round to round.
            process.wait(timeout=0.01 + 0.02 * attempt + 0.005 * round_)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        now = {row["key"] for row in rows(tmp_path, "kb")}
        assert seen <= now, "a row that was visible is gone"
        seen = now
        if (tmp_path / "kb").exists():
            verified = subprocess.run([HEADRACE, "verify", "kb"], cwd=tmp_path, capture_output=True, text=True)
            assert verified.returncode in (0, 1)
            if now:
                assert verified.returncode == 0, verified.stdout
    subprocess.run([*command, "--into", "kb"], cwd=tmp_path, check=True, capture_output=True)
    got = rows(tmp_path, "kb")
    key = lambda row: (row["source"], row["position"])  # noqa: E731
    assert sorted(got, key=key) == sorted(expected, key=key)


def test_interrupt_keeps_what_was_acknowledged(tmp_path):
    make_documents(tmp_path / "docs", 50)
    process = subprocess.Popen([HEADRACE, "index", "docs", "--into", "kb", "--model", "none", "--watch"],
                               cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while len(rows(tmp_path, "kb")) < 50:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) in (0, 130)
    assert len(rows(tmp_path, "kb")) >= 50


def test_watch_makes_a_saved_file_searchable(tmp_path):
    docs = tmp_path / "docs"
    make_documents(docs, 3)
    process = subprocess.Popen([HEADRACE, "index", "docs", "--into", "kb", "--model", "none", "--watch"],
                               cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        while len(rows(tmp_path, "kb")) < 3:
            assert process.poll() is None
        (docs / "new.txt").write_text("freshly saved zebra")
        found = False
        while not found:
            assert process.poll() is None
            done = subprocess.run([HEADRACE, "search", "kb", "zebra", "--json"], cwd=tmp_path,
                                  capture_output=True, text=True, check=True)
            found = bool(json.loads(done.stdout)["hits"])
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)


def test_ctrl_c_does_not_wait_for_who_writes_to_standard_input(tmp_path):
    """The input stays open: more comes, or so it seems."""
    process = subprocess.Popen(
        [HEADRACE, "index", "-", "--into", "kb", "--model", "none"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdin.write("otters " * 100_000)  # more than a pipe holds: it is being read now
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    process.stdin.close()
    process.stderr.close()


def test_ctrl_c_before_the_first_read_of_a_pipe_is_not_lost(tmp_path):
    """It comes while the model is loaded, and nothing is ever written to the pipe."""
    process = subprocess.Popen([HEADRACE, "embed", "--model", "all-MiniLM-L6-v2"], cwd=tmp_path,
                               stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    interrupt = 1 << (signal.SIGINT - 1)
    status = pathlib.Path(f"/proc/{process.pid}/status")
    while not int(re.search(r"^SigCgt:\s*([0-9a-f]+)", status.read_text(), re.M)[1], 16) & interrupt:
        assert process.poll() is None  # its handler is not set yet
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    process.stdin.close()
