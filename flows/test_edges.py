"""Wrong use, odd names, strange paths: each gets the right answer or a clear error."""

import json
import os
import signal
import subprocess

import pytest
from executable import HEADRACE


@pytest.fixture
def kb(headrace, tmp_path):
    (tmp_path / "a.txt").write_text("an otter")
    (tmp_path / "b.jsonl").write_text('{"id": "b", "text": "a badger", "lang": "de"}\n')
    headrace.index("a.txt", "b.jsonl")
    return headrace


WRONG_USE = [
    [],
    ["nonsense"],
    ["search", "kb"],
    ["search", "kb", "x", "-k", "0"],
    ["search", "kb", "x", "-k", "-1"],
    ["search", "kb", "x", "-k", "100001"],
    ["search", "kb", "x", "-k", "many"],
    ["search", "kb", "x", "--mode", "best"],
    ["search", "kb", "x", "--filter", "lang ="],
    ["search", "kb", "x", "--unknown"],
    ["search", "kb", "x", "y"],
    ["space", "lst", "kb"],
    ["space", "add", "kb"],
    ["index", "--into", "kb"],
    ["index", "a.txt"],
    ["index", "a.txt", "--into", ""],
    ["index", "", "--into", "kb", "--model", "none"],
    ["index", "a.txt", "--into", "a.txt", "--model", "none"],
    ["index", "a.txt", "--into", "kb", "--memory", "much"],
    ["index", "a.txt", "--into", "kb", "--memory", "1KiB"],
    ["index", "a.txt", "--into", "kb", "--threads", "-1"],
    ["index", "a.txt", "--into", "kb", "--chunk-tokens", "5"],
    ["index", "a.txt", "--into", "kb", "--language", "klingon"],
    ["delete", "kb"],
    ["delete", "kb", "--filter", ""],
    ["export", "kb"],
    ["completion", "ksh"],
    ["info"],
]


@pytest.mark.parametrize("arguments", WRONG_USE, ids=" ".join)
def test_wrong_use_with_json_is_one_json_document(kb, arguments):
    done = kb.run(*arguments, "--json", code=2)
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "invalid_argument" and error["message"]
    assert error["message"].split("\n")[0] in done.stderr
    assert kb.run(*arguments, code=2).stdout == ""


def test_a_filter_that_names_no_column_removes_nothing_and_says_so(kb):
    done = kb.run("delete", "kb", "--filter", "langg = 'de'", "--json", code=2)
    for words in ("langg", "lang", "source"):
        assert words in json.loads(done.stdout)["error"]["message"]
    assert kb.json("delete", "kb", "--filter", "lang = 'fr'") == {"removed": 0}
    assert len(kb.rows()) == 2
    assert kb.json("delete", "kb", "--filter", "lang = 'de' or langg = 'fr'") == {"removed": 1}


@pytest.mark.parametrize("line", ["no json", '{"text": 5}', '{"id": 1}', '["otter"]', '{"text": "\\ud800"}'])
def test_a_bad_line_of_queries_is_named(kb, tmp_path, line):
    (tmp_path / "q.jsonl").write_text('{"text": "otter"}\n\n' + line + "\n")
    assert "q.jsonl line 3" in kb.run("search", "kb", "--queries", "q.jsonl", code=2).stderr


def test_queries_come_from_files_and_pipes_not_folders(kb, tmp_path):
    (tmp_path / "empty.jsonl").write_text("")
    assert kb.run("search", "kb", "--queries", "empty.jsonl").stdout == ""
    piped = kb.run("search", "kb", "--queries", "-", text='{"text": "otter", "id": "q"}\n')
    assert json.loads(piped.stdout)["id"] == "q" and json.loads(piped.stdout)["hits"]
    (tmp_path / "folder.jsonl").mkdir()
    for name in ("folder.jsonl", "nowhere.jsonl"):
        assert name in kb.run("search", "kb", "--queries", name, code=1).stderr


def test_queries_of_a_megabyte_are_answered(kb, tmp_path):
    parts = ["otter ", '"a b ', '"', "+a ", "a* ", "(", "\u201ca ", "-a "]
    lines = [json.dumps({"text": part * (1_000_000 // len(part))}) for part in parts]
    lines.append(json.dumps({"text": " ".join(f"word{n}" for n in range(100_000)) + " otter"}))
    (tmp_path / "q.jsonl").write_text("\n".join(lines))
    done = kb.run("search", "kb", "--queries", "q.jsonl")
    answers = [json.loads(line)["hits"] for line in done.stdout.splitlines()]
    assert len(answers) == len(parts) + 1 and answers[0]


def test_ctrl_c_ends_a_search_at_once(kb, tmp_path):
    """It waits for a query that never comes."""
    os.mkfifo(tmp_path / "pipe.jsonl")
    process = subprocess.Popen([HEADRACE, "search", "kb", "--queries", "pipe.jsonl"], cwd=tmp_path,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(tmp_path / "pipe.jsonl", "w"):  # opens when the search does: its signals are set
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130


def test_messages_that_nobody_can_read_change_no_exit_code(kb, tmp_path):
    with open("/dev/full", "w") as full:
        for arguments, code in ((["info", "nowhere"], 1), (["info", "kb"], 1), (["nonsense"], 2)):
            done = subprocess.run([HEADRACE, *arguments], cwd=tmp_path, stdout=full, stderr=full)
            assert done.returncode == code, arguments


def test_standard_input_is_read_once(headrace):
    done = headrace.run("index", "-", "-", "--into", "kb", "--model", "none", "--json", text="an otter")
    assert json.loads(done.stdout)["documents"] == {
        "added": 1, "updated": 0, "unchanged": 0, "removed": 0, "failed": 0
    }
