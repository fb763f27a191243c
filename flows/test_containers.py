"""Archives, mails and record files: what is inside them is kept and removed with what holds it."""

import gzip
import json
import shutil
import subprocess
import sys

import pytest

import documents
from executable import HEADRACE, ROOT
from test_index import counts

GOOD = "perfectly good words"


def write(folder, files: dict[str, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def sources(headrace) -> set[str]:
    return {row["source"] for row in headrace.rows()}


def errors(headrace) -> dict[str, dict]:
    return {error["source"]: error for error in headrace.json("errors", "kb")["errors"]}


@pytest.mark.parametrize("pack", [documents.packed, documents.tar])
def test_attachments_of_mails_in_an_archive_stay(headrace, tmp_path, pack):
    mails = {
        f"{n}.eml": documents.eml_with_attachment(f"{GOOD} {n}", "note.txt", f"note {n}".encode())
        for n in range(4)
    }
    mails["3.eml"] = documents.eml_with_attachment(GOOD, "bad.pdf", b"%PDF-1.4\n" + bytes(range(256)) * 8)
    write(tmp_path / "docs", {"mails": pack(mails)})
    headrace.index("docs")
    everything = sources(headrace)
    assert {f"docs/mails!{n}.eml!note.txt" for n in range(3)} <= everything
    assert set(errors(headrace)) == {"docs/mails!3.eml!bad.pdf"}
    # A mail more, one changed, the others as they were.
    mails["4.eml"] = documents.eml(GOOD)
    mails["0.eml"] = documents.eml_with_attachment("other words", "note.txt", b"note 0")
    write(tmp_path / "docs", {"mails": pack(mails)})
    report = headrace.index("docs")
    assert report["documents"]["removed"] == 0
    assert sources(headrace) == everything | {"docs/mails!4.eml"}
    assert set(errors(headrace)) == {"docs/mails!3.eml!bad.pdf"}
    # What a mail no longer has goes, and what a mail had that is gone.
    mails["0.eml"] = documents.eml("other words")
    del mails["1.eml"], mails["3.eml"]
    write(tmp_path / "docs", {"mails": pack(mails)})
    would = headrace.index("docs", "--dry-run")
    report = headrace.index("docs")
    assert would["documents"]["removed"] == report["documents"]["removed"] == 4
    assert sources(headrace) == {
        "docs/mails!0.eml", "docs/mails!2.eml", "docs/mails!2.eml!note.txt", "docs/mails!4.eml",
    }
    assert errors(headrace) == {}


def test_what_is_nested_too_deep_stays_listed(headrace, tmp_path):
    package = documents.packed({"deep.txt": GOOD})
    for _ in range(8):
        package = documents.packed({"in.zip": package, "beside.txt": GOOD})
    write(tmp_path / "docs", {"a.zip": package})
    inner = "docs/a.zip" + "!in.zip" * 8
    for _ in range(2):
        assert headrace.index("docs")["documents"]["failed"] == 1
        found = errors(headrace)
        assert set(found) == {inner}
        assert "8 deep" in found[inner]["message"] and "unpack" in found[inner]["hint"]
        assert len(sources(headrace)) == 8


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_records_with_the_same_id_are_all_there(headrace, tmp_path, kind):
    texts = [("a", "alpha one"), ("b", "beta"), ("a", "alpha two"), ("a", "alpha three")]
    if kind == "jsonl":
        text = "\n".join(json.dumps({"id": id, "text": text}) for id, text in texts)
    else:
        text = "id,text\n" + "\n".join(map(",".join, texts)) + "\n"
    (tmp_path / f"r.{kind}").write_text(text)
    arguments = (f"r.{kind}", "--text-column", "text")
    assert counts(headrace.index(*arguments)) == (4, 0, 0, 0, 0)
    rows = headrace.rows()
    assert {(row["source"], row["text"]) for row in rows} == {
        (f"r.{kind}#a", "alpha one"), (f"r.{kind}#b", "beta"),
        (f"r.{kind}#a (2)", "alpha two"), (f"r.{kind}#a (3)", "alpha three"),
    }
    assert sorted(row["metadata"]["id"] for row in rows) == ["a", "a", "a", "b"]
    with open(tmp_path / f"r.{kind}", "a") as file:
        file.write("\n" if kind == "jsonl" else "c,gamma\n")
    unchanged = counts(headrace.index(*arguments))
    assert unchanged == ((0, 0, 4, 0, 0) if kind == "jsonl" else (1, 0, 4, 0, 0))


def test_a_line_that_is_too_long_is_not_the_whole_file(headrace, tmp_path):
    lines = [json.dumps({"id": n, "text": f"{GOOD} {n}"}) for n in range(6)]
    lines[2] = json.dumps({"id": 2, "text": "word " * 4_000_000})
    lines[5] = json.dumps({"id": 5, "text": "word " * 4_000_000})
    (tmp_path / "r.jsonl").write_text("\n".join(lines))
    report = headrace.index("r.jsonl", "--memory", "64MiB")
    assert counts(report) == (4, 0, 0, 0, 2)
    assert set(errors(headrace)) == {"r.jsonl:3", "r.jsonl:6"}
    assert sources(headrace) == {f"r.jsonl#{n}" for n in (0, 1, 3, 4)}


def test_a_table_without_the_column_is_listed(headrace, tmp_path):
    (tmp_path / "t.csv").write_text("id,body\n1,alpha\n2,beta\n")
    for _ in range(2):
        assert counts(headrace.index("t.csv", "--text-column", "nope")) == (0, 0, 0, 0, 1)
        found = errors(headrace)
        assert set(found) == {"t.csv"}
        assert "nope" in found["t.csv"]["message"] and "id, body" in found["t.csv"]["hint"]
    assert counts(headrace.index("t.csv", "--text-column", "body")) == (2, 0, 0, 0, 0)
    assert errors(headrace) == {}


def test_a_knowledge_base_among_its_sources_is_no_source(headrace, tmp_path):
    write(tmp_path / "docs", {"a.txt": b"alpha"})
    for into in ("docs/one", "docs/two", "docs/one"):
        report = headrace.json("index", "docs", "--into", into, "--model", "none")
        assert report["documents"]["failed"] == 0
        assert {row["source"] for row in headrace.rows(into)} == {"docs/a.txt"}


@pytest.mark.parametrize("arguments", [("--dry-run", "--model", "none"), ("--model", "nosuch")])
def test_a_run_that_may_not_write_makes_no_knowledge_base(headrace, tmp_path, arguments):
    write(tmp_path / "docs", {"a.txt": b"alpha", "b.zip": documents.packed({"c.txt": GOOD})})
    code = 1 if "nosuch" in arguments else 0
    done = headrace.run("index", "docs", "--into", "kb", *arguments, code=code)
    assert ("nosuch" in done.stderr) if code else ("2 added" in done.stdout)
    assert not (tmp_path / "kb").exists()


def test_a_model_beside_the_sources_is_found_from_anywhere(headrace, tmp_path):
    found = subprocess.run([sys.executable, str(ROOT / "tools/model_folder.py")], capture_output=True, text=True)
    if found.returncode != 0:
        pytest.skip("the default model is not installed")
    shutil.copytree(found.stdout.strip(), tmp_path / "mine")
    write(tmp_path / "docs", {"a.txt": b"the harbour lies north of the town"})
    headrace.run("index", "docs", "--into", "kb", "--model", "mine")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run([str(HEADRACE), "search", "../kb", "port", "--mode", "vector", "--json"],
                          cwd=elsewhere, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["hits"][0]["source"] == "docs/a.txt"


def test_a_folder_that_is_no_model_is_said_to_be_none(headrace, tmp_path):
    write(tmp_path / "docs", {"a.txt": b"alpha"})
    done = headrace.run("index", "docs", "--into", "kb", "--model", "docs", code=1)
    assert "docs" in done.stderr and "holds no config.json" in done.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "cp1251", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize("pack", ["", ".gz"])
def test_tables_in_any_encoding_are_records(headrace, tmp_path, encoding, pack):
    text = "Привет, мир, это длинный текст о погоде и о море" if encoding == "cp1251" else "Café, Übermut, naïve façade"
    table = "id,body\n" + "".join(f'{n},"{text} {n}"\n' for n in range(9))
    data = table.encode(encoding)
    write(tmp_path / "docs", {f"t.csv{pack}": gzip.compress(data) if pack else data})
    report = headrace.index("docs", "--text-column", "body")
    assert counts(report) == (9, 0, 0, 0, 0)
    name = "docs/t.csv.gz!t.csv" if pack else "docs/t.csv"
    assert {row["source"]: row["text"] for row in headrace.rows()} == {f"{name}#{n}": f"{text} {n}" for n in range(9)}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("pack", ["", ".gz"])
def test_records_in_wide_encodings_are_read(headrace, tmp_path, encoding, pack):
    lines = "\n".join(json.dumps({"id": n, "text": f"Übermut {n}"}, ensure_ascii=False) for n in range(5))
    data = lines.encode(encoding)
    write(tmp_path / "docs", {f"TWO.JSONL{pack}": gzip.compress(data) if pack else data})
    assert counts(headrace.index("docs")) == (5, 0, 0, 0, 0)
    assert {row["text"] for row in headrace.rows()} == {f"Übermut {n}" for n in range(5)}


def test_a_record_with_a_title_alone_is_found_by_it(headrace, tmp_path):
    (tmp_path / "r.jsonl").write_text('{"id": "a", "title": "Harbour pilots", "text": ""}\n{"id": "b", "text": ""}\n')
    assert counts(headrace.index("r.jsonl")) == (1, 0, 0, 0, 0)
    assert [(row["source"], row["title"]) for row in headrace.rows()] == [("r.jsonl#a", "Harbour pilots")]
    assert headrace.search("harbour pilot")[0]["source"] == "r.jsonl#a"
