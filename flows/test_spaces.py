"""Spaces: several models' vectors in one knowledge base, added and dropped online; `--instant`."""

import json
import pathlib
import signal
import subprocess

import pytest

HEADRACE = str(pathlib.Path(__file__).resolve().parent.parent / "build" / "headrace")
MODEL = "all-MiniLM-L6-v2"
SUBJECTS = [
    ("cat", "The kitten slept on the warm windowsill all afternoon."),
    ("money", "Interest rates rose and the bank lent less to small firms."),
    ("sea", "Waves broke over the bow while the sailors took in the canvas."),
    ("bread", "Knead the dough, let it rise, and bake the loaf until golden."),
    ("star", "The telescope followed a dying sun at the edge of the galaxy."),
]


def write_documents(folder: pathlib.Path, count: int) -> None:
    folder.mkdir()
    for n in range(count):
        name, text = SUBJECTS[n % len(SUBJECTS)]
        (folder / f"{name}{n:03}.txt").write_text(f"{text} Note number {n}.")


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """One distilled table for all tests of this file."""
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def run(tmp_path, cache, monkeypatch):
    monkeypatch.setenv("HEADRACE_CACHE", cache)

    def run(*arguments, code=0):
        done = subprocess.run([HEADRACE, *map(str, arguments), "--json"], cwd=tmp_path, capture_output=True,
                              text=True, timeout=300)
        assert done.returncode == code, f"exit {done.returncode}: {done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    return run


def coverage(run) -> dict[str, int]:
    return {space["name"]: space["rows"] for space in run("info", "kb")["spaces"]}


def vectors(run, tmp_path, name) -> dict:
    pa = pytest.importorskip("pyarrow")
    run("export", "kb", "--to", name)
    with pa.ipc.open_file(str(tmp_path / name)) as file:
        table = file.read_all()
    return {row["key"]: row for row in table.to_pylist()}


def test_a_static_space_answers_until_the_model_has_caught_up(run, tmp_path):
    write_documents(tmp_path / "docs", 10)
    run("index", "docs", "--into", "kb", "--model", "none")
    assert coverage(run) == {}
    added = run("space", "add", "kb", "--model", f"static:{MODEL}")
    assert added["name"] == "static" and added["added"] == 10 and added["dimension"] == 256
    assert "cat" in run("search", "kb", "a sleeping cat", "-k", "1", "--mode", "vector")["hits"][0]["source"]
    run("space", "add", "kb", "--model", MODEL, "--name", "exact")
    assert coverage(run) == {"static": 10, "exact": 10}
    for space in ("static", "exact"):
        hit = run("search", "kb", "baking a loaf", "-k", "1", "--mode", "vector", "--space", space)["hits"][0]
        assert "bread" in hit["source"]
    run("space", "drop", "kb", "static")
    assert coverage(run) == {"exact": 10}
    listed = run("space", "list", "kb")["spaces"]
    assert [space["main"] for space in listed] == [True]
    assert "star" in run("search", "kb", "astronomy", "-k", "1")["hits"][0]["source"]
    run("space", "drop", "kb", "exact")
    assert run("search", "kb", "kitten", "-k", "1")["hits"]  # by words
    assert run("verify", "kb")["ok"]


def test_a_model_is_replaced_while_searches_go_on(run, tmp_path):
    import headrace as hr

    write_documents(tmp_path / "docs", 10)
    run("index", "docs", "--into", "kb", "--model", f"static:{MODEL}")
    with hr.open(str(tmp_path / "kb")) as reader:
        assert "money" in reader.search("loans and credit", k=1)[0].source
        run("space", "add", "kb", "--model", MODEL, "--name", "new")
        assert "money" in reader.search("loans and credit", k=1)[0].source
        run("space", "drop", "kb", "default")
        assert "money" in reader.search("loans and credit", k=1)[0].source
        assert [space["name"] for space in reader.spaces] == ["new"]
    # New documents get the new model's vectors; the others are cut alike and not touched.
    (tmp_path / "docs" / "tree.txt").write_text("The oak had stood in the meadow for three hundred years.")
    assert run("index", "docs", "--into", "kb")["documents"]["unchanged"] == 10
    assert coverage(run) == {"new": 11}


def test_names_and_models_that_do_not_fit_are_refused(run, tmp_path):
    write_documents(tmp_path / "docs", 5)
    run("index", "docs", "--into", "kb", "--model", f"static:{MODEL}")
    run("space", "add", "kb", "--model", MODEL, "--name", "default", code=2)
    run("space", "add", "kb", "--model", "static:no-such-model", code=1)
    run("space", "drop", "kb", "nothing", code=1)
    run("search", "kb", "words", "--space", "nothing", code=1)
    run("index", "docs", "--into", "other", "--model", "none", "--instant", code=2)
    assert coverage(run) == {"default": 5}


def test_a_run_without_model_leaves_the_vectors_and_their_model(run, tmp_path):
    write_documents(tmp_path / "docs", 5)
    run("index", "docs", "--into", "kb", "--model", f"static:{MODEL}")
    (tmp_path / "docs" / "tree.txt").write_text("The oak had stood in the meadow for three hundred years.")
    documents = run("index", "docs", "--into", "kb", "--model", "none")["documents"]
    assert (documents["added"], documents["unchanged"]) == (1, 5)
    assert coverage(run) == {"default": 5}
    run("index", "docs", "--into", "kb")
    assert coverage(run) == {"default": 6}


def start(tmp_path, *arguments) -> subprocess.Popen:
    return subprocess.Popen([HEADRACE, *arguments], cwd=tmp_path, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def test_instant_runs_are_killed_and_go_on(run, tmp_path):
    """kill -9 once rows are searchable: they stay so, and the end is that of an undisturbed run."""
    write_documents(tmp_path / "docs", 200)
    # Vectors kept from the first run would leave nothing to interrupt.
    report = run("index", "docs", "--into", "kb", "--instant", "--cache", "off")
    assert report["searchable_seconds"] <= report["seconds"]
    assert coverage(run) == {"default": 200, "static": 200}
    queries = ["a sleeping cat", "loans and credit", "storm at sea", "baking", "astronomy"]
    expected = [run("search", "kb", query, "-k", "20")["hits"] for query in queries]
    expected_vectors = vectors(run, tmp_path, "whole.arrow")
    (tmp_path / "kb").rename(tmp_path / "whole")

    killed = 0
    for _ in range(4):
        process = start(tmp_path, "index", "docs", "--into", "kb", "--instant", "--cache", "off")
        before = coverage(run).get("default", 0) if (tmp_path / "kb").exists() else 0
        while process.poll() is None:
            if not list((tmp_path / "kb").glob("manifest-" + "?" * 16)):
                continue
            now = coverage(run)
            if now.get("static", 0) == 200 and now.get("default", 0) >= before:
                process.send_signal(signal.SIGKILL)
                killed += 1
                break
        process.wait()
        now = coverage(run)
        assert now["static"] == 200 and now["default"] >= before
        for query, subject in zip(queries, ("cat", "money", "sea", "bread", "star")):
            hits = run("search", "kb", query, "-k", "3", "--mode", "vector")["hits"]
            assert len(hits) == 3, now
        assert run("verify", "kb")["ok"]
    assert killed >= 1
    # Without --instant it goes on as well, and new rows keep both spaces.
    run("index", "docs", "--into", "kb", "--cache", "off")
    assert coverage(run) == {"default": 200, "static": 200}
    assert [run("search", "kb", query, "-k", "20")["hits"] for query in queries] == expected
    assert vectors(run, tmp_path, "kb.arrow") == expected_vectors


def test_instant_finds_words_while_the_static_model_is_made(run, tmp_path, monkeypatch):
    """Nothing waits for the distilling, and Ctrl-C ends it: no table is kept of a part."""
    cache = tmp_path / "empty-cache"
    monkeypatch.setenv("HEADRACE_CACHE", str(cache))
    write_documents(tmp_path / "docs", 5)
    process = start(tmp_path, "index", "docs", "--into", "kb", "--instant")
    while not list((tmp_path / "kb").glob("manifest-" + "?" * 16)):
        assert process.poll() is None
    while not run("search", "kb", "kitten", "--mode", "text")["hits"]:
        assert process.poll() is None
    assert "static" not in coverage(run)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert not list(cache.glob("**/static-*"))
    # The next run makes it.
    run("index", "docs", "--into", "kb", "--instant")
    assert coverage(run) == {"default": 5, "static": 5}
    assert list(cache.glob("**/static-*"))
