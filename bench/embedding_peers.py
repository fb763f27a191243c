"""Embedding against its peers: the same texts, the same weights, one process each, in turn.

    bench/embedding_peers.py [--tokens 16000] [--rounds 3] [--only NAME,…] [--prepare]

Texts are pieces of the PostgreSQL manual of 10 to 500 tokens, in a random order. Peers live in the
environment that HEADRACE_BENCH_VENV names (bench/peers.txt and onnx, onnxscript, onnxruntime,
openvino, embed-anything). `--prepare` only exports the ONNX file. Prints a Markdown table: medians
of the rounds, peak memory of the whole process and beyond what the imports took.
"""

import argparse
import html
import json
import os
import pathlib
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MANUAL = pathlib.Path("/usr/share/doc/postgresql-doc-15/html")
CACHE = pathlib.Path(os.environ.get("HEADRACE_BENCH_CACHE", tempfile.gettempdir())) / "headrace-embedding-bench"
CONTENDERS = (
    "headrace-int16",
    "headrace-fp32",
    "headrace-int8",
    "sentence-transformers",
    "onnxruntime-sorted",
    "onnxruntime-arrival",
    "openvino-sorted",
    "embed-anything",
)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def prepare_model() -> pathlib.Path:
    """The default model, with 512 tokens instead of the 256 that its files ask for."""
    source = subprocess.check_output(
        [str(ROOT / ".venv/bin/python"), str(ROOT / "tools/model_folder.py")], text=True
    ).strip()
    folder = CACHE / "model"
    folder.mkdir(parents=True, exist_ok=True)
    for file in pathlib.Path(source).rglob("*"):
        target = folder / file.relative_to(source)
        if file.is_dir():
            target.mkdir(exist_ok=True)
        elif file.name in ("sentence_bert_config.json", "tokenizer.json", "tokenizer_config.json"):
            text = file.read_text()
            text = re.sub(r'"(max_seq_length|max_length|model_max_length)": *\d+', r'"\1": 512', text)
            target.write_text(text)
        elif not target.exists():
            target.symlink_to(file)
    return folder


def make_texts(tokens: int) -> list[str]:
    rng = random.Random(11)
    words: list[str] = []
    for page in sorted(MANUAL.glob("*.html"))[:60]:
        words += re.sub(r"<[^>]+>", " ", html.unescape(page.read_text(errors="replace"))).split()
    texts = []
    total = 0
    while total < tokens:
        length = rng.randint(10, 500)
        start = rng.randrange(len(words) - 600)
        # About 1.6 tokens a word in this manual; what is longer is cut alike by everybody.
        count = max(1, int(length / 1.6))
        texts.append(" ".join(words[start : start + count]))
        total += length
    return texts


# --- the contenders: load(folder) gives a function from texts to vectors -----------------------


def load_headrace(folder: str, precision: str):
    import numpy  # noqa: F401 - as with the others: what the answer is made of

    import headrace

    loaded = peak_mib()
    model = headrace.Model(folder, precision=precision)
    return model.embed, loaded


def load_sentence_transformers(folder: str):
    import sentence_transformers

    loaded = peak_mib()
    model = sentence_transformers.SentenceTransformer(folder, device="cpu")
    return lambda texts: model.encode(texts, batch_size=32, show_progress_bar=False), loaded


def pooled(hidden, mask):
    import numpy as np

    weights = mask[..., None].astype(np.float32)
    vectors = (hidden * weights).sum(1) / weights.sum(1)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def batches(texts, run, ordered: bool):
    """Calls run(batch) for batches of 32, sorted by length or as they come; vectors in order."""
    import numpy as np

    order = sorted(range(len(texts)), key=lambda i: -len(texts[i])) if ordered else list(range(len(texts)))
    out = np.empty((len(texts), 384), np.float32)
    for begin in range(0, len(order), 32):
        part = order[begin : begin + 32]
        out[part] = run([texts[i] for i in part])
    return out


def fast_tokenizer(folder: str):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tokenizer.enable_truncation(512)
    tokenizer.enable_padding()
    return tokenizer


def inputs_of(tokenizer, texts):
    import numpy as np

    encoded = tokenizer.encode_batch(texts)
    ids = np.array([e.ids for e in encoded], np.int64)
    mask = np.array([e.attention_mask for e in encoded], np.int64)
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def load_onnxruntime(folder: str, ordered: bool):
    import numpy  # noqa: F401
    import onnxruntime

    tokenizer = fast_tokenizer(folder)
    loaded = peak_mib()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(str(CACHE / "model.onnx"), options, providers=["CPUExecutionProvider"])
    names = {i.name for i in session.get_inputs()}

    def run(texts):
        inputs = inputs_of(tokenizer, texts)
        hidden = session.run(None, {k: v for k, v in inputs.items() if k in names})[0]
        return pooled(hidden, inputs["attention_mask"])

    return lambda texts: batches(texts, run, ordered), loaded


def load_openvino(folder: str):
    import openvino

    tokenizer = fast_tokenizer(folder)
    loaded = peak_mib()
    core = openvino.Core()
    model = core.compile_model(str(CACHE / "model.onnx"), "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
    names = {name for i in model.inputs for name in i.get_names()}

    def run(texts):
        inputs = inputs_of(tokenizer, texts)
        hidden = model({k: v for k, v in inputs.items() if k in names})[0]
        return pooled(hidden, inputs["attention_mask"])

    return lambda texts: batches(texts, run, True), loaded


def load_embed_anything(folder: str):
    import embed_anything
    import numpy as np

    loaded = peak_mib()
    model = embed_anything.EmbeddingModel.from_pretrained_hf(model_id=folder)

    def run(texts):
        data = embed_anything.embed_query(texts, embedder=model)
        return np.array([d.embedding for d in data], np.float32)

    return run, loaded


def contend(name: str, texts: list[str], rounds: int) -> None:
    import numpy as np

    folder = str(CACHE / "model")
    if name.startswith("headrace-"):
        embed, loaded = load_headrace(folder, name.removeprefix("headrace-"))
    elif name == "sentence-transformers":
        embed, loaded = load_sentence_transformers(folder)
    elif name.startswith("onnxruntime-"):
        embed, loaded = load_onnxruntime(folder, name.endswith("sorted"))
    elif name.startswith("openvino"):
        embed, loaded = load_openvino(folder)
    else:
        embed, loaded = load_embed_anything(folder)
    embed(texts[:4])
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        vectors = embed(texts)
        seconds.append(time.perf_counter() - start)
    np.save(CACHE / f"{name}.npy", np.asarray(vectors, np.float32))
    print(json.dumps({"seconds": seconds, "peak": peak_mib(), "loaded": loaded}))


def export_onnx(folder: pathlib.Path) -> None:
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    ids = torch.ones(2, 16, dtype=torch.int64)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens", max=512)}

    class Rows(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state

    try:
        torch.onnx.export(
            Rows(), (ids, ids, ids * 0), str(CACHE / "model.onnx"), input_names=names, output_names=["rows"],
            dynamic_axes={n: {0: "batch", 1: "tokens"} for n in [*names, "rows"]}, opset_version=17, dynamo=False,
        )
    except Exception as error:
        print(f"the older exporter failed ({error}); trying the other", file=sys.stderr)
        torch.onnx.export(
            Rows(), (ids, ids, ids * 0), str(CACHE / "model.onnx"), input_names=names, output_names=["rows"],
            dynamic_shapes={n: axes for n in names}, dynamo=True, external_data=False,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=16000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--contend", default="")
    parser.add_argument("--export", action="store_true")
    arguments = parser.parse_args()
    if arguments.export:
        return export_onnx(CACHE / "model")
    if arguments.contend:
        return contend(arguments.contend, json.loads((CACHE / "texts.json").read_text()), arguments.rounds)

    peers = os.environ.get("HEADRACE_BENCH_VENV", str(ROOT / ".venv-bench")) + "/bin/python"
    own = str(ROOT / ".venv/bin/python")
    prepare_model()
    if not (CACHE / "model.onnx").exists():
        subprocess.run([peers, __file__, "--export"], check=True)
    if arguments.prepare:
        return None
    texts = make_texts(arguments.tokens)
    (CACHE / "texts.json").write_text(json.dumps(texts))
    counted = subprocess.check_output(
        [own, "-c", "import json,sys,headrace; m=headrace.Model(sys.argv[1]); "
         "print(sum(min(512,len(m.tokenize(t)['ids'])) for t in json.load(open(sys.argv[2]))))",
         str(CACHE / "model"), str(CACHE / "texts.json")], text=True)
    tokens = int(counted)
    only = [n for n in arguments.only.split(",") if n] or CONTENDERS
    results = {}
    for name in only:
        python = own if name.startswith("headrace") else peers
        process = subprocess.run(
            [python, __file__, "--contend", name, "--rounds", str(arguments.rounds)], capture_output=True, text=True
        )
        if process.returncode != 0:
            print(f"{name} does not run: {process.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            continue
        results[name] = json.loads(process.stdout.strip().splitlines()[-1])
        print(name, results[name], file=sys.stderr, flush=True)
    print(f"{len(texts)} texts, {tokens} tokens, {len(os.sched_getaffinity(0))} cores")
    print("| engine | tokens/s | of Headrace fp32 | peak MiB | beyond imports | cosine to sentence-transformers |")
    print("| --- | --- | --- | --- | --- | --- |")
    base = statistics.median(results["headrace-fp32"]["seconds"]) if "headrace-fp32" in results else None
    for name, result in results.items():
        seconds = statistics.median(result["seconds"])
        print(
            f"| {name} | {tokens / seconds:,.0f} | {base / seconds if base else 0:.2f} | {result['peak']:.0f} "
            f"| {result['peak'] - result['loaded']:.0f} | {cosine(name)} |"
        )
    return None


def cosine(name: str) -> str:
    """Least and mean cosine to the vectors of sentence-transformers, counted without NumPy here."""
    code = (
        "import numpy as np,sys; a,b=(np.load(p) for p in sys.argv[1:]);"
        "c=(a*b).sum(1)/np.linalg.norm(a,axis=1)/np.linalg.norm(b,axis=1);"
        "print(f'{c.mean():.5f}, least {c.min():.5f}')"
    )
    reference = CACHE / "sentence-transformers.npy"
    if not reference.exists():
        return ""
    return subprocess.run(
        [str(ROOT / ".venv/bin/python"), "-c", code, str(CACHE / f"{name}.npy"), str(reference)],
        capture_output=True, text=True,
    ).stdout.strip()


if __name__ == "__main__":
    main()
