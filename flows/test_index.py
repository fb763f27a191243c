"""The main job at the command line: index, search, incremental runs, deletes, export."""

import json
import os
import pathlib
import subprocess
import time

import pytest

HEADRACE = str(pathlib.Path(__file__).resolve().parent.parent / "build" / "headrace")


def write(folder, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def counts(report) -> tuple:
    documents = report["documents"]
    return tuple(documents[name] for name in ("added", "updated", "unchanged", "removed", "failed"))


def test_folder_becomes_searchable(headrace, tmp_path):
    write(
        tmp_path / "docs",
        {
            "keys.md": "# Key rotation\n\nRotate keys every ninety days with the vault command.\n",
            "sub/backup.txt": "Backups run nightly.\n\nRestore them with the restore tool.\n",
        },
    )
    report = headrace.index("docs")
    assert counts(report) == (2, 0, 0, 0, 0)
    assert report["rows"] == 2
    hits = headrace.search("how do I rotate keys")
    assert hits[0]["source"] == "docs/keys.md"
    assert "ninety days" in hits[0]["text"]
    assert set(hits[0]) >= {
        "key", "score", "source", "title", "text", "modality", "start", "end", "page", "metadata",
    }
    assert hits[0]["modality"] == "text" and hits[0]["page"] is None


def test_unchanged_changed_vanished(headrace, tmp_path):
    docs = tmp_path / "docs"
    write(docs, {"a.txt": "alpha apples", "b.txt": "beta bananas", "c.txt": "gamma grapes"})
    assert counts(headrace.index("docs")) == (3, 0, 0, 0, 0)
    assert counts(headrace.index("docs")) == (0, 0, 3, 0, 0)
    write(docs, {"b.txt": "beta blueberries instead"})
    (docs / "c.txt").unlink()
    assert counts(headrace.index("docs")) == (0, 1, 1, 0, 0)
    assert headrace.search("bananas") == []
    assert headrace.search("blueberries")[0]["source"] == "docs/b.txt"
    assert headrace.search("grapes")[0]["source"] == "docs/c.txt"
    assert counts(headrace.index("docs", "--prune")) == (0, 0, 2, 1, 0)
    assert headrace.search("grapes") == []


def test_touched_but_equal_is_unchanged(headrace, tmp_path):
    write(tmp_path / "docs", {"a.txt": "alpha"})
    headrace.index("docs")
    os.utime(tmp_path / "docs/a.txt", (1, 1))
    assert counts(headrace.index("docs")) == (0, 0, 1, 0, 0)


def test_dry_run_writes_nothing(headrace, tmp_path):
    write(tmp_path / "docs", {"a.txt": "alpha"})
    assert counts(headrace.index("docs", "--dry-run")) == (1, 0, 0, 0, 0)
    assert counts(headrace.index("docs")) == (1, 0, 0, 0, 0)


def test_jsonl_records(headrace, tmp_path):
    lines = [
        {"_id": "d1", "title": "Wings", "text": "lift of a wing", "year": 1958, "tags": ["aero", "lift"]},
        {"id": 7, "contents": "boundary layer flow", "lang": "de"},
    ]
    text = "\n".join(json.dumps(line) for line in lines) + "\nnot json\n" + json.dumps({"no": "text"}) + "\n"
    write(tmp_path, {"corpus.jsonl": text})
    report = headrace.index("corpus.jsonl")
    assert counts(report) == (2, 0, 0, 0, 2)
    hit = headrace.search("wing lift")[0]
    assert hit["source"] == "corpus.jsonl#d1"
    assert hit["title"] == "Wings"
    assert hit["metadata"]["id"] == "d1" and hit["metadata"]["year"] == 1958
    assert hit["metadata"]["tags"] == ["aero", "lift"]
    assert headrace.search("boundary")[0]["metadata"]["id"] == 7
    errors = headrace.json("errors", "kb")["errors"]
    assert {error["source"] for error in errors} == {"corpus.jsonl:3", "corpus.jsonl:4"}
    # A title is searched as part of the text.
    assert headrace.search("wings")[0]["source"] == "corpus.jsonl#d1"
    # Changing one line changes one document; a removed line is a removed document.
    write(tmp_path, {"corpus.jsonl": json.dumps({**lines[0], "text": "drag of a wing"}) + "\n"})
    assert counts(headrace.index("corpus.jsonl"))[:4] == (0, 1, 0, 1)
    assert headrace.search("boundary") == []


def test_filters(headrace, tmp_path):
    rows = [{"id": str(n), "text": f"common word{n}", "n": n, "lang": "de" if n % 2 else "en"} for n in range(10)]
    write(tmp_path, {"r.jsonl": "\n".join(map(json.dumps, rows))})
    headrace.index("r.jsonl")
    found = headrace.search("common", "--filter", "lang = 'de' and n >= 4")
    assert sorted(hit["metadata"]["n"] for hit in found) == [5, 7, 9]
    done = headrace.run("search", "kb", "common", "--filter", "lang = ", code=2)
    assert "headrace:" in done.stderr
    removed = headrace.json("delete", "kb", "--filter", "n < 5")
    assert removed == {"removed": 5}
    assert len(headrace.search("common")) == 5


def test_queries_file(headrace, tmp_path):
    write(tmp_path, {
        "docs/a.txt": "alpha apples",
        "q.jsonl": '{"_id": "1", "text": "apples"}\n{"id": 2, "query": "zzzz"}\n',
    })
    headrace.index("docs")
    lines = headrace.run("search", "kb", "--queries", "q.jsonl", "--json").stdout.splitlines()
    answers = [json.loads(line) for line in lines]
    assert [answer["id"] for answer in answers] == ["1", 2]
    assert answers[0]["hits"][0]["source"] == "docs/a.txt" and answers[1]["hits"] == []


def test_export_spans_are_exact(headrace, tmp_path):
    text = "Überschrift und Text 😀.\n\n" + "\n\n".join(
        f"Absatz {n} erzählt von Käse, Brot und 日本語 in vielen Worten." for n in range(200)
    )
    write(tmp_path, {"docs/a.txt": text})
    headrace.index("docs", "--chunk-tokens", "64")
    rows = headrace.rows()
    assert [row["position"] for row in rows] == list(range(len(rows)))
    for row in rows:
        begin, end = row["span"]
        assert text[begin:end] == row["text"]


def test_results_do_not_depend_on_threads(headrace, tmp_path):
    write(tmp_path / "docs", {f"{n:03}.md": f"# Page {n}\n\n" + f"word{n} text. " * 80 for n in range(60)})
    headrace.run("index", "docs", "--into", "one", "--model", "none", "--threads", "1")
    headrace.run("index", "docs", "--into", "many", "--model", "none", "--threads", "5")
    assert headrace.rows("one") == headrace.rows("many")


def test_standard_input(headrace):
    headrace.run("index", "-", "--into", "kb", "--model", "none", text="piped words about rivers\n")
    assert headrace.search("rivers")[0]["source"] == "-"


def test_second_writer_fails_at_once_and_names_the_first(headrace, tmp_path):
    write(tmp_path / "docs", {"a.txt": "alpha"})
    headrace.index("docs")
    first = subprocess.Popen(
        [HEADRACE, "index", "docs", "--into", "kb", "--model", "none", "--watch"],
        cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
    )
    try:
        lock = tmp_path / "kb" / "LOCK"
        deadline = time.monotonic() + 30
        while lock.read_text() != str(first.pid) and time.monotonic() < deadline:
            assert first.poll() is None
        done = subprocess.run([HEADRACE, "delete", "kb", "--filter", "source = 'x'"],
                              cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 1
        assert str(first.pid) in done.stderr and "kb" in done.stderr
        assert headrace.search("alpha"), "readers do not wait for a writer"
    finally:
        first.send_signal(2)
        assert first.wait(timeout=30) == 130


def test_wrong_use(headrace):
    assert "PATH" in headrace.run("index", "--into", "kb", code=2).stderr
    headrace.run("nonsense", code=2)
    assert headrace.run("search", "nowhere", "x", code=1).stderr
    assert headrace.run("index", "nowhere.txt", "--into", "kb", "--model", "none", code=1).stderr
    assert "headrace" in headrace.run("--version").stdout


def test_what_cannot_be_read_makes_no_knowledge_base(headrace, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("words")
    for source, code, said in [("none", 1, "no such file"), ("s3://bucket/x", 1, "s3")]:
        failed = headrace.run("index", source, "--into", "kb", "--model", "none", code=code)
        assert said in failed.stderr
        assert not (tmp_path / "kb").exists()
    refused = headrace.run("index", "docs", "--into", "docs", "--model", "none", code=2)
    assert "docs/kb" in refused.stderr
    assert [path.name for path in (tmp_path / "docs").iterdir()] == ["a.txt"]
    headrace.run("index", "docs", "--into", "docs/kb", "--model", "none")
    again = json.loads(headrace.run("index", "docs", "--into", "docs/kb", "--model", "none", "--json").stdout)
    assert again["documents"]["unchanged"] == 1 and again["documents"]["added"] == 0


def test_prune_leaves_what_include_leaves_out(headrace, tmp_path):
    (tmp_path / "docs").mkdir()
    for name in ["a.md", "b.md", "c.txt"]:
        (tmp_path / "docs" / name).write_text("words of " + name)
    headrace.run("index", "docs", "--into", "kb", "--model", "none")
    (tmp_path / "docs" / "b.md").unlink()
    (tmp_path / "docs" / "c.txt").unlink()
    report = json.loads(
        headrace.run("index", "docs", "--into", "kb", "--model", "none", "--include", "*.md", "--prune",
                 "--json").stdout)
    assert report["documents"]["removed"] == 1
    assert json.loads(headrace.run("info", "kb", "--json").stdout)["documents"] == 2


@pytest.mark.parametrize("command", [["search", "kb", "text", "-k", "5000"],
                                     ["export", "kb", "--to", "-"],
                                     ["search", "kb", "text", "-k", "5000", "--json"]])
def test_a_reader_that_has_seen_enough_ends_it_quietly(headrace, tmp_path, command):
    lines = "".join(json.dumps({"text": f"text number {i} " + "and more " * 20}) + "\n" for i in range(5000))
    (tmp_path / "many.jsonl").write_text(lines)
    headrace.run("index", "many.jsonl", "--into", "kb", "--model", "none")
    with subprocess.Popen([HEADRACE, *command], cwd=tmp_path, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_the_line_shown_is_that_of_the_match(headrace, tmp_path):
    lines = [f"line {i} of the file" for i in range(1, 21)]
    lines[13] += " has a needle"
    (tmp_path / "a.txt").write_text("\n".join(lines))
    headrace.run("index", "a.txt", "--into", "kb", "--model", "none")
    assert "a.txt:14 " in headrace.run("search", "kb", "needle").stdout


def test_headings_are_embedded_where_that_is_asked_for(headrace):
    """The heading alone says what the text is about; the setting is kept, and another one redoes rows."""
    (headrace.folder / "book.md").write_text(
        "# Violins\n\nIt has four of them, and the lowest is a G.\n\n# Lorries\n\n" + "It is long. " * 30 + "\n\nIt has six of them, and "
        "the rear ones are doubled. " + "They are old. " * 40 + "\n")
    plain = headrace.json("index", "book.md", "--into", "plain", "--model", "all-MiniLM-L6-v2",
                          "--chunk-tokens", "64")
    told = headrace.json("index", "book.md", "--into", "kb", "--model", "all-MiniLM-L6-v2",
                         "--embed-headings", "--chunk-tokens", "64")
    assert told["rows"] >= plain["rows"]

    def best(kb):
        hits = headrace.json("search", kb, "lorries", "--mode", "vector", "-k", "100")["hits"]
        return max(hit["score"] for hit in hits if "old" in hit["text"])

    assert best("kb") > best("plain") + 0.05
    assert headrace.json("index", "book.md", "--into", "kb")["documents"]["unchanged"] == 1
    again = headrace.json("index", "book.md", "--into", "kb", "--no-embed-headings")
    assert again["documents"]["updated"] == 1 and again["tokens"] == plain["tokens"]


def test_spans_are_exact_in_characters_and_in_bytes(headrace):
    text = "Größe und Maß. " * 40 + "\n\n" + "日本語の文章です。" * 30 + "\n\n" + "Plain words end it. " * 20
    (headrace.folder / "a.txt").write_text(text)
    headrace.index("a.txt", "--chunk-tokens", "48")
    rows = headrace.rows()
    assert len(rows) > 5
    for row in rows:
        assert text[slice(*row["span"])] == row["text"]
        assert text.encode()[slice(*row["byte_span"])].decode() == row["text"]
    hit = headrace.search("plain words", "--mode", "text")[0]
    assert text.encode()[slice(*hit["byte_span"])].decode() == hit["text"]
