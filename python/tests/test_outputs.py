"""What models give beside a vector a text: shorter vectors, scores of pairs, words, tokens."""

import json
import pathlib
import struct

import numpy as np
import pytest

import headrace as hr

HIDDEN, LAYERS, INNER = 32, 1, 64
TEXTS = ["keys rotate every ninety days", "the kitten slept", "", "backups are taken at night"]


def write_safetensors(path: pathlib.Path, tensors: dict[str, np.ndarray]) -> None:
    header, data = {}, b""
    for name, tensor in sorted(tensors.items()):
        begin = len(data)
        data += tensor.astype(np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> str:
    """A BERT with random weights, a head for scores, one for words and a matrix over tokens."""
    files = pathlib.Path(hr.__file__).parent
    for model in hr.models():
        if model["name"] == "all-MiniLM-L6-v2":
            files = pathlib.Path(model["directory"])
            break
    else:
        pytest.skip("all-MiniLM-L6-v2, whose tokenizer is needed, is not there")
    folder = tmp_path_factory.mktemp("models") / "tiny"
    folder.mkdir()
    (folder / "tokenizer.json").write_bytes((files / "tokenizer.json").read_bytes())
    (folder / "config.json").write_text(
        json.dumps(
            {
                "model_type": "bert",
                "hidden_size": HIDDEN,
                "num_hidden_layers": LAYERS,
                "num_attention_heads": 4,
                "intermediate_size": INNER,
                "vocab_size": 30522,
                "max_position_embeddings": 64,
                "hidden_act": "gelu",
                "type_vocab_size": 2,
            }
        )
    )
    random = np.random.default_rng(7)
    tensors: dict[str, np.ndarray] = {}

    def linear(name: str, outputs: int, inputs: int) -> None:
        tensors[name + ".weight"] = random.normal(0, 0.3, (outputs, inputs))
        tensors[name + ".bias"] = random.normal(0, 0.2, outputs)

    def norm(name: str) -> None:
        tensors[name + ".weight"] = random.normal(1, 0.2, HIDDEN)
        tensors[name + ".bias"] = random.normal(0, 0.2, HIDDEN)

    for table, rows in (("word", 30522), ("position", 64), ("token_type", 2)):
        tensors[f"bert.embeddings.{table}_embeddings.weight"] = random.normal(0, 0.3, (rows, HIDDEN))
    norm("bert.embeddings.LayerNorm")
    for layer in (f"bert.encoder.layer.{i}." for i in range(LAYERS)):
        for part in ("query", "key", "value"):
            linear(f"{layer}attention.self.{part}", HIDDEN, HIDDEN)
        linear(f"{layer}attention.output.dense", HIDDEN, HIDDEN)
        norm(f"{layer}attention.output.LayerNorm")
        linear(f"{layer}intermediate.dense", INNER, HIDDEN)
        linear(f"{layer}output.dense", HIDDEN, INNER)
        norm(f"{layer}output.LayerNorm")
    linear("bert.pooler.dense", HIDDEN, HIDDEN)
    linear("classifier", 1, HIDDEN)
    linear("cls.predictions.transform.dense", HIDDEN, HIDDEN)
    norm("cls.predictions.transform.LayerNorm")
    tensors["cls.predictions.bias"] = random.normal(-3, 0.5, 30522)
    tensors["linear.weight"] = random.normal(0, 0.3, (8, HIDDEN))
    write_safetensors(folder / "model.safetensors", tensors)
    return str(folder)


def test_dimensions_cut_then_normalise(tiny):
    whole = hr.embed(TEXTS, tiny)
    cut = hr.embed(TEXTS, tiny, dimensions=12)
    assert cut.shape == (4, 12)
    want = whole[:, :12] / np.linalg.norm(whole[:, :12], axis=1, keepdims=True)
    np.testing.assert_allclose(cut, want, atol=1e-6)
    with pytest.raises(hr.InvalidArgument, match="32 dimensions, not 33"):
        hr.embed(TEXTS, tiny, dimensions=33)
    np.testing.assert_array_equal(hr.embed(TEXTS, tiny, dimensions=0), whole)


def test_a_knowledge_base_remembers_its_dimensions(tiny, tmp_path):
    (tmp_path / "a.txt").write_text(TEXTS[0])
    kb = str(tmp_path / "kb")
    hr.read(str(tmp_path / "a.txt")).chunk(tokens=32).embed(tiny, dimensions=12).into(kb, progress=False)
    with hr.open(kb) as opened:
        assert opened.spaces[0]["dimension"] == 12
        assert len(opened.search("keys", mode="vector")) == 1
        assert len(opened.search(hr.embed("keys", tiny, dimensions=12)[0])) == 1


def test_rerank_scores_each_text_by_itself(tiny):
    scores = hr.rerank("when do keys rotate", TEXTS, tiny)
    assert scores.dtype == np.float32 and scores.shape == (4,)
    assert len(set(scores.tolist())) == 4 and (scores > 0).all() and (scores < 1).all()
    for text, score in zip(TEXTS, scores, strict=True):
        assert hr.rerank("when do keys rotate", [text], tiny)[0] == score
    assert hr.rerank("other", TEXTS, tiny).tolist() != scores.tolist()
    assert hr.rerank("nothing", [], tiny).shape == (0,)
    long = hr.rerank("query " * 100, ["text " * 500], tiny)
    assert np.isfinite(long).all()


def test_search_is_ordered_by_the_reranker(tiny, tmp_path):
    kb = str(tmp_path / "kb")
    with hr.open(kb, model="none") as opened:
        opened.add([{"id": str(i), "text": f"keys number {i} rotate {text}"} for i, text in enumerate(TEXTS)])
        hits = opened.search("keys rotate", k=3, rerank=tiny)
        texts = [f"keys number {i} rotate {text}" for i, text in enumerate(TEXTS)]
        best = sorted(hr.rerank("keys rotate", texts, tiny).tolist(), reverse=True)[:3]
        assert [hit.score for hit in hits] == pytest.approx(best)
        with pytest.raises(hr.InvalidArgument, match="reranker"):
            opened.search("keys", sort="source", mode="text", rerank=tiny)
        with pytest.raises(hr.NotFound):
            opened.search("keys", rerank="no-such-reranker")


def test_a_model_without_a_head_is_no_reranker(tiny):
    with pytest.raises(hr.Unsupported, match="no reranker"):
        hr.rerank("a", ["b"], "all-MiniLM-L6-v2")


def test_sparse_gives_weights_of_words(tiny):
    rows = hr.embed(TEXTS, tiny, output="sparse")
    assert len(rows) == 4
    for row in rows:
        assert row["indices"].dtype == np.uint32 and row["values"].dtype == np.float32
        assert row["indices"].shape == row["values"].shape
        assert (np.diff(row["indices"].astype(np.int64)) > 0).all() and (row["values"] > 0).all()
        assert len(row["indices"]) == 0 or row["indices"].max() < 30522
    assert any(len(row["indices"]) for row in rows)


def test_tokens_gives_a_vector_of_length_one_each(tiny):
    rows = hr.embed(TEXTS, tiny, output="tokens")
    assert [row.shape for row in rows] == [(7, 8), (5, 8), (2, 8), (8, 8)]
    for row in rows:
        np.testing.assert_allclose(np.linalg.norm(row, axis=1), 1, atol=1e-5)
    with pytest.raises(hr.InvalidArgument):
        hr.embed(TEXTS, tiny, output="colours")
    with pytest.raises(hr.InvalidArgument):
        hr.embed(TEXTS, tiny, output="tokens", dimensions=4)
