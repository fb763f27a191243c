"""One document a file, whatever way it is named; nothing that has no name replaces anything else."""

import io
import json
import os
import shutil
import tarfile

import pytest

GOOD = "perfectly good words"


@pytest.fixture
def two(headrace, tmp_path):
    """Two folders with the same relative path in each."""
    for name in ("one", "two"):
        (tmp_path / name / "docs").mkdir(parents=True)
        (tmp_path / name / "docs" / "a.txt").write_text(f"{GOOD} of {name}")
    return headrace


def index(headrace, folder, *arguments, text=None, kb="kb"):
    before, headrace.folder = headrace.folder, folder
    try:
        done = headrace.run(
            "index", *arguments, "--into", str(before / kb), "--model", "none", "--json", text=text
        )
    finally:
        headrace.folder = before
    report = json.loads(done.stdout)
    return report["documents"] | {"empty": report["empty"]}


def texts(headrace, kb="kb") -> dict[str, str]:
    return {row["source"]: row["text"] for row in headrace.rows(kb)}


def test_the_same_relative_path_of_two_folders_is_two_documents(two, tmp_path):
    assert index(two, tmp_path / "one", "docs")["added"] == 1
    assert index(two, tmp_path / "two", "docs", "--prune")["added"] == 1
    assert texts(two) == {
        "docs/a.txt": f"{GOOD} of one",
        f"{tmp_path}/two/docs/a.txt": f"{GOOD} of two",
    }
    for name in ("one", "two"):
        again = index(two, tmp_path / name, "docs", "--prune")
        assert again == {"added": 0, "updated": 0, "unchanged": 1, "removed": 0, "failed": 0, "empty": 0}
    # Each prunes its own.
    (tmp_path / "one" / "docs" / "a.txt").unlink()
    assert index(two, tmp_path / "two", "docs", "--prune")["removed"] == 0
    assert index(two, tmp_path / "one", "docs", "--prune")["removed"] == 1
    assert set(texts(two)) == {f"{tmp_path}/two/docs/a.txt"}


def test_every_way_to_name_a_file_is_one_document(two, tmp_path):
    one = tmp_path / "one"
    (tmp_path / "link").symlink_to("one")
    assert index(two, one, "docs")["added"] == 1
    ways = [
        (one, "./docs"), (one, "docs/"), (one, "docs/../docs"), (one, str(one / "docs")), (one, "."),
        (one / "docs", "."), (one / "docs", "a.txt"), (tmp_path / "two", "../one/docs"), (one, "docs/*.txt"),
        (tmp_path, "link/docs"), (tmp_path, str(tmp_path / "link" / "docs" / "a.txt")), (one, "./docs/a.txt"),
    ]
    for folder, way in ways:
        found = index(two, folder, way, "--prune")
        assert (found["unchanged"], found["added"], found["removed"]) == (1, 0, 0), way
    assert set(texts(two)) == {"docs/a.txt"}


@pytest.mark.parametrize("first", ["./docs", "{}/docs", "../one/docs", "../link/docs", "docs/a.txt"])
def test_whatever_was_first_the_file_keeps_its_name(two, tmp_path, first):
    (tmp_path / "link").symlink_to("one")
    one = tmp_path / "one"
    assert index(two, one, first.format(one))["added"] == 1
    [name] = texts(two)
    for way in ("docs", "../one/docs", "../link/docs", str(one / "docs")):
        found = index(two, one, way, "--prune")
        assert (found["unchanged"], found["added"], found["removed"]) == (1, 0, 0), way
    assert set(texts(two)) == {name}
    (one / "docs" / "a.txt").unlink()
    (one / "docs" / "b.txt").write_text(GOOD)
    assert index(two, one, "docs", "--prune")["removed"] == 1


def test_from_below_its_folder_a_new_file_is_named_as_its_neighbours(two, tmp_path):
    one = tmp_path / "one"
    index(two, one, "docs")
    (one / "docs" / "b.txt").write_text(GOOD)
    assert index(two, one / "docs", ".")["added"] == 1
    assert set(texts(two)) == {"docs/a.txt", "docs/b.txt"}


def test_what_was_moved_together_is_not_doubled(two, tmp_path):
    index(two, tmp_path / "one", "docs", kb="one/kb")
    (tmp_path / "one").rename(tmp_path / "moved")
    assert index(two, tmp_path / "moved", "docs", kb="moved/kb")["unchanged"] == 1
    shutil.copytree(tmp_path / "moved", tmp_path / "copy")
    assert index(two, tmp_path / "copy", "docs", kb="copy/kb")["added"] == 0
    assert set(texts(two, "copy/kb")) == {"docs/a.txt"}


def test_files_that_were_moved_away_from_their_knowledge_base(two, tmp_path):
    index(two, tmp_path / "one", "docs")
    (tmp_path / "one").rename(tmp_path / "elsewhere")
    found = index(two, tmp_path / "elsewhere", "docs", "--prune")
    assert found["unchanged"] == 1 and found["removed"] == 0


def test_pruning_leaves_alone_what_is_no_file(two, tmp_path):
    one = tmp_path / "one"
    index(two, one, "docs")
    index(two, one, "-", text="by a pipe")
    assert index(two, one, ".", "--prune")["removed"] == 0
    assert set(texts(two)) == {"docs/a.txt", "-"}


def test_standard_input_replaces_nothing_of_another_run(headrace, tmp_path):
    for text in ("first", "second", "first", "second", "third"):
        index(headrace, tmp_path, "-", text=text)
    found = texts(headrace)
    assert sorted(found.values()) == ["first", "second", "third"] and found["-"] == "first"
    assert all(source == "-" or source.startswith("-#") for source in found)


def test_records_of_standard_input(headrace, tmp_path):
    index(headrace, tmp_path, "-", text='{"id": "a", "text": "one"}\n{"text": "two"}\n')
    index(headrace, tmp_path, "-", text='{"id": "a", "text": "one again"}\n{"text": "three"}\n')
    index(headrace, tmp_path, "-", text='{"text": "zero"}\n{"text": "two"}\n')
    assert sorted(texts(headrace).values()) == ["one again", "three", "two", "zero"]
    [row] = [row for row in headrace.rows() if row["text"] == "two"]
    assert row["source"] == "-#" + row["metadata"]["id"]


def test_standard_input_with_a_name_is_a_file_of_that_name(headrace, tmp_path):
    for text, counted in (("first", "added"), ("second", "updated"), ("second", "unchanged")):
        assert index(headrace, tmp_path, "-", "--name", "notes.md", text=text)[counted] == 1
    assert texts(headrace) == {"notes.md": "second"}
    index(headrace, tmp_path, "-", "--name", "r.jsonl", text='{"id": 1, "text": "x"}\n{"id": 2, "text": "y"}\n')
    last = index(headrace, tmp_path, "-", "--name", "r.jsonl", text='{"id": 2, "text": "y"}\n{"text": "z"}\n')
    assert last["removed"] == 1
    assert set(texts(headrace)) == {"notes.md", "r.jsonl#2", "r.jsonl#line-2"}


def test_records_without_an_id_take_no_id_of_others(headrace, tmp_path):
    (tmp_path / "r.jsonl").write_text('{"text": "without"}\n{"id": "1", "text": "with"}\n')
    headrace.index("r.jsonl")
    assert texts(headrace) == {"r.jsonl#line-1": "without", "r.jsonl#1": "with"}


def test_what_has_no_text_is_no_failure_and_nothing_of_it_stays(headrace, tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "spaces.txt").write_text(" \n\t\n")
    (docs / "r.jsonl").write_text('{"id": "e", "text": ""}\n{"id": "t", "text": "", "title": "A title"}\n')
    (docs / "a.txt").write_text(GOOD)
    with tarfile.open(docs / "t.tar", "w") as tar:
        blank = tarfile.TarInfo("blank.txt")
        blank.size = 1
        tar.addfile(blank, io.BytesIO(b"\n"))
    report = headrace.index("docs", "--strict")
    assert report["documents"] == {"added": 2, "updated": 0, "unchanged": 0, "removed": 0, "failed": 0}
    assert report["empty"] == 3
    assert headrace.json("errors", "kb")["errors"] == []
    assert headrace.index("docs")["documents"]["unchanged"] == 5
    (docs / "a.txt").write_text("  \n")
    assert headrace.index("docs")["empty"] == 1
    assert headrace.search("perfectly good") == []


def test_a_file_without_a_byte_fails_and_what_it_said_stays(headrace, tmp_path):
    """A program that is writing it may have got no further."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.txt").write_text(GOOD)
    headrace.index("docs")
    (docs / "a.txt").write_text("")
    assert headrace.index("docs")["documents"]["failed"] == 1
    [error] = headrace.json("errors", "kb")["errors"]
    assert error["source"] == "docs/a.txt" and "empty" in error["message"]
    assert headrace.search("perfectly good")
    assert headrace.json("verify", "kb")["ok"]
