"""Damaged, encrypted, hostile and mislabelled files of every format: each is one clear line, the run
goes on, every good document is in, `headrace errors` lists exactly the bad ones."""

import gzip
import os
import pathlib
import random

import pytest

import documents
from documents import CONTAINERS, DOCUMENTS

GOOD = "perfectly good words"
ALL = {**DOCUMENTS, **CONTAINERS}
# What is text may end anywhere: what is there is read.
TEXTS = {"html", "md", "py", "csv", "tex", "rst", "txt", "eml"}


def write(folder: pathlib.Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def outer(source: str) -> str:
    """The file that a source (`docs/FILE!MEMBER`, `docs/FILE:LINE`) lies in."""
    return source.removeprefix("docs/").split("!")[0]


def errors(headrace) -> dict[str, dict]:
    """The listed errors, each checked to be one clear line."""
    found = {}
    for error in headrace.json("errors", "kb")["errors"]:
        assert error["source"] not in found, error
        found[error["source"]] = error
        assert error["stage"] in {"read", "decode", "chunk", "embed", "index"}, error
        assert error["code"] != "internal", error
        assert error["message"] and "\n" not in error["message"], error
        assert error["hint"] and "\n" not in error["hint"], error
    return found


def sources(headrace) -> set[str]:
    return {row["source"] for row in headrace.rows()}


def test_every_format_is_read(headrace, tmp_path):
    write(tmp_path / "docs", {f"a.{name}": make(GOOD) for name, make in ALL.items()})
    report = headrace.index("docs")
    assert errors(headrace) == {}
    assert {outer(source) for source in sources(headrace)} == {f"a.{name}" for name in ALL}
    assert all(GOOD in row["text"] for row in headrace.rows() if "!" not in row["source"] and row["position"] == 0
               and not row["source"].endswith((".json", ".py", ".tex", ".rst", ".csv")))
    found = {outer(hit["source"]) for hit in headrace.search("perfectly good", "-k", "100")}
    assert found == {f"a.{name}" for name in ALL}
    assert report["documents"]["failed"] == 0


def test_the_name_does_not_matter(headrace, tmp_path):
    """Each format under the name of the next one."""
    kinds = [name for name in ALL if name not in TEXTS]
    files = {f"{name.replace('.', '-')}.{kinds[n - 1]}": ALL[name](GOOD) for n, name in enumerate(kinds)}
    files["html.pdf"] = ALL["html"](GOOD)
    files["text.pdf"] = ALL["txt"](GOOD)
    files["rtf.docx"] = ALL["rtf"](GOOD)
    files["text.zip"] = ALL["txt"](GOOD)
    files["pdf.txt"] = ALL["pdf"](GOOD)
    files["zip.html"] = ALL["zip"](GOOD)
    write(tmp_path / "docs", files)
    headrace.index("docs")
    assert errors(headrace) == {}
    assert {outer(source) for source in sources(headrace)} == set(files)


def test_empty_files_of_every_format(headrace, tmp_path):
    write(tmp_path / "docs", {**{f"a.{name}": b"" for name in ALL}, "good.txt": GOOD.encode()})
    headrace.index("docs")
    found = errors(headrace)
    assert {outer(source) for source in found} == {f"a.{name}" for name in ALL}
    assert all("empty" in error["message"] for error in found.values())
    assert sources(headrace) == {"docs/good.txt"}


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_truncated_files_of_every_format(headrace, tmp_path, part):
    long = GOOD + "".join(f" word{n}" for n in range(400))
    files = {}
    for name, make in ALL.items():
        data = make(long)
        files[f"a.{name}"] = data[: int(len(data) * part)]
    write(tmp_path / "docs", {**files, "good.txt": GOOD.encode()})
    headrace.index("docs")
    failed = {outer(source) for source in errors(headrace)}
    found = {outer(source) for source in sources(headrace)}
    assert failed | found == {*files, "good.txt"}, "a file is neither in nor listed"
    for name in files:
        kind = name.removeprefix("a.")
        if kind in TEXTS:
            assert name in found and name not in failed, name
        elif kind not in {"pdf", "xml", "tar"}:
            assert name in failed, name


def test_encrypted_files(headrace, tmp_path):
    files = {
        "secret.pdf": documents.encrypted_pdf(GOOD),
        "secret.docx": documents.encrypted_office(),
        "secret.xlsx": documents.encrypted_office(),
        "secret.odt": documents.encrypted_odt(),
        "secret.epub": documents.epub(GOOD, encrypted=True),
        "secret.zip": documents.with_encryption_flag(documents.packed({"one.txt": GOOD})),
    }
    write(tmp_path / "docs", {**files, "good.txt": GOOD.encode()})
    headrace.index("docs")
    found = errors(headrace)
    assert set(found) == {f"docs/{name}" for name in files if name != "secret.zip"} | {"docs/secret.zip!one.txt"}
    for source, error in found.items():
        assert error["code"] == "encrypted", (source, error)
    assert sources(headrace) == {"docs/good.txt"}


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_of_every_format(headrace, tmp_path, seed):
    """Some bytes are others, some are gone, some come twice: nothing hangs, everything is accounted for."""
    random_ = random.Random(seed)
    files = {}
    for name, make in ALL.items():
        for copy in range(6):
            data = bytearray(make(GOOD + " " + "x" * random_.randrange(400)))
            for _ in range(random_.randrange(1, 12)):
                at = random_.randrange(len(data))
                what = random_.randrange(4)
                if what == 0:
                    data[at] = random_.randrange(256)
                elif what == 1:
                    del data[at : at + random_.randrange(1, 20)]
                elif what == 2:
                    data[at:at] = data[at : at + random_.randrange(1, 60)]
                else:
                    data[at : at + 4] = random_.choice([b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff"])
                if not data:
                    data = bytearray(b"?")
            files[f"{copy}.{name}"] = bytes(data)
    write(tmp_path / "docs", {**files, "good.txt": GOOD.encode()})
    headrace.index("docs")
    failed = {outer(source) for source in errors(headrace)}
    found = {outer(source) for source in sources(headrace)}
    assert failed | found == {*files, "good.txt"}
    assert headrace.json("verify", "kb")["ok"]


def test_hostile_files(headrace, tmp_path):
    """Made to take for ever, or all memory: good where something can be read, else one line."""
    deep = 100_000
    good = {
        "deep.html": b"<html><body>" + b"<div>" * deep + GOOD.encode(),
        "deep-lists.html": b"<html><body>" + b"<ul><li>" * deep + GOOD.encode(),
        "deep-tables.html": b"<html><body>" + b"<table><tr><td>" * (deep // 2) + GOOD.encode(),
        "unclosed.html": b"<html><body><p>" + GOOD.encode() + b" <b>never closed",
        "attributes.html": b"<html><body><p " + b'a="1" ' * deep + b">" + GOOD.encode(),
        "deep.md": b"> " * deep + GOOD.encode() + b"\n\n" + b"- " * deep + b"\n",
        "brackets.md": b"# T\n\n" + b"[" * deep + GOOD.encode() + b"](" * deep,
        "braces.tex": b"\\documentclass{a}\\begin{document}" + b"{" * deep + GOOD.encode() + b"}" * deep,
        "braces.cpp": b"// " + GOOD.encode() + b"\n" + b"{" * deep + b"}" * deep,
        "groups.rtf": rb"{\rtf1 " + b"{" * 900 + GOOD.encode() + b"}" * 901,
        "longline.txt": (GOOD + " ").encode() + b"word " * 6_000_000,
        "longword.txt": GOOD.encode() + b" " + b"x" * 3_000_000,
        "longline.csv": f"name,note\n{GOOD},".encode() + b"1," * 500_000 + b"\n",
        "invalid.txt": GOOD.encode() + b" \xff\xfe\xfa broken \xc3\x28 bytes \xed\xa0\x80",
        "controls.txt": GOOD.encode() + b" \x01\x02",
        "spaces.txt": b" " * 1_000_000 + GOOD.encode(),
        "newlines.txt": b"\n" * 1_000_000 + GOOD.encode(),
    }
    laughs = "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "ha">' for n in range(12)
    )
    good["laughs.xml"] = f'<?xml version="1.0"?><!DOCTYPE d [{laughs}]><d>{GOOD} &l11;</d>'.encode()
    bad = {
        "open.rtf": rb"{\rtf1 " + GOOD.encode() + b"{" * deep,
        "deep.xml": b'<?xml version="1.0"?>' + b"<a>" * deep,
        "undeclared.xml": b"<a>" * deep + GOOD.encode() + b"</a>" * deep,
        "deep.json": b"[" * deep + b'"' + GOOD.encode() + b'"' + b"]" * deep,
        "deep.ipynb": b'{"nbformat": 4, "cells": ' + b"[" * deep + b"]" * deep + b"}",
        "deep.docx": documents.ooxml(
            "word/document.xml", f"<w:document {documents.WORD}><w:body>" + "<w:p>" * deep
        ),
        "loop.pdf": documents.pdf(GOOD).replace(b"/Kids [3 0 R]", b"/Kids [2 0 R]"),
        "pages.pdf": documents.pdf(GOOD).replace(b"/Count 1", b"/Count 2147483647").replace(b"/Kids [3 0 R]", b"/Kids [ 0 0 R ]"),
        "zeros.bin": bytes(200_000),
    }
    write(tmp_path / "docs", {**good, **bad})
    report = headrace.index("docs", "--memory", "512MiB")
    failed = errors(headrace)
    assert {outer(source) for source in failed} == set(bad)
    assert {outer(source) for source in sources(headrace)} == set(good)
    found = {outer(hit["source"]) for hit in headrace.search("perfectly good", "-k", "200")}
    assert set(good) - found == set()
    assert report["peak_rss_bytes"] < 512 << 20


def test_bombs(headrace, tmp_path):
    """What unpacks to far more than it is, is refused; its good members are in."""
    import bz2
    import io
    import lzma
    import zipfile

    zeros = bytes(1 << 20)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("good.txt", GOOD)
        with package.open("zeros.txt", "w", force_zip64=True) as member:
            for _ in range(80):
                member.write(zeros)
    tar = documents.tar({"good.txt": GOOD.encode(), "zeros.txt": bytes(80 << 20)})
    files = {
        "bomb.zip": bomb.getvalue(),
        "bomb.gz": gzip.compress(bytes(80 << 20)),
        "bomb.bz2": bz2.compress(bytes(80 << 20)),
        "bomb.xz": lzma.compress(bytes(80 << 20), preset=0),
        "bomb.zst": documents.zst_bomb(800),
        "bomb.tar.gz": gzip.compress(tar),
        "bomb.docx": documents.ooxml("word/document.xml", " " * (80 << 20)),
        "bomb.odt": documents.opendocument("text", " " * (80 << 20)),
        "bomb.epub": documents.epub(" " * (80 << 20)),
    }
    write(tmp_path / "docs", {**files, "plain.txt": GOOD.encode()})
    report = headrace.index("docs", "--memory", "256MiB")
    failed = {outer(source) for source in errors(headrace)}
    assert failed == set(files)
    assert {"docs/plain.txt", "docs/bomb.zip!good.txt", "docs/bomb.tar.gz!good.txt"} <= sources(headrace)
    assert report["peak_rss_bytes"] < 300 << 20


def test_a_bad_member_is_not_the_whole_archive(headrace, tmp_path):
    package = bytearray(documents.packed({"one.txt": GOOD + " one", "two.txt": GOOD + " two", "no.txt": b""}))
    at = package.find(b"two.txt") + len("two.txt")
    package[at + 2] ^= 0x55
    package[at + 5] ^= 0x55
    nested = documents.packed({"inner.zip": bytes(package), "not.pdf": b"%PDF-1.4\n" + bytes(range(256)) * 8})
    mail = documents.eml_with_attachment(GOOD, "bad.pdf", b"%PDF-1.4\n" + bytes(range(256)) * 8)
    write(tmp_path / "docs", {"a.zip": bytes(package), "b.zip": nested, "c.eml": mail})
    headrace.index("docs")
    assert set(errors(headrace)) == {
        "docs/a.zip!two.txt",
        "docs/a.zip!no.txt",
        "docs/b.zip!inner.zip!two.txt",
        "docs/b.zip!inner.zip!no.txt",
        "docs/b.zip!not.pdf",
        "docs/c.eml!bad.pdf",
    }
    assert sources(headrace) == {"docs/a.zip!one.txt", "docs/b.zip!inner.zip!one.txt", "docs/c.eml"}


@pytest.mark.parametrize("nested", [False, True])
def test_a_zip_that_ends_too_early_loses_nothing_known(headrace, tmp_path, nested):
    """It was whole once: members behind the cut are not gone, the archive is listed as damaged."""
    words = [f"{GOOD} number{n} " + " ".join(f"w{n}x{k}" for k in range(300)) for n in range(4)]
    whole = documents.packed({f"{n}.txt": text for n, text in enumerate(words)})
    cut = whole[: whole.find(b"2.txt") + 200]

    def put(package: bytes) -> None:
        write(tmp_path / "docs", {"a.zip": documents.packed({"in.zip": package}) if nested else package})

    archive = "docs/a.zip!in.zip" if nested else "docs/a.zip"
    put(whole)
    headrace.index("docs")
    everything = {f"{archive}!{n}.txt" for n in range(4)}
    assert sources(headrace) == everything
    put(cut)
    for _ in range(2):
        report = headrace.index("docs", "--prune")
        assert report["documents"]["removed"] == 0
        assert sources(headrace) == everything
        found = errors(headrace)
        assert set(found) == {archive, f"{archive}!2.txt"}
        assert "too early" in found[archive]["message"]
    # Whole again, and one member less: now it is known what is gone.
    put(documents.packed({f"{n}.txt": words[n] for n in range(3)}))
    assert headrace.index("docs")["documents"]["removed"] == 1
    assert errors(headrace) == {}
    assert sources(headrace) == everything - {f"{archive}!3.txt"}


@pytest.mark.parametrize("threads", [1, 2])
def test_archives_in_archives_with_few_threads(headrace, tmp_path, threads):
    """Each open archive keeps a worker: there are enough of them."""
    package = documents.packed({"0.txt": GOOD, "x.pdf": ALL["pdf"](GOOD)})
    for n in range(1, 4):
        inner = package
        package = documents.packed({f"{n}.txt": GOOD, "in.zip": package, "a.pdf": ALL["pdf"](GOOD), "b.pdf": ALL["pdf"](GOOD)})
    mail = documents.eml_with_attachment(GOOD, "in.zip", inner)
    write(tmp_path / "docs", {"a.zip": package, "b.eml": mail, "c.eml": mail, "d.zip": package})
    report = headrace.index("docs", "--threads", threads, "--memory", "64MiB")
    assert errors(headrace) == {} and report["documents"]["failed"] == 0
    assert {"docs/a.zip!in.zip!in.zip!in.zip!0.txt", "docs/d.zip!in.zip!in.zip!in.zip!x.pdf"} <= sources(headrace)


def test_archive_members_stay_within(headrace, tmp_path):
    """Names that would leave the folder are only names; links and devices are no documents."""
    import io
    import tarfile

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as package:
        for name in ("../../etc/up.txt", "/abs.txt", "a/./b.txt"):
            entry = tarfile.TarInfo(name)
            entry.size = len(GOOD)
            package.addfile(entry, io.BytesIO(GOOD.encode()))
        link = tarfile.TarInfo("link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        package.addfile(link)
        device = tarfile.TarInfo("device")
        device.type = tarfile.CHRTYPE
        package.addfile(device)
    write(tmp_path / "docs", {"t.tar": out.getvalue(), "z.zip": documents.packed({"../up.txt": GOOD})})
    headrace.index("docs")
    assert errors(headrace) == {}
    assert sources(headrace) == {
        "docs/t.tar!etc/up.txt", "docs/t.tar!abs.txt", "docs/t.tar!a/b.txt", "docs/z.zip!up.txt",
    }


def test_text_in_every_encoding(headrace, tmp_path):
    russian, german, japanese = "Привет мир", "Größe der Häuser", "日本語の文章です。"
    texts = {
        "utf-8": german, "utf-8-sig": german, "utf-16": russian, "utf-16-le": russian, "utf-16-be": russian,
        "utf-32": russian, "utf-32-le": german, "utf-32-be": german, "latin-1": german, "cp1252": german,
        "cp1251": russian, "koi8-r": russian, "cp1250": "Zażółć gęślą jaźń", "cp1253": "Καλημέρα κόσμε",
        "shift_jis": japanese, "euc_jp": japanese, "iso2022_jp": japanese, "gbk": "中文编码测试文件",
        "gb18030": "中文编码测试文件", "big5": "繁體中文編碼測試", "euc_kr": "안녕하세요 세계",
    }
    write(tmp_path / "docs", {f"{name}.txt": text.encode(name) for name, text in texts.items()})
    headrace.index("docs")
    assert errors(headrace) == {}
    read = {row["source"]: row["text"] for row in headrace.rows()}
    assert read == {f"docs/{name}.txt": text for name, text in texts.items()}
    assert os.path.exists(tmp_path / "kb")
