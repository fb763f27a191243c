"""Models that are not ours: ONNX files, remote endpoints; the cache of vectors; `headrace embed`."""

import base64
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

from executable import HEADRACE, ROOT

DIMENSION = 8


@pytest.fixture(scope="session")
def model_folder() -> pathlib.Path:
    found = subprocess.run([sys.executable, str(ROOT / "tools/model_folder.py")], capture_output=True, text=True)
    if found.returncode != 0:
        pytest.skip("the default model is not installed")
    return pathlib.Path(found.stdout.strip())


def vectors_of(done) -> np.ndarray:
    return np.array([json.loads(line)["embedding"] for line in done.stdout.splitlines()], np.float32)


# -- a remote endpoint -----------------------------------------------------------------------------


class Endpoint:
    """/v1/embeddings on this machine. `script` holds what the next requests get instead of vectors:
    a status, (status, headers), "stall", or a function of the good answer."""

    def __init__(self) -> None:
        self.requests: list[dict] = []
        self.headers: list[dict] = []
        self.script: list = []
        self.encoding = "float"
        self.refused = ""  # a request with this in one of its texts gets a 400
        self.stalled = threading.Event()
        lock = threading.Lock()
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    endpoint.requests.append(body)
                    endpoint.headers.append(dict(self.headers))
                    step = endpoint.script.pop(0) if endpoint.script else None
                if step == "stall":
                    endpoint.stalled.wait(60)
                    self.close_connection = True
                    return
                status, headers, answer = 200, {}, endpoint.answer(body)
                if any(endpoint.refused in text for text in body["input"] if endpoint.refused):
                    step = 400
                if isinstance(step, int):
                    status, answer = step, {"error": {"message": f"status {step} as asked"}}
                elif isinstance(step, tuple):
                    (status, headers), answer = step, {"error": {"message": "as asked"}}
                elif step is not None:
                    answer = step(answer)
                payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    @staticmethod
    def vector(text: str) -> np.ndarray:
        """Tells texts apart, and texts with a word in common a little less."""
        vector = np.zeros(DIMENSION, np.float32)
        for word in text.lower().split():
            vector[sum(word.encode()) % DIMENSION] += 1
        return vector if vector.any() else np.ones(DIMENSION, np.float32)

    def answer(self, body: dict) -> dict:
        data = []
        for index, text in enumerate(body["input"]):
            vector = self.vector(text)
            encoded = vector.tolist()
            if body["encoding_format"] == "base64" and self.encoding == "base64":
                encoded = base64.b64encode(vector.astype("<f4").tobytes()).decode()
            data.append({"object": "embedding", "index": index, "embedding": encoded})
        return {"object": "list", "data": data, "usage": {"prompt_tokens": 10 * len(data)}}

    def close(self) -> None:
        self.stalled.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def endpoint():
    made = Endpoint()
    yield made
    made.close()


def remote(endpoint: Endpoint, settings: str = "") -> str:
    return f"openai:{endpoint.url}#test-model{settings}"


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_remote_embed(headrace, endpoint, encoding):
    endpoint.encoding = encoding
    texts = [f"text number {n} " + "x" * (n % 5) for n in range(50)] + ["", "ümläut", "text number 0 "]
    done = headrace.run(
        "embed", "--model", remote(endpoint, "?batch=7&price=100"), text="\n".join(texts) + "\n",
        env={"OPENAI_API_KEY": "sk-test"},
    )
    expected = np.array([Endpoint.vector(text or " ") for text in texts])
    assert np.array_equal(vectors_of(done), expected)
    assert "tokens, cost 0.0" in done.stderr and "1 texts were known" in done.stderr
    assert all(h["Authorization"] == "Bearer sk-test" for h in endpoint.headers)
    assert endpoint.requests[1]["model"] == "test-model"
    assert max(len(r["input"]) for r in endpoint.requests) == 7


def test_remote_busy_and_broken(headrace, endpoint):
    headrace.run("embed", "--model", remote(endpoint), text="warm\n")
    endpoint.script = [None, (429, {"Retry-After": "0"}), (500, {"Retry-After": "0"})]
    done = headrace.run("embed", "--model", remote(endpoint), text="hello world\n")
    assert np.array_equal(vectors_of(done)[0], Endpoint.vector("hello world"))
    assert "(2 repeated)" in done.stderr

    endpoint.script = [None, *[(503, {"Retry-After": "0"})] * 2]
    done = headrace.run("embed", "--model", remote(endpoint, "?attempts=2"), text="hello\n", code=1)
    assert "503" in done.stderr and "try again later" in done.stderr and not done.stdout


def test_remote_stall_ends_by_its_timeout(headrace, endpoint):
    endpoint.script = [None, "stall"]
    done = headrace.run(
        "embed", "--model", remote(endpoint, "?timeout=0.3&attempts=1"), text="hello\n", code=1
    )
    assert endpoint.url in done.stderr and "headrace:" in done.stderr


def test_remote_stall_ends_by_ctrl_c(headrace, endpoint):
    endpoint.script = [None, "stall"]
    process = subprocess.Popen(
        [str(HEADRACE), "embed", "--model", remote(endpoint)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    process.stdin.write("hello\n")
    process.stdin.flush()
    while len(endpoint.requests) < 2:  # the second one is the one that stalls
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    process.communicate()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda a: {**a, "data": a["data"][1:]},
        lambda a: {**a, "data": a["data"] + a["data"][:1]},
        lambda a: {**a, "data": [{**d, "embedding": d["embedding"][1:]} for d in a["data"]]},
        lambda a: {**a, "data": [{**d, "embedding": ["x"] * DIMENSION} for d in a["data"]]},
        lambda a: {"data": None},
        lambda a: b"<html>not json</html>",
    ],
)
def test_remote_wrong_answers(headrace, endpoint, wrong):
    endpoint.script = [None, wrong]
    done = headrace.run("embed", "--model", remote(endpoint), text="a b\nc d\n", code=1)
    assert endpoint.url in done.stderr and "answered" in done.stderr and not done.stdout


def test_remote_refusals_name_the_remedy(headrace, endpoint):
    endpoint.script = [401]
    done = headrace.run("embed", "--model", remote(endpoint), text="a\n", code=1)
    assert "HEADRACE_API_KEY" in done.stderr and "status 401 as asked" in done.stderr
    done = headrace.run("embed", "--model", "openai:http://127.0.0.1/v1", text="a\n", code=2)
    assert "#" in done.stderr
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"openai:http://127.0.0.1:{unused.getsockname()[1]}#m?attempts=1"
        done = headrace.run("embed", "--model", nobody, text="a\n", code=1)
        assert "could not be asked" in done.stderr


def test_remote_index_and_search(headrace, endpoint, tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.txt").write_text("rotate your keys every ninety days")
    (docs / "b.txt").write_text("the backup runs at night")
    report = headrace.json("index", "docs", "--into", "kb", "--model", remote(endpoint, "?price=1000"))
    assert report["rows"] == 2 and report["embedding"]["requests"] >= 1
    assert report["embedding"]["cost"] > 0
    hits = headrace.json("search", "kb", "rotate your keys every ninety days", "--mode", "vector")["hits"]
    assert hits[0]["source"].endswith("a.txt") and len(hits) == 2
    # A server that is away when rows are embedded: what was read is kept and found by its words.
    (docs / "c.txt").write_text("a third document about rivers")
    endpoint.script = [None, *[500] * 3]
    headrace.run("index", "docs", "--into", "kb", "--model", remote(endpoint, "?price=1000&attempts=1"), code=1)
    assert headrace.json("search", "kb", "rivers", "--mode", "text")["hits"]
    endpoint.script = []
    headrace.json("index", "docs", "--into", "kb")
    assert headrace.json("info", "kb")["spaces"][0]["rows"] == 3


def test_remote_index_goes_past_a_refused_text(headrace, endpoint, tmp_path):
    """The row is found by its words, the report says which it is, and a later run has its vector."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, text in [("a", "rotate your keys"), ("b", "a forbidden word"), ("c", "backups at night")]:
        (docs / f"{name}.txt").write_text(text)
    endpoint.refused = "forbidden"
    model = remote(endpoint)
    done = headrace.run("index", "docs", "--into", "kb", "--model", model, "--json")
    report = json.loads(done.stdout)
    assert report["documents"]["added"] == 3 and report["documents"]["failed"] == 0
    assert report["refused"] == 1
    (failure,) = report["failures"]
    assert failure["source"].endswith("b.txt") and failure["stage"] == "embed"
    assert "status 400" in failure["message"] and "forbidden" in failure["message"]
    assert "b.txt" in done.stderr
    assert headrace.json("info", "kb")["spaces"][0]["rows"] == 2
    assert headrace.json("search", "kb", "forbidden", "--mode", "text")["hits"]
    headrace.run("index", "docs", "--into", "kb", "--model", model, "--strict", code=1)
    people = headrace.run("index", "docs", "--into", "kb", "--model", model)
    assert "1 row without a vector" in people.stdout
    added = headrace.json("space", "add", "kb", "--model", model, "--name", "more")
    assert added["rows"] == 2 and added["refused"] == 1
    # More of them than a server may refuse before it is asked whether it takes any.
    for n in range(6):
        (docs / f"more{n}.txt").write_text(f"forbidden number {n}")
    headrace.json("index", "docs", "--into", "kb", "--model", model)
    again = headrace.json("index", "docs", "--into", "kb", "--model", model)
    assert again["refused"] == 7 and again["documents"]["unchanged"] == 9
    endpoint.refused = ""
    assert headrace.json("index", "docs", "--into", "kb", "--model", model)["refused"] == 0
    assert headrace.json("info", "kb")["spaces"][0]["rows"] == 9


# -- an ONNX file ----------------------------------------------------------------------------------


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _port(name: str, kind: int, sizes: list[str | int]) -> bytes:
    shape = b"".join(_field(1, _field(2, s) if isinstance(s, str) else _field(1, s)) for s in sizes)
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, shape)))


def write_onnx(path: pathlib.Path, table: np.ndarray, extra_input: str = "attention_mask") -> None:
    """A graph that looks each token up in `table`: [texts, tokens] → [texts, tokens, dimension]."""
    rows, columns = table.shape
    node = _field(1, "table") + _field(1, "input_ids") + _field(2, "last_hidden_state") + _field(4, "Gather")
    tensor = _field(1, rows) + _field(1, columns) + _field(2, 1) + _field(8, "table")
    tensor += _field(9, table.astype("<f4").tobytes())
    graph = _field(1, node) + _field(2, "g") + _field(5, tensor)
    for name in ("input_ids", extra_input):
        graph += _field(11, _port(name, 7, ["texts", "tokens"]))
    graph += _field(12, _port("last_hidden_state", 1, ["texts", "tokens", columns]))
    path.write_bytes(_field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13)))


@pytest.fixture(scope="session")
def onnx_model(tmp_path_factory, model_folder):
    pytest.importorskip("onnxruntime", reason="the package onnxruntime is not installed")
    folder = tmp_path_factory.mktemp("onnx")
    shutil.copy(model_folder / "tokenizer.json", folder)
    table = np.random.default_rng(1).standard_normal((30522, DIMENSION)).astype(np.float32)
    write_onnx(folder / "model.onnx", table)
    return folder / "model.onnx", table


PACKAGES = {"VIRTUAL_ENV": str(pathlib.Path(sys.prefix))}


def test_onnx_vectors_are_pooled_and_in_order(headrace, onnx_model):
    path, table = onnx_model
    texts = ["a", "", "How are you?", "long " * 300, "How are you?", "x y z"]
    text = "\n".join(texts) + "\n"
    done = headrace.run("embed", "--model", f"onnx:{path}", text=text, env=PACKAGES)
    got = vectors_of(done)
    assert got.shape == (len(texts), DIMENSION)
    ids = [json.loads(line)["ids"] for line in headrace.run("tokenize", text=text).stdout.splitlines()]
    for vector, tokens in zip(got, ids):
        assert np.allclose(vector, table[tokens[:512]].mean(0), atol=1e-5)


def test_onnx_index_and_search(headrace, onnx_model, tmp_path):
    path, _ = onnx_model
    (tmp_path / "a.txt").write_text("rotate your keys every ninety days")
    (tmp_path / "b.txt").write_text("the backup runs at night")
    shutil.copytree(path.parent, tmp_path / "model")
    headrace.run("index", "a.txt", "b.txt", "--into", "kb", "--model", "onnx:model/model.onnx", env=PACKAGES)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [str(HEADRACE), "search", str(tmp_path / "kb"), "keys", "--mode", "vector", "--json"],
        cwd=elsewhere, capture_output=True, text=True, env={**os.environ, **PACKAGES},
    )
    assert len(json.loads(done.stdout)["hits"]) == 2, done.stderr


def test_onnx_refusals(headrace, onnx_model, tmp_path):
    path, table = onnx_model
    done = headrace.run("embed", "--model", "onnx:missing.onnx", text="a\n", code=1, env=PACKAGES)
    assert "missing.onnx" in done.stderr and "no such file" in done.stderr
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "model.onnx").write_bytes(b"no graph")
    done = headrace.run("embed", "--model", "onnx:bad/model.onnx", text="a\n", code=1, env=PACKAGES)
    assert "tokenizer.json" in done.stderr
    shutil.copy(path.parent / "tokenizer.json", tmp_path / "bad")
    done = headrace.run("embed", "--model", "onnx:bad/model.onnx", text="a\n", code=1, env=PACKAGES)
    assert "bad/model.onnx" in done.stderr and "ONNX Runtime" in done.stderr
    write_onnx(tmp_path / "bad" / "model.onnx", table, extra_input="pixel_values")
    done = headrace.run("embed", "--model", "onnx:bad/model.onnx", text="a\n", code=1, env=PACKAGES)
    assert "pixel_values" in done.stderr


def test_onnx_without_its_runtime(headrace, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"")
    broken = tmp_path / "libonnxruntime.so"
    broken.write_bytes(b"not a library")
    done = headrace.run(
        "embed", "--model", "onnx:model.onnx", text="a\n", code=1, env={"HEADRACE_ONNXRUNTIME": str(broken)}
    )
    assert "pip install onnxruntime" in done.stderr and str(broken) in done.stderr


# -- headrace embed --------------------------------------------------------------------------------


@pytest.mark.parametrize("through", ["pipe", "file"])
def test_embed_formats_agree(headrace, model_folder, tmp_path, through):
    import pyarrow as pa

    texts = [f"sentence {n} about {'rivers' if n % 2 else 'keys'}" for n in range(40)]
    (tmp_path / "texts.txt").write_text("\n".join(texts))  # without an end of line at its end
    lines = vectors_of(headrace.run("embed", "--model", str(model_folder), "texts.txt"))
    assert lines.shape == (40, 384)
    for form in ("npy", "arrow"):
        command = [str(HEADRACE), "embed", "--model", str(model_folder), "--format", form, "texts.txt"]
        target = tmp_path / f"vectors.{form}"
        if through == "file":
            with open(target, "wb") as out:
                subprocess.run(command, cwd=tmp_path, check=True, stdout=out)
        else:
            target.write_bytes(subprocess.check_output(command, cwd=tmp_path))
        if form == "npy":
            got = np.load(target)
        else:
            column = pa.ipc.open_file(str(target)).read_all()["embedding"].combine_chunks()
            got = column.flatten().to_numpy().reshape(-1, 384)
        assert got.dtype == np.float32 and np.allclose(got, lines, atol=1e-6)


def test_npy_through_a_pipe_names_the_folder_where_it_waits(headrace, model_folder, tmp_path):
    command = ("embed", "--model", str(model_folder), "--format", "npy")
    gone = str(tmp_path / "gone")
    done = headrace.run(*command, text="a\n", env={"TMPDIR": gone}, code=1)
    assert gone in done.stderr and "TMPDIR" in done.stderr and "standard output" not in done.stderr


def test_embed_answers_each_line_of_a_pipe(model_folder):
    process = subprocess.Popen(
        [str(HEADRACE), "embed", "--model", str(model_folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    for n in range(3):  # each answer is read before the next line is written
        process.stdin.write(f"line {n}\n")
        process.stdin.flush()
        assert len(json.loads(process.stdout.readline())["embedding"]) == 384
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    process.stdout.close()


def test_embed_long_texts(headrace, model_folder):
    long = "The river carries water to the mill. " * 200
    text = f"{long}\nshort\n"
    cut = headrace.run("embed", "--model", str(model_folder), text=text)
    assert "1 texts are longer than 256 tokens" in cut.stderr and "beginning" in cut.stderr
    window = headrace.run("embed", "--model", str(model_folder), "--long", "window", text=text)
    assert "1 texts are longer than 256 tokens" in window.stderr and "windows" in window.stderr
    a, b = vectors_of(cut), vectors_of(window)
    assert np.allclose(a[1], b[1], atol=1e-6)
    assert not np.allclose(a[0], b[0], atol=1e-3) and a[0] @ b[0] > 0.9
    assert np.isclose(np.linalg.norm(b[0]), 1, atol=1e-5)


def test_embed_huge_and_odd_texts(headrace, model_folder, tmp_path):
    with open(tmp_path / "odd.jsonl", "w", encoding="utf-8") as out:
        for text in ["", " ", "a" * 10_000_000, "\u0000\u0001", "wörd 🙂", "b " * 100_000]:
            out.write(json.dumps({"text": text}) + "\n")
    for long in ("cut", "window"):
        done = headrace.run("embed", "--model", str(model_folder), "--long", long, "odd.jsonl")
        got = vectors_of(done)
        assert got.shape == (6, 384) and np.isfinite(got).all()
    done = headrace.run("embed", "--model", str(model_folder), "none.txt", code=1)
    assert "none.txt" in done.stderr


# -- the cache -------------------------------------------------------------------------------------


def test_cache_serves_the_next_run(headrace, endpoint, tmp_path):
    text = "one\ntwo\nthree\n"
    cached = ("--model", remote(endpoint), "--cache", str(tmp_path / "cache"))
    first = headrace.run("embed", *cached, text=text)
    asked = len(endpoint.requests)
    again = headrace.run("embed", *cached, text=text + "four\n")
    assert again.stdout.startswith(first.stdout) and "3 texts were known" in again.stderr
    assert [r["input"] for r in endpoint.requests[asked:]] == [["dimension"], ["four"]]
    headrace.run("embed", "--model", remote(endpoint), "--cache", "off", text=text)
    assert sorted(endpoint.requests[-1]["input"]) == ["one", "three", "two"]


def test_cache_damage_and_no_place_hurt_nothing(headrace, endpoint, tmp_path):
    text = "".join(f"text {n}\n" for n in range(20))
    cache = tmp_path / "cache"
    cached = ("--model", remote(endpoint), "--cache", str(cache))
    expected = headrace.run("embed", *cached, text=text).stdout
    (file,) = cache.rglob("*.vectors")
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole[:200] + b"XXXXXXXX" + whole[208:], whole[::-1]):
        file.write_bytes(damaged)
        assert headrace.run("embed", *cached, text=text).stdout == expected
    for odd in cache.rglob("*.vectors"):
        odd.unlink()
    done = headrace.run("embed", *cached, text=text)
    assert "not kept" not in done.stderr
    (tmp_path / "plain file").write_text("")
    for folder in ("plain file/sub", "/dev/full"):
        done = headrace.run("embed", "--model", remote(endpoint), "--cache", folder, text=text)
        assert done.stdout == expected
        assert "vectors are not kept for later runs" in done.stderr and folder in done.stderr
        assert "--cache" in done.stderr


def test_index_says_that_vectors_are_not_kept(headrace, endpoint, tmp_path):
    (tmp_path / "a.txt").write_text("one text")
    (tmp_path / "plain").write_text("")
    index = ("index", "a.txt", "--model", remote(endpoint))
    env = {"HEADRACE_CACHE": str(tmp_path / "plain" / "sub")}
    report = json.loads(headrace.run(*index, "--into", "kb", "--json", env=env).stdout)
    assert report["rows"] == 1 and "plain/sub" in report["embedding"]["not_kept"]
    assert headrace.json(*index, "--into", "other")["embedding"]["not_kept"] == ""


def test_cache_knows_the_tokenizer(headrace, model_folder, tmp_path):
    shutil.copytree(model_folder, tmp_path / "own")
    command = ("embed", "--model", "own", "--cache", str(tmp_path / "cache"))
    small = headrace.run(*command, text="hello world\n").stdout
    assert headrace.run(*command, text="HELLO World\n").stdout == small
    file = tmp_path / "own" / "tokenizer.json"
    settings = json.loads(file.read_text())
    settings["normalizer"]["lowercase"] = False
    file.write_text(json.dumps(settings))
    assert headrace.run(*command, text="HELLO World\n").stdout != small


def test_cache_default_place(headrace, endpoint, tmp_path):
    env = {"HEADRACE_CACHE": "", "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    headrace.run("embed", "--model", remote(endpoint), text="hello\n", env=env)
    assert list((tmp_path / "xdg" / "headrace" / "vectors").rglob("*.vectors"))


# -- what a model's own files say --------------------------------------------------------------------


def altered(model_folder: pathlib.Path, folder: pathlib.Path, **files) -> pathlib.Path:
    """The model with other files (`name` for name.json)."""
    shutil.copytree(model_folder, folder, copy_function=os.symlink)
    for name, content in files.items():
        (folder / f"{name}.json").unlink(missing_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def test_own_dimensions_of_a_model(headrace, model_folder, tmp_path):
    (tmp_path / "a.txt").write_text("keys rotate every ninety days")
    text = "one\ntwo three\n"
    model = str(altered(model_folder, tmp_path / "own"))
    whole = vectors_of(headrace.run("embed", "--model", model, text=text))
    headrace.json("index", "a.txt", "--into", "old", "--model", model)
    headrace.json("space", "add", "old", "--model", model, "--name", "second")
    usage = {"truncate_dim": 24}
    shutil.rmtree(model)
    altered(model_folder, tmp_path / "own", config_sentence_transformers=usage)
    cut = vectors_of(headrace.run("embed", "--model", model, text=text))
    assert np.array_equal(cut, whole[:, :24])
    asked = vectors_of(headrace.run("embed", "--model", model, "--dimensions", "32", text=text))
    assert asked.shape == (2, 32) and np.allclose(np.linalg.norm(asked, axis=1), 1)
    # A knowledge base that was made with whole vectors keeps to them; a new one gets the cut ones.
    (tmp_path / "a.txt").write_text("keys rotate every thirty days")
    headrace.json("index", "a.txt", "--into", "old")
    headrace.json("space", "add", "old", "--model", model, "--name", "second")
    headrace.json("index", "a.txt", "--into", "new", "--model", model)
    for kb, dimension in (("old", 384), ("new", 24)):
        assert headrace.json("info", kb)["spaces"][0]["dimension"] == dimension
        assert headrace.json("search", kb, "how often do keys change", "--mode", "vector")["hits"]


def test_token_vectors_that_a_model_skips(headrace, model_folder, tmp_path):
    model = altered(model_folder, tmp_path / "multi", modules=[
        {"type": "a.Transformer", "path": ""},
        {"type": "a.MultiVectorMask", "path": "mask"},
        {"type": "a.Normalize", "path": ""},
    ])
    (model / "mask").mkdir()
    text = "mills, and . water.\n"
    command = ("embed", "--model", str(model), "--output", "tokens")
    skips = {"skiplist_words": [".", ",", "no such token"], "skiplist_tasks": ["document"]}
    for settings, purpose, tokens in (({}, "passage", 8), (skips, "query", 8), (skips, "passage", 5), (skips, "plain", 5)):
        (model / "mask" / "config.json").write_text(json.dumps(settings))
        (row,) = [json.loads(line) for line in headrace.run(*command, "--purpose", purpose, text=text).stdout.splitlines()]
        assert len(row["ids"]) == len(row["vectors"]) == tokens


def test_a_model_that_keeps_the_end_of_texts(headrace, model_folder, tmp_path):
    settings = json.loads((model_folder / "tokenizer_config.json").read_text())
    settings["truncation_side"] = "left"
    model = str(altered(model_folder, tmp_path / "left", tokenizer_config=settings))
    text = "river " * 400 + "mill\n" + "water " * 400 + "mill\n" + "mill river\n"
    done = headrace.run("embed", "--model", model, text=text)
    ends = "river " * 253 + "mill\n" + "water " * 253 + "mill\n" + "mill river\n"
    assert np.allclose(vectors_of(done), vectors_of(headrace.run("embed", text=ends)), atol=1e-6)
    assert "2 texts are longer" in done.stderr


def test_static_folder_with_too_few_rows(headrace, model_folder, tmp_path):
    folder = tmp_path / "few"
    folder.mkdir()
    shutil.copy(model_folder / "tokenizer.json", folder)
    (folder / "config.json").write_text('{"model_type":"model2vec","normalize":true}')
    header = json.dumps({"embeddings": {"dtype": "F32", "shape": [100, 16], "data_offsets": [0, 6400]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(6400))
    done = headrace.run("embed", "--model", str(folder), text="hello\n", code=1)
    assert "100 tokens" in done.stderr and "30522 tokens" in done.stderr


def test_precision_of_models_that_are_not_ours(headrace, endpoint, model_folder, tmp_path):
    (tmp_path / "a.txt").write_text("text")
    for command in (("embed", "a.txt"), ("index", "a.txt", "--into", "kb")):
        done = headrace.run(*command, "--model", remote(endpoint), "--precision", "int8", code=2)
        assert "--precision int8" in done.stderr
        done = headrace.run(*command, "--model", "onnx:m.onnx", "--precision", "bf16", code=2)
        assert "--precision bf16" in done.stderr
    headrace.run("embed", "a.txt", "--model", remote(endpoint), "--precision", "auto")
    for spec in ("static:static:M", "static:onnx:m.onnx", "static:openai:http://127.0.0.1/v1#m"):
        done = headrace.run("embed", "--model", spec, text="a\n", code=2)
        assert spec in done.stderr and "hf download" not in done.stderr


# -- headrace models -------------------------------------------------------------------------------


def test_models_lists_what_is_there(headrace, model_folder):
    listed = headrace.json("models")["models"]
    found = [m for m in listed if m["directory"] == str(model_folder)]
    assert found and found[0]["dimension"] == 384 and found[0]["tokens_max"] > 0
    assert found[0]["size_bytes"] > 10_000_000 and found[0]["license"]


def test_models_check_without_a_reference(headrace, model_folder, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\ncat >/dev/null\nexit 3\n")
    python.chmod(0o755)
    env = {"HEADRACE_PYTHON": str(python)}
    done = headrace.run("models", "check", str(model_folder), code=1, env=env)
    assert "sentence-transformers" in done.stderr and "HEADRACE_PYTHON" in done.stderr
    env = {"HEADRACE_PYTHON": str(tmp_path / "missing")}
    done = headrace.run("models", "check", str(model_folder), code=1, env=env)
    assert "missing" in done.stderr
    for spec in ("openai:http://127.0.0.1:1/v1#m", "onnx:m.onnx", "static:all-MiniLM-L6-v2"):
        done = headrace.run("models", "check", spec, code=2)
        assert "sentence-transformers" in done.stderr and "hf download" not in done.stderr


def test_models_check_runs_nothing_of_this_folder(headrace, model_folder, tmp_path):
    (tmp_path / "json.py").write_text("open('executed', 'w')\n")
    package = tmp_path / "packages"
    package.mkdir()
    (package / "sentence_transformers.py").write_text("import no_such_part\n")
    env = {"HEADRACE_PYTHON": sys.executable, "PYTHONPATH": str(package)}
    done = headrace.run("models", "check", str(model_folder), code=1, env=env)
    assert "No module named 'no_such_part'" in done.stderr
    assert not (tmp_path / "executed").exists()


def test_models_check_against_a_reference(headrace, model_folder, tmp_path):
    """A stand-in for sentence-transformers that asks this engine itself."""
    stand_in = tmp_path / "sentence_transformers.py"
    stand_in.write_text(
        "import json, subprocess, numpy as np\n"
        "__version__ = 'stand-in'\n"
        "class SentenceTransformer:\n"
        "    def __init__(self, folder, **_): self.folder = folder\n"
        "    def encode(self, texts, **others):\n"
        "        assert 'prompt' not in others\n"  # the model's own default goes before texts
        "        lines = '\\n'.join(json.dumps({'text': t}) for t in texts)\n"
        "        open('in.jsonl', 'w').write(lines)\n"
        f"        out = subprocess.check_output([{str(HEADRACE)!r}, 'embed', '--model', self.folder, 'in.jsonl'])\n"
        "        return np.array([json.loads(l)['embedding'] for l in out.splitlines()])\n"
    )
    env = {"HEADRACE_PYTHON": sys.executable, "PYTHONPATH": str(tmp_path)}
    done = headrace.run("models", "check", str(model_folder), "--json", env=env)
    answer = json.loads(done.stdout)
    assert answer["ok"] and answer["cosine_min"] > 0.9999
    stand_in.write_text(stand_in.read_text() .replace("return np.array(", "return -np.array("))
    done = headrace.run("models", "check", str(model_folder), "--json", code=1, env=env)
    assert not json.loads(done.stdout)["ok"]
