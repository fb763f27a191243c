"""`embed` and `index` with shorter vectors, static precision and other outputs than dense ones."""

import json
import re
import subprocess

import numpy as np
import pyarrow as pa
import pytest
from executable import HEADRACE

TEXT = "keys rotate every ninety days\nbackups are taken at night\n"


@pytest.fixture
def model(headrace):
    names = [model["name"] for model in headrace.json("models")["models"]]
    if "all-MiniLM-L6-v2" not in names:
        pytest.skip("all-MiniLM-L6-v2 is not there")
    return "all-MiniLM-L6-v2"


def test_index_remembers_the_dimensions(headrace, model):
    (headrace.folder / "a.txt").write_text(TEXT)
    headrace.json("index", "a.txt", "--into", "kb", "--dimensions", 48)
    assert headrace.json("info", "kb")["spaces"][0]["dimension"] == 48
    assert headrace.search("how often do keys change", "--mode", "vector")
    headrace.json("index", "a.txt", "--into", "kb")
    wrong = headrace.run("index", "a.txt", "--into", "kb", "--dimensions", 32, code=2)
    assert "--dimensions" in wrong.stderr


def test_embed_cuts_and_distils(headrace, model):
    rows = headrace.run("embed", "--dimensions", 5, text=TEXT).stdout.splitlines()
    assert [len(json.loads(row)["embedding"]) for row in rows] == [5, 5]
    static = headrace.run("embed", "--precision", "static", text=TEXT).stdout
    assert static == headrace.run("embed", "--model", f"static:{model}", text=TEXT).stdout
    assert "384" in headrace.run("embed", "--dimensions", 400, text=TEXT, code=2).stderr


def test_embed_gives_token_vectors(headrace, model):
    rows = [json.loads(row) for row in headrace.run("embed", "--output", "tokens", text=TEXT).stdout.splitlines()]
    assert [(len(row["ids"]), len(row["vectors"]), len(row["vectors"][0])) for row in rows] == [(7, 7, 384), (8, 8, 384)]
    assert "foretells words" in headrace.run("embed", "--output", "sparse", text=TEXT, code=1).stderr
    assert "--format" in headrace.run("embed", "--output", "tokens", "--format", "npy", text=TEXT, code=2).stderr


def test_a_model_without_a_score_is_no_reranker(headrace, model):
    (headrace.folder / "a.txt").write_text(TEXT)
    headrace.index("a.txt")
    assert "no reranker" in headrace.run("search", "kb", "keys", "--rerank", model, code=1).stderr


def test_one_bad_line_keeps_those_before_it(headrace, model, tmp_path):
    lines = tmp_path / "texts.jsonl"
    good = '{"text":"caf\\ud800"}\n{"text":"a","n":NaN}\n'
    lines.write_text(good)
    assert len(headrace.run("embed", lines).stdout.splitlines()) == 2
    same = headrace.run("embed", text="caf\ufffd\n").stdout
    assert headrace.run("embed", lines).stdout.splitlines()[0] == same.strip()
    for bad, why in (("{", "not JSON"), ("[1]", "no.* object"), ('{"a":1}', '"text"'), ('{"text":7}', "number")):
        lines.write_text(good + bad + "\n")
        done = headrace.run("embed", lines, code=1)
        assert len(done.stdout.splitlines()) == 2
        assert re.search("line 3: .*" + why, done.stderr)
        done = headrace.run("embed", "--output", "tokens", lines, code=1)
        assert len(done.stdout.splitlines()) == 2 and "line 3" in done.stderr


@pytest.mark.parametrize("into", ["file", "pipe"])
def test_one_bad_line_leaves_a_whole_npy_of_those_before_it(model, tmp_path, into):
    lines = tmp_path / "texts.jsonl"
    lines.write_text('{"text":"keys"}\n{"text":"locks"}\n{"text":"broken\n{"text":"doors"}\n')
    out = tmp_path / "vectors.npy"
    command = [str(HEADRACE), "embed", "--format", "npy", str(lines)]
    with out.open("wb") as file:
        wanted = file if into == "file" else subprocess.PIPE
        done = subprocess.run(command, stdout=wanted, stderr=subprocess.PIPE)
    if into == "pipe":
        out.write_bytes(done.stdout)
    assert done.returncode == 1 and b"line 3" in done.stderr
    assert np.load(out).shape == (2, 384)


def test_one_bad_line_leaves_a_whole_arrow_file_of_those_before_it(model, tmp_path):
    lines = tmp_path / "texts.jsonl"
    lines.write_text('{"text":"keys"}\n[1]\n')
    done = subprocess.run([str(HEADRACE), "embed", "--format", "arrow", str(lines)], capture_output=True)
    assert done.returncode == 1 and b"line 2" in done.stderr
    assert pa.ipc.open_file(done.stdout).read_all().num_rows == 1
