"""Wrong use, odd names, strange paths: each gets the right answer or a clear error."""

import json

import pytest


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
