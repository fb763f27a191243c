"""Every bad input is one clear line with file, stage, reason and remedy; all good documents are in;
`headrace errors` lists exactly the bad ones; nothing hangs, no worker is left behind."""

import gzip
import io
import json
import os
import pathlib
import resource
import subprocess
import tarfile
import zipfile

import pytest

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


def test_decompression_bombs_are_refused(headrace, tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    with zipfile.ZipFile(docs / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("good.txt", GOOD)
        with package.open("zeros.txt", "w", force_zip64=True) as member:
            for _ in range(600):
                member.write(bytes(1 << 20))
    (docs / "bomb.gz").write_bytes(gzip.compress(bytes(1 << 29)))
    (docs / "plain.txt").write_text(GOOD)
    report = headrace.index("docs", "--memory", "256MiB")
    failed = {error["source"] for error in headrace.json("errors", "kb")["errors"]}
    assert any("bomb.zip" in source for source in failed)
    assert any("bomb.gz" in source for source in failed)
    sources = {row["source"] for row in headrace.rows()}
    assert {"docs/plain.txt", "docs/bomb.zip!good.txt"} <= sources
    assert report["peak_rss_bytes"] < 300 << 20


def test_no_worker_is_left_behind(headrace, tmp_path):
    bad_files(tmp_path / "docs")
    headrace.index("docs")
    left = subprocess.run(["pgrep", "-f", f"headrace-worker.*{tmp_path}"], capture_output=True, text=True)
    assert left.stdout == ""


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


def test_read_only_folder(headrace, tmp_path):
    if os.geteuid() == 0:
        blocked = pathlib.Path("/proc/headrace-cannot-write-here")
    else:
        (tmp_path / "ro").mkdir(mode=0o555)
        blocked = tmp_path / "ro" / "kb"
    (tmp_path / "a.txt").write_text(GOOD)
    done = headrace.run("index", "a.txt", "--into", str(blocked), "--model", "none", code=1)
    assert str(blocked) in done.stderr


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 << 10, 256 << 10))
    import signal

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
        [str(pathlib.Path(__file__).resolve().parent.parent / "build" / "headrace"),
         "index", "docs", "--into", "kb", "--model", "none"],
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
