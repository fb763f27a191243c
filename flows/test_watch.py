"""--watch: sources that vanish, come back, are replaced, or never rest."""

import json
import os
import signal
import subprocess
import sys

import pytest
from executable import HEADRACE

ENDLESS = """
import sys
with open(sys.argv[1], sys.argv[2]) as file:
    n = 0
    while True:  # until it is killed
        if sys.argv[2] == "w": file.seek(0)
        file.write(f"restless badger {n % 10}\\n"); file.flush()
        n += 1
"""


class Watch:
    """A run that follows its sources in the background."""

    def __init__(self, folder, *arguments) -> None:
        self.folder = folder
        self.said = open(folder / "said", "w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [HEADRACE, "index", *arguments, "--into", "kb", "--model", "none", "--watch"],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=self.said,
        )

    def sources(self, word: str) -> list[str]:
        done = subprocess.run([HEADRACE, "search", "kb", word, "--json"], cwd=self.folder,
                              capture_output=True, text=True)
        assert self.process.poll() is None, (self.folder / "said").read_text()
        if done.returncode != 0:  # not made yet
            return []
        return sorted(hit["source"] for hit in json.loads(done.stdout)["hits"])

    def until(self, word: str, *sources: str) -> None:
        while self.sources(word) != sorted(sources):
            pass

    def until_said(self, words: str) -> str:
        while words not in (text := (self.folder / "said").read_text()):
            assert self.process.poll() is None, text
        return text

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=60) == 130
        self.said.close()


@pytest.fixture
def watch(tmp_path):
    running: list[Watch] = []

    def start(*arguments) -> Watch:
        running.append(Watch(tmp_path, *arguments))
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


@pytest.fixture
def restless(tmp_path):
    """Writers that write without pause and never close their file."""
    running: list[subprocess.Popen] = []

    def start(path, mode: str) -> None:
        running.append(subprocess.Popen([sys.executable, "-c", ENDLESS, path, mode]))

    yield start
    for each in running:
        each.kill()
        each.wait()


@pytest.mark.parametrize("prune", [[], ["--prune"]])
def test_a_folder_that_vanishes_and_comes_back(tmp_path, watch, prune):
    docs, other = tmp_path / "docs", tmp_path / "other"
    docs.mkdir()
    other.mkdir()
    (docs / "a.txt").write_text("first otter")
    run = watch("docs", "other", *prune)
    run.until("otter", "docs/a.txt")
    os.rename(docs, tmp_path / "elsewhere")
    run.until_said("docs")
    (other / "b.txt").write_text("second otter")
    # What was in it stays: the disk may come back.
    run.until("otter", "docs/a.txt", "other/b.txt")
    docs.mkdir()
    (docs / "c.txt").write_text("third otter")
    run.until("otter", *([] if prune else ["docs/a.txt"]), "docs/c.txt", "other/b.txt")
    run.end()


def test_a_folder_whose_parents_vanish_and_come_back(tmp_path, watch):
    docs = tmp_path / "a" / "b" / "docs"
    docs.mkdir(parents=True)
    (docs / "a.txt").write_text("first otter")
    run = watch(docs)
    run.until("otter", str(docs / "a.txt"))
    os.rename(tmp_path / "a", tmp_path / "elsewhere")
    run.until_said("docs")
    docs.mkdir(parents=True)
    (docs / "b.txt").write_text("second otter")
    run.until("second", str(docs / "b.txt"))
    run.end()


def test_another_folder_in_its_place(tmp_path, watch):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.txt").write_text("first otter")
    run = watch("docs", "--prune")
    run.until("otter", "docs/a.txt")
    for number in range(3):
        new = tmp_path / "new"
        (new / "below").mkdir(parents=True)
        (new / "below" / "b.txt").write_text(f"otter {number}")
        os.rename(docs, tmp_path / f"old{number}")
        os.rename(new, docs)
        run.until(f"{number}", "docs/below/b.txt")
        (docs / "below" / "c.txt").write_text(f"otter {number}{number}{number}")
        run.until(f"{number}{number}{number}", "docs/below/c.txt")
    run.end()


def test_a_file_that_is_replaced_as_editors_do(tmp_path, watch):
    note = tmp_path / "note.txt"
    note.write_text("first otter")
    run = watch("note.txt")
    run.until("first", "note.txt")
    for word in ("second", "third"):
        (tmp_path / "note.new").write_text(f"{word} otter")
        os.replace(tmp_path / "note.new", note)
        run.until(word, "note.txt")
    for word in ("fourth", "fifth"):
        note.unlink()
        note.write_text(f"{word} otter")
        run.until(word, "note.txt")
    with open(note, "a") as file:
        file.write(" sixth")
    run.until("sixth", "note.txt")
    run.end()


def test_links_are_seen(tmp_path, watch):
    docs = tmp_path / "docs"
    docs.mkdir()
    (tmp_path / "a.txt").write_text("first otter")
    run = watch("docs")
    os.link(tmp_path / "a.txt", docs / "hard.txt")
    run.until("otter", "docs/hard.txt")
    os.symlink(tmp_path / "a.txt", docs / "soft.txt")
    run.until("otter", "docs/hard.txt", "docs/soft.txt")
    run.end()


@pytest.mark.parametrize("name", ["log.txt", "log.jsonl"])
@pytest.mark.parametrize("mode", ["a", "w"])
def test_a_file_that_never_rests_is_read_and_holds_up_no_other(tmp_path, watch, restless, name, mode):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.txt").write_text("first otter")
    run = watch("docs")
    run.until("otter", "docs/a.txt")
    restless(docs / name, mode)
    while not (docs / name).exists():
        pass
    for number in range(3):
        (docs / f"{number}.txt").write_text(f"saved{number}")
        run.until(f"saved{number}", f"docs/{number}.txt")
    if name.endswith(".txt"):
        while "docs/log.txt" not in run.sources("badger"):
            pass
    run.end()
