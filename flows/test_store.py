"""The store as a person meets it: killed processes, damage, full disks, two writers, bad input."""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import threading

import pytest

hr = pytest.importorskip("headrace")
np = pytest.importorskip("numpy")

KILLS = int(os.environ.get("HEADRACE_KILLS", "100"))
BATCH = 20
AHEAD = 40  # batches a writer writes at most, however fast the machine is
DIMENSION = 16

WRITER = f"""
import sys
import numpy as np
import headrace as hr

folder, first = sys.argv[1], int(sys.argv[2])
kb = hr.open(folder, model=None, dimension={DIMENSION})
for batch in range(first, first + {AHEAD}):
    ids = [batch * {BATCH} + i for i in range({BATCH})]
    vectors = np.ones((len(ids), {DIMENSION}), dtype=np.float32)
    vectors[:, 0] = ids
    kb.add(ids=ids, vectors=vectors, text=[f"batch{{batch}} row{{i}}" for i in ids])
    print(batch, flush=True)
sys.stdin.read()  # until it is killed
"""


def start_writer(folder: pathlib.Path, first: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(first)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def make_kb(folder: pathlib.Path, rows: int = 50):
    kb = hr.open(str(folder), model=None, dimension=DIMENSION)
    vectors = np.random.default_rng(1).normal(size=(rows, DIMENSION)).astype(np.float32)
    kb.add(ids=list(range(rows)), vectors=vectors, text=[f"row{i} common" for i in range(rows)])
    kb.optimize()
    kb.close()
    return vectors


def test_killed_writers_lose_nothing_while_a_reader_looks_on(tmp_path):
    folder = tmp_path / "kb"
    dice = random.Random(11)
    acknowledged = 0  # batches
    stop = threading.Event()
    wrong: list[str] = []

    def look_on() -> None:
        reader = None
        most = 0
        while not stop.is_set():
            try:
                reader = reader or hr.open(str(folder), create=False)
                rows = reader.info()["rows"]
            except hr.NotFound:
                continue  # not made yet
            except Exception as error:  # noqa: BLE001 — anything else is what this test is about
                wrong.append(repr(error))
                return
            if rows % BATCH or rows < most:
                wrong.append(f"{rows} rows after {most}")
                return
            most = rows

    watcher = threading.Thread(target=look_on)
    watcher.start()
    try:
        for _ in range(KILLS):
            process = start_writer(folder, acknowledged)
            for _ in range(dice.randint(1, 12)):
                line = process.stdout.readline()
                assert line, "the writer ended by itself"
                acknowledged = int(line) + 1
            if dice.random() < 0.5:  # in the middle of the next ones
                stop.wait(dice.random() * 0.01)
            os.kill(process.pid, signal.SIGKILL)
            for line in process.stdout:  # said before it died
                acknowledged = int(line) + 1
            process.wait()
            process.stdin.close()
            kb = hr.open(str(folder), create=False)
            rows = kb.info()["rows"]
            assert rows % BATCH == 0 and rows >= acknowledged * BATCH
            assert rows <= (acknowledged + 1) * BATCH
            acknowledged = rows // BATCH
    finally:
        stop.set()
        watcher.join()
    assert not wrong
    kb = hr.open(str(folder), create=False)
    assert kb.verify()["ok"]
    kb.export(str(tmp_path / "rows.jsonl"))
    with open(tmp_path / "rows.jsonl") as rows:
        sources = {int(json.loads(line)["source"]) for line in rows}
    assert sources == set(range(acknowledged * BATCH))


def test_second_writer_is_told_who_writes_and_a_dead_one_is_succeeded(tmp_path):
    folder = tmp_path / "kb"
    process = start_writer(folder, 0)
    assert process.stdout.readline()
    kb = hr.open(str(folder), create=False)
    with pytest.raises(hr.Busy) as refused:
        kb.add(ids=[1], vectors=np.ones((1, DIMENSION), dtype=np.float32))
    assert str(process.pid) in str(refused.value) and str(folder) in str(refused.value)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kb.add(ids=[10**9], vectors=np.ones((1, DIMENSION), dtype=np.float32))


def test_backup_is_restored_by_copying(tmp_path, headrace):
    process = start_writer(tmp_path / "kb", 0)
    for _ in range(10):
        process.stdout.readline()
    report = headrace.json("backup", "kb", "--to", "saved")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert report["files"] >= 2 and headrace.json("verify", "saved")["ok"]
    rows = headrace.json("info", "saved")["rows"]
    assert rows >= 10 * BATCH and rows % BATCH == 0
    shutil.rmtree(tmp_path / "kb")
    shutil.copytree(tmp_path / "saved", tmp_path / "kb")
    kb = hr.open(str(tmp_path / "kb"), create=False)
    kb.add(ids=[10**9], vectors=np.ones((1, DIMENSION), dtype=np.float32))
    assert len(kb) == rows + 1
    again = kb.backup(str(tmp_path / "second"), copy=True)
    assert again["linked"] == 0
    kb.close()
    headrace.run("backup", "kb", "--to", "second", code=2)


def test_repair_saves_what_damage_leaves(tmp_path, headrace):
    vectors = make_kb(tmp_path / "kb")
    segment = next((tmp_path / "kb").glob("segment-*"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    assert not headrace.json("verify", "kb", code=1)["ok"]
    report = hr.repair(str(tmp_path / "kb"))
    assert report["changed"] and report["lost"] and report["moved"]
    assert headrace.json("verify", "kb")["ok"]
    kb = hr.open(str(tmp_path / "kb"), create=False)
    for hit in kb.search("common", k=100, mode="text"):
        assert hit.text == f"row{hit.source} common"
    if kb.info()["rows"] == 50 and kb.info()["spaces"][0]["rows"] == 50:
        ids, _ = kb.search_batch(vectors, k=1)
        assert ids[:, 0].tolist() == list(range(50))
    assert headrace.json("repair", "kb")["changed"] is False


def test_info_lists_segments(tmp_path, headrace):
    make_kb(tmp_path / "kb")
    segments = headrace.json("info", "kb", "--segments")["segment_list"]
    assert [s["rows"] for s in segments] == [50]
    assert segments[0]["vectors"] == {"default": 50}
    assert "segment-" in headrace.run("info", "kb", "--segments").stdout


def test_many_small_runs_leave_few_segments(tmp_path, headrace):
    (tmp_path / "docs").mkdir()
    for n in range(25):
        (tmp_path / "docs" / f"{n}.txt").write_text(f"document number{n}")
        headrace.index("docs")
    info = headrace.json("info", "kb")
    assert info["documents"] == 25 and info["segments"] <= 10


@pytest.mark.parametrize("kind", ["cut", "swapped", "missing"])
def test_a_segment_that_is_not_its_own_is_refused(tmp_path, headrace, kind):
    make_kb(tmp_path / "kb")
    make_kb(tmp_path / "other", rows=40)
    segment = next((tmp_path / "kb").glob("segment-*"))
    if kind == "cut":
        segment.write_bytes(segment.read_bytes()[:-100])
    elif kind == "swapped":
        shutil.copy(next((tmp_path / "other").glob("segment-*")), segment)
    else:
        segment.unlink()
    problems = headrace.json("verify", "kb", code=1)["problems"]
    assert any(segment.name in problem for problem in problems)
    error = headrace.run("search", "kb", "common", code=1).stderr
    assert segment.name in error


def test_files_deleted_under_a_reader(tmp_path):
    make_kb(tmp_path / "kb")
    reader = hr.open(str(tmp_path / "kb"), create=False)
    assert len(reader.search("common", k=100)) == 50
    for file in (tmp_path / "kb").iterdir():
        file.unlink()
    with pytest.raises(hr.Error) as gone:
        hr.open(str(tmp_path / "kb"), create=False)
    assert str(tmp_path / "kb") in str(gone.value)


def test_a_full_disk_is_said_and_writing_goes_on(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)],
                      capture_output=True).returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        folder = small / "kb"
        kb = hr.open(str(folder), model=None, dimension=DIMENSION)
        vectors = np.ones((BATCH, DIMENSION), dtype=np.float32)
        written = 0
        # Text that does not compress, so that the disk is soon full.
        dice = random.Random(1)

        def add() -> None:
            ids = [written * BATCH + i for i in range(BATCH)]
            kb.add(ids=ids, vectors=vectors,
                   text=[" ".join(f"{dice.random():.12f}" for _ in range(60)) for _ in ids])

        ballast = small / "ballast"
        ballast.write_bytes(b"x" * 900_000)
        with pytest.raises(hr.NoSpace) as full:
            for _ in range(1000):
                add()
                written += 1
        assert "no space left" in str(full.value) and str(folder) in str(full.value)
        assert written > 0
        reader = hr.open(str(folder), create=False)
        assert len(reader) == written * BATCH
        assert reader.verify()["ok"]
        ballast.unlink()
        add()
        assert len(kb) == (written + 1) * BATCH
        kb.close()
        assert len(hr.open(str(folder), create=False)) == (written + 1) * BATCH
    finally:
        subprocess.run(["umount", "-l", str(small)], check=False)


def test_a_newer_manifest_is_left_to_a_newer_program(tmp_path, headrace):
    make_kb(tmp_path / "kb")
    manifest = max((tmp_path / "kb").glob("manifest-*"))
    data = bytearray(manifest.read_bytes())
    data[8] = 99
    manifest.write_bytes(data)  # its checksum is wrong as well: damage is said, not guessed at
    error = headrace.run("search", "kb", "common", code=1).stderr
    assert manifest.name in error


class TestBadVectors:
    def kb(self, tmp_path, metric="cosine"):
        return hr.open(str(tmp_path / "kb"), model=None, dimension=DIMENSION, metric=metric)

    def test_wrong_dimension(self, tmp_path):
        kb = self.kb(tmp_path)
        with pytest.raises(hr.Error, match=str(DIMENSION)):
            kb.add(ids=[1], vectors=np.ones((1, DIMENSION + 1), dtype=np.float32))
        assert len(kb) == 0

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, tmp_path, value):
        kb = self.kb(tmp_path)
        vectors = np.ones((3, DIMENSION), dtype=np.float32)
        vectors[1, 2] = value
        with pytest.raises(hr.Error):
            kb.add(ids=[1, 2, 3], vectors=vectors)
        assert len(kb) == 0, "none of the batch is in"
        kb.add(ids=[1], vectors=vectors[:1])
        assert len(kb) == 1

    def test_zero_under_cosine(self, tmp_path):
        kb = self.kb(tmp_path)
        with pytest.raises(hr.Error):
            kb.add(ids=[1], vectors=np.zeros((1, DIMENSION), dtype=np.float32))
        assert len(kb) == 0
        other = hr.open(str(tmp_path / "l2"), model=None, dimension=DIMENSION, metric="l2")
        other.add(ids=[1], vectors=np.zeros((1, DIMENSION), dtype=np.float32))
        assert len(other) == 1

    def test_the_same_id_twice_in_one_batch_is_one_row_with_the_last_value(self, tmp_path):
        kb = self.kb(tmp_path, metric="ip")
        vectors = np.ones((3, DIMENSION), dtype=np.float32)
        vectors[:, 0] = [1, 2, 3]
        kb.add(ids=["a", "b", "a"], vectors=vectors, text=["first", "other", "last"])
        assert sorted(hit.text for hit in kb.search("", k=10)) == ["last", "other"]
        _, scores = kb.search_batch(np.eye(1, DIMENSION, dtype=np.float32), k=2)
        assert scores[0].tolist() == [3.0, 2.0]


def test_a_text_of_100_megabytes_is_one_row_like_any_other(tmp_path):
    kb = hr.open(str(tmp_path / "kb"), model=None, dimension=DIMENSION)
    text = "needle " + "hay " * 25_000_000
    kb.add(ids=["big"], vectors=np.ones((1, DIMENSION), dtype=np.float32), text=[text])
    assert [hit.source for hit in kb.search("needle", mode="text")] == ["big"]
    kb.close()
    assert len(hr.open(str(tmp_path / "kb"), create=False)) == 1


def test_ten_thousand_columns(tmp_path):
    kb = hr.open(str(tmp_path / "kb"), model=None, dimension=DIMENSION)
    columns = {f"c{n}": [n] for n in range(10_000)}
    kb.add(ids=["wide"], vectors=np.ones((1, DIMENSION), dtype=np.float32), **columns)
    kb.optimize()
    assert [h.source for h in kb.search("", filter="c9999 = 9999 and c17 = 17")] == ["wide"]
    assert kb.verify()["ok"]


@pytest.mark.parametrize("name", ["", "a\0b", "\udcff\udcfe", "é" * 5000, "../../etc/passwd",
                                  "line\nbreak", "x" * 100_000, "﷽‮"])
def test_hostile_ids_are_kept_or_refused_never_changed_for_another(tmp_path, name):
    kb = hr.open(str(tmp_path / "kb"), model=None, dimension=DIMENSION)
    vectors = np.ones((1, DIMENSION), dtype=np.float32)
    kb.add(ids=["plain"], vectors=vectors)
    try:
        kb.add(ids=[name], vectors=vectors)
    except (hr.Error, UnicodeError, ValueError, TypeError):
        assert len(kb) == 1
    else:
        assert sorted(h.source for h in kb.search("", k=5)) == sorted(["plain", name])
    kb.optimize()
    assert kb.verify()["ok"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kb"]


def test_the_past_is_kept_by_choice(tmp_path, headrace):
    (tmp_path / "docs").mkdir()
    note = tmp_path / "docs" / "note.txt"
    note.write_text("The pump is painted green.")
    headrace.run("index", "docs", "--into", "kb", "--model", "none")
    shown = headrace.json("history", "kb", "--keep", "5")
    assert shown["keep_states"] == 5
    first = shown["states"][0]["number"]
    note.write_text("The pump is painted red.")
    headrace.run("index", "docs", "--into", "kb")
    assert [h["text"] for h in headrace.json("search", "kb", "pump")["hits"]] == ["The pump is painted red."]
    past = headrace.json("search", "kb", "pump", "--at", str(first))["hits"]
    assert [h["text"] for h in past] == ["The pump is painted green."]
    assert "2020-01-01" in headrace.run("search", "kb", "pump", "--at", "2020-01-01", code=1).stderr

    kb = hr.open(str(tmp_path / "kb"), at=first)
    assert kb.search("pump", mode="text")[0].text == "The pump is painted green."
    with pytest.raises(hr.InvalidArgument, match="the past does not change"):
        kb.add({"id": "x", "text": "y"})
    with hr.open(str(tmp_path / "kb")) as now:
        assert first in [state["number"] for state in now.history()["states"]]
        now.keep_history()
        assert len(now.history()["states"]) == 1
    assert kb.search("pump", mode="text")[0].text == "The pump is painted green."
    with pytest.raises(hr.NotFound):
        hr.open(str(tmp_path / "kb"), at=first)
