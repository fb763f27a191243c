"""Every bad input is one clear line with file, stage, reason and remedy; all good documents are in;
`headrace errors` lists exactly the bad ones; nothing hangs, no worker is left behind."""

import gzip
import io
import json
import os
import pathlib
import resource
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile

import pytest

import documents
from executable import HEADRACE

GOOD = "perfectly good words"


def bad_files(folder: pathlib.Path) -> set[str]:
    """Files that must fail; names are what `errors` shows."""
    folder.mkdir()
    made: dict[str, bytes] = {
        "empty.txt": b"",
        "truncated.pdf": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog",
        "notpdf.pdf": b"%PDF-1.4\n" + bytes(range(256)) * 8,
        "binary.txt": bytes(range(256)) * 64,
        "old.doc": bytes.fromhex("d0cf11e0a1b11ae1") + bytes(4096),
    }
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as package:
        package.writestr("[Content_Types].xml", "<Types/>")
        package.writestr("word/document.xml", "<w:document><w:body>" + "<w:p>" * 50)
    made["broken.docx"] = zipped.getvalue()
    made["cut.docx"] = zipped.getvalue()[:-30]
    for name, data in made.items():
        (folder / name).write_bytes(data)
    os.mkfifo(folder / "pipe")
    (folder / "self").symlink_to("self")
    (folder / "nowhere").symlink_to("not-there")
    sub = folder / "sub"
    sub.mkdir()
    (sub / "up").symlink_to("..")
    with open(folder / "sparse.txt", "wb") as sparse:
        sparse.truncate(5 << 30)
    return {*made, "pipe", "self", "nowhere", "sub/up", "sparse.txt"}


def good_files(folder: pathlib.Path) -> set[str]:
    """Odd files that must work."""
    folder.mkdir(exist_ok=True)
    made: dict[str, bytes] = {
        "plain.txt": GOOD.encode(),
        "utf16.txt": (GOOD + " in sixteen").encode("utf-16"),
        "utf16be.txt": (GOOD + " big endian").encode("utf-16-be"),
        "latin1.txt": (GOOD + " caf\xe9 d\xe9j\xe0 vu").encode("latin-1"),
        "invalid.txt": GOOD.encode() + b" \xff\xfe\xfa broken bytes",
        "deep.html": b"<html><body>" + b"<div>" * 100_000 + GOOD.encode(),
        "unclosed.html": b"<html><body><p>" + GOOD.encode() + b" <b>never closed",
        "longline.txt": (GOOD + " ").encode() + b"word " * 400_000,
        "mislabelled.pdf": b"<!DOCTYPE html><html><body><h1>T</h1><p>" + GOOD.encode() + b"</p></body></html>",
        "page.bin": ("# Title\n\n" + GOOD).encode(),
    }
    for name, data in made.items():
        (folder / name).write_bytes(data)
    (folder / os.fsdecode(b"bad\xff\xfename.txt")).write_text(GOOD)
    return {*made, "bad\\xff\\xfename.txt"}


def test_every_bad_file_is_listed_and_every_good_one_is_in(headrace, tmp_path):
    bad = bad_files(tmp_path / "docs")
    good = good_files(tmp_path / "docs")
    report = headrace.index("docs")
    errors = {error["source"]: error for error in headrace.json("errors", "kb")["errors"]}
    assert {name.removeprefix("docs/") for name in errors} == bad
    assert report["documents"]["failed"] == len(bad)
    assert report["documents"]["added"] == len(good)
    assert {row["source"].removeprefix("docs/") for row in headrace.rows()} == good
    for source, error in errors.items():
        assert error["stage"] in {"read", "decode", "chunk", "embed", "index"}
        assert source.split("/")[-1].split("\\")[0] in error["message"] or error["message"]
        assert error["code"] != "internal", error
        assert error["hint"], error
    assert len(headrace.search("perfectly good", "-k", "50")) >= len(good)
    assert headrace.index("docs", "--strict", code=1)["documents"]["unchanged"] == len(good)
    assert headrace.json("verify", "kb")["ok"]


def test_archives_are_read_through(headrace, tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as package:
        package.writestr("inner.txt", GOOD + " nested")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("one.txt", GOOD + " first")
        package.writestr("folder/two.html", f"<html><body><p>{GOOD} second</p></body></html>")
        package.writestr("inner.zip", inner.getvalue())
        package.writestr("empty.txt", "")
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as package:
        data = (GOOD + " in a tar").encode()
        entry = tarfile.TarInfo("three.txt")
        entry.size = len(data)
        package.addfile(entry, io.BytesIO(data))
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress((GOOD + " alone").encode()))
    headrace.index("a.zip", "b.tar.gz", "c.txt.gz")
    sources = {row["source"] for row in headrace.rows()}
    assert {"a.zip!one.txt", "a.zip!folder/two.html", "a.zip!inner.zip!inner.txt", "b.tar.gz!three.txt"} <= sources
    assert any(source.startswith("c.txt.gz!") for source in sources)
    assert [e["source"] for e in headrace.json("errors", "kb")["errors"]] == ["a.zip!empty.txt"]
    again = headrace.index("a.zip", "b.tar.gz", "c.txt.gz")
    assert again["documents"]["added"] == 0 and again["documents"]["unchanged"] == 5


def children_of(parent: int) -> set[int]:
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        if int(stat.rpartition(")")[2].split()[1]) == parent:
            found.add(int(entry.name))
    return found


class Watching:
    """A run that stays: it has decoded a PDF, holds the knowledge base, and follows its folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        (folder / "docs").mkdir(exist_ok=True)
        (folder / "docs/a.pdf").write_bytes(documents.pdf(GOOD))
        self.run = subprocess.Popen(
            [str(HEADRACE), "index", "docs", "--into", "kb", "--model", "none", "--watch"],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        self.workers: set[int] = set()
        while not self.workers and self.run.poll() is None:
            self.workers = children_of(self.run.pid)

    def end(self, how: int) -> int:
        self.run.send_signal(how)
        return self.run.wait(timeout=60)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_is_left_behind(tmp_path, how):
    """Whatever ends the run, its workers end too."""
    watching = Watching(tmp_path)
    handles = []
    for worker in watching.workers:
        try:
            handles.append(os.pidfd_open(worker))
        except ProcessLookupError:
            pass
    watching.end(how)
    assert watching.workers, "the run had no worker"
    for handle in handles:  # becomes readable when the process ends
        assert select.select([handle], [], [], 60)[0], "a worker is left behind"
        os.close(handle)


def test_model_that_is_damaged_or_missing(headrace, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.txt").write_text(GOOD)
    done = headrace.run("index", "docs", "--into", "kb", "--model", "no-such-model", code=1)
    assert "no-such-model" in done.stderr and "HEADRACE_MODELS" in done.stderr
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "tokenizer.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"\xff" * 64)
    done = headrace.run("index", "docs", "--into", "kb2", "--model", str(model), code=1)
    assert str(model) in done.stderr or "tokenizer.json" in done.stderr


def as_nobody(headrace, *arguments):
    """Runs a command without root's rights; skipped where that cannot be arranged."""
    if os.geteuid() != 0:
        return subprocess.run([str(HEADRACE), *arguments], cwd=headrace.folder, capture_output=True, text=True)
    folder = headrace.folder
    for above in [folder, *folder.parents]:
        if not above.stat().st_mode & 0o001 and above.owner() == "root" and above != pathlib.Path("/"):
            above.chmod(above.stat().st_mode | 0o011)
    shutil.chown(folder, "nobody")
    try:
        done = subprocess.run(
            [str(HEADRACE), *arguments], cwd=folder, capture_output=True, text=True, user="nobody", group="nogroup",
            extra_groups=[],
        )
    except (PermissionError, FileNotFoundError) as error:
        pytest.skip(f"cannot run as nobody: {error}")
    if "Permission denied" in done.stderr and done.returncode == 126:
        pytest.skip("nobody may not run the executable")
    return done


def test_unreadable_files_and_folders(headrace, tmp_path):
    docs = tmp_path / "docs"
    (docs / "closed").mkdir(parents=True)
    (docs / "closed/in.txt").write_text(GOOD)
    (docs / "good.txt").write_text(GOOD)
    (docs / "secret.txt").write_text(GOOD)
    (docs / "secret.zip").write_bytes(documents.packed({"a.txt": GOOD}))
    for name in ("closed", "secret.txt", "secret.zip"):
        (docs / name).chmod(0)
    done = as_nobody(headrace, "index", "docs", "--into", "kb", "--model", "none", "--json")
    (docs / "closed").chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["documents"]["added"] == 1
    listed = {error["source"]: error for error in headrace.json("errors", "kb")["errors"]}
    assert set(listed) == {"docs/closed", "docs/secret.txt", "docs/secret.zip"}
    # What can be read now is listed no more.
    for name in ("secret.txt", "secret.zip"):
        (docs / name).chmod(0o644)
    again = as_nobody(headrace, "index", "docs", "--into", "kb", "--model", "none", "--json")
    assert json.loads(again.stdout)["documents"]["failed"] == 0, again.stderr
    assert headrace.json("errors", "kb")["errors"] == []
    for error in listed.values():
        assert "ermission denied" in error["message"] and error["hint"], error


def test_read_only_folder(headrace, tmp_path):
    (tmp_path / "ro").mkdir()
    (tmp_path / "a.txt").write_text(GOOD)
    (tmp_path / "ro").chmod(0o555)
    done = as_nobody(headrace, "index", "a.txt", "--into", "ro/kb", "--model", "none")
    assert done.returncode == 1
    assert "ro/kb" in done.stderr and "ermission denied" in done.stderr


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 << 10, 256 << 10))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


@pytest.mark.parametrize("size", [200])
def test_writes_that_fail_lose_nothing_acknowledged(headrace, tmp_path, size):
    """A file size limit stands in for a full disk: writing fails in the middle of a run."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "0.txt").write_text(GOOD)
    headrace.index("docs")
    for n in range(1, size):
        (docs / f"{n}.txt").write_text(f"{GOOD} number {n} " + " ".join(f"w{n}x{i}" for i in range(2000)))
    done = subprocess.run(
        [str(HEADRACE), "index", "docs", "--into", "kb", "--model", "none"],
        cwd=tmp_path, capture_output=True, text=True, preexec_fn=limit_file_size,
    )
    assert done.returncode == 1 and done.stderr.strip()
    assert headrace.search("perfectly good")
    assert headrace.json("verify", "kb")["ok"]
    report = headrace.index("docs")
    assert report["documents"]["failed"] == 0
    assert len({row["source"] for row in headrace.rows()}) == size


def test_file_that_vanishes_between_runs_is_kept_until_pruned(headrace, tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.txt").write_text(GOOD)
    (docs / "b.txt").write_text("other words")
    headrace.index("docs")
    (docs / "a.txt").write_bytes(bytes(range(256)) * 64)
    report = headrace.index("docs")
    assert report["documents"]["failed"] == 1
    # The last good version stays searchable; the failure is listed.
    assert headrace.search("perfectly")[0]["source"] == "docs/a.txt"
    assert [e["source"] for e in headrace.json("errors", "kb")["errors"]] == ["docs/a.txt"]


def test_jsonl_with_bad_lines_between_good_ones(headrace, tmp_path):
    lines = [json.dumps({"id": n, "text": f"{GOOD} {n}"}) for n in range(100)]
    for place in (10, 50, 99):
        lines[place] = lines[place][:-5]
    (tmp_path / "r.jsonl").write_text("\n".join(lines) + "\n")
    report = headrace.index("r.jsonl")
    assert report["documents"]["added"] == 97 and report["documents"]["failed"] == 3
    sources = {error["source"] for error in headrace.json("errors", "kb")["errors"]}
    assert sources == {"r.jsonl:11", "r.jsonl:51", "r.jsonl:100"}


def test_full_disk(headrace, tmp_path):
    """A real one: a small file system of our own that fills up in the middle of a run."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for n in range(300):
        (docs / f"{n:03}.txt").write_text(f"{GOOD} number {n} " + " ".join(f"w{n}x{i}" for i in range(2000)))
    (tmp_path / "small").mkdir()
    script = f"""
        mount -t tmpfs -o size=3m tmpfs small || exit 77
        {HEADRACE} index docs/000.txt --into small/kb --model none >first.json --json || exit 2
        {HEADRACE} index docs --into small/kb --model none 2>full.txt; echo $? >code.txt
        {HEADRACE} search small/kb "perfectly good" --json >hits.json || exit 3
        {HEADRACE} verify small/kb --json >verify.json || exit 4
        mount -o remount,size=64m small || exit 77
        {HEADRACE} index docs --into small/kb --model none --json >after.json || exit 5
        {HEADRACE} verify small/kb --json >verify.json || exit 6
    """
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    if done.returncode in (1, 77) and not (tmp_path / "first.json").exists():
        pytest.skip(f"no private file system here: {done.stderr.strip()}")
    assert done.returncode == 0, (done.returncode, done.stderr, (tmp_path / "full.txt").read_text())
    said = (tmp_path / "full.txt").read_text()
    assert (tmp_path / "code.txt").read_text().strip() == "1"
    assert "no space left" in said.lower() and "small/kb" in said
    assert json.loads((tmp_path / "hits.json").read_text())["hits"]
    after = json.loads((tmp_path / "after.json").read_text())["documents"]
    assert after["failed"] == 0 and after["added"] + after["unchanged"] == 300


def test_second_writer(headrace, tmp_path):
    watching = Watching(tmp_path)
    try:
        done = headrace.run("index", "docs", "--into", "kb", "--model", "none", code=1)
        assert str(watching.run.pid) in done.stderr and "kb" in done.stderr
    finally:
        watching.end(signal.SIGKILL)
    assert headrace.index("docs")["documents"]["failed"] == 0


def test_files_that_change_or_vanish_while_read(headrace, tmp_path):
    """A script turns over files during the run; what is listed and what is in stay consistent."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for n in range(400):
        (docs / f"{n:03}.txt").write_text(f"{GOOD} {n} " + "word " * 3000)
    churn = subprocess.Popen(
        ["sh", "-c", "while :; do for n in 050 150 250 350; do rm -f docs/$n.txt; echo other words > docs/$n.txt; "
         "done; rm -f docs/100.txt docs/200.txt docs/300.txt; done"],
        cwd=tmp_path,
    )
    try:
        report = headrace.index("docs")["documents"]
    finally:
        churn.kill()
        churn.wait()
    listed = {error["source"] for error in headrace.json("errors", "kb")["errors"]}
    found = {row["source"] for row in headrace.rows()}
    assert report["failed"] == len(listed) and report["added"] == len(found)
    churned = {f"docs/{n:03}.txt" for n in (50, 100, 150, 200, 250, 300, 350)}
    assert listed <= churned
    assert {f"docs/{n:03}.txt" for n in range(400)} - churned <= found
    for n in (50, 150, 250, 350):
        (docs / f"{n:03}.txt").write_text("other words")
    headrace.index("docs", "--prune")
    assert headrace.json("errors", "kb")["errors"] == []
    assert len({row["source"] for row in headrace.rows()}) == 397


def test_model_with_a_damaged_tensor(headrace, tmp_path):
    """The default model, its weights cut, changed in their header, or lacking a tensor."""
    folder = pathlib.Path(
        subprocess.run(
            [sys.executable, str(HEADRACE.parent.parent / "tools" / "model_folder.py")],
            capture_output=True, text=True, check=True,
        ).stdout.strip()
    )
    if not (folder / "model.safetensors").exists():
        pytest.skip("the default model is not installed")
    (tmp_path / "a.txt").write_text(GOOD)
    weights = (folder / "model.safetensors").read_bytes()
    damaged = {
        "cut": weights[: len(weights) // 2],
        "no-header": b"\xff" * 64 + weights[64:],
        "lacking": weights.replace(b"embeddings.word_embeddings.weight", b"embeddings.sord_embeddings.weight", 1),
    }
    for name, data in damaged.items():
        model = tmp_path / name
        model.mkdir()
        for entry in folder.iterdir():
            if entry.name != "model.safetensors":
                (model / entry.name).symlink_to(entry)
        (model / "model.safetensors").write_bytes(data)
        done = headrace.run("index", "a.txt", "--into", f"kb-{name}", "--model", str(model), code=1)
        assert "model.safetensors" in done.stderr and len(done.stderr.strip().splitlines()) <= 2, done.stderr
    assert "word_embeddings" in done.stderr


def test_an_emptied_file_of_records_is_a_failure_and_keeps_what_it_held(headrace):
    records = headrace.folder / "r.jsonl"
    records.write_text('{"id": "a", "text": "one"}\n{"id": "b", "text": "two"}\n')
    headrace.index("r.jsonl")
    records.write_text("")
    documents = headrace.index("r.jsonl")["documents"]
    assert (documents["removed"], documents["failed"]) == (0, 1)
    assert len(headrace.rows()) == 2
    assert [error["source"] for error in headrace.json("errors", "kb")["errors"]] == ["r.jsonl"]
