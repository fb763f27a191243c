#!/usr/bin/env python3
"""Compares Headrace's models with transformers and sentence-transformers, on tiny models of every
family with random weights (fixed seeds), which need no download.

    python3 tools/compare_model.py --tokenizer FOLDER [--only WORD]

FOLDER holds a tokenizer.json of WordPiece with at most 30,522 tokens (all-MiniLM-L6-v2's). Vectors
must have a cosine of at least 0.9999, scores and weights lie within a thousandth. Exit 1 when
anything differs. Needs the Python packages `sentence-transformers` and `headrace`.
"""

import argparse
import os
import pathlib
import sys
import tempfile

os.environ["HEADRACE_CACHE"] = "off"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import headrace as hr
import numpy as np
import torch
import transformers
from sentence_transformers import CrossEncoder, MultiVectorEncoder, SentenceTransformer, SparseEncoder
from sentence_transformers import models as parts
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

PRECISION = "fp32"
WORDS = "river mill water channel wheel stone grain flour miller dam sluice gate turn power night".split()
TEXTS = ["", "a", "How do I rotate keys?", "Москва — столица России. 東京は日本の首都です。"] + [
    " ".join(WORDS[(i * i + i * length) % len(WORDS)] for i in range(length)) for length in (5, 30, 90, 180, 300)
]
SIZES = {
    "vocab_size": 30522,
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 160,
    "max_position_embeddings": 514,
}
SPECIAL = {"pad_token_id": 0, "cls_token_id": 101, "bos_token_id": 101, "sep_token_id": 102, "eos_token_id": 102}


def configurations() -> dict[str, transformers.PreTrainedConfig]:
    distil = {"dim": 64, "n_layers": 4, "n_heads": 4, "hidden_dim": 160}
    return {
        "bert": transformers.BertConfig(**SIZES),
        "roberta": transformers.RobertaConfig(**SIZES, pad_token_id=0, type_vocab_size=1),
        "xlm-roberta": transformers.XLMRobertaConfig(**SIZES, pad_token_id=0, type_vocab_size=1),
        "distilbert": transformers.DistilBertConfig(vocab_size=30522, max_position_embeddings=514, **distil),
        "mpnet": transformers.MPNetConfig(**SIZES, pad_token_id=0),
        "nomic": transformers.NomicBertConfig(**SIZES),
        "modernbert": transformers.ModernBertConfig(**SIZES, **SPECIAL),
        "modernbert-mean": transformers.ModernBertConfig(**SIZES, **SPECIAL, classifier_pooling="mean"),
        "gte": transformers.GteConfig(**SIZES, pad_token_id=0, type_vocab_size=2),
    }


def spread(model: torch.nn.Module) -> None:
    """Weights as uneven as a trained model's: fresh ones make all texts alike."""
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if tensor.ndim > 1:
                torch.nn.init.normal_(tensor, std=0.5 if "embeddings" in name else 1.2 / tensor.shape[-1] ** 0.5)
            elif name.endswith("weight"):
                torch.nn.init.normal_(tensor, mean=1.0, std=0.2)
            else:
                torch.nn.init.normal_(tensor, std=0.2)
            tensor.copy_(tensor.half().float())  # Headrace holds weights in half precision


def save(folder: pathlib.Path, tokenizer: pathlib.Path, kind: type, config, seed: int) -> str:
    torch.manual_seed(seed)
    model = kind.from_config(config)
    spread(model)
    model.eval().save_pretrained(folder)
    names = ["input_ids", "attention_mask"] + (["token_type_ids"] if getattr(config, "type_vocab_size", 0) == 2 else [])
    transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(tokenizer / "tokenizer.json"),
        model_max_length=512,
        model_input_names=names,
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        unk_token="[UNK]",
    ).save_pretrained(folder)
    return str(folder)


def cosine_least(ours: np.ndarray, theirs: np.ndarray) -> float:
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return float(((ours * theirs).sum(1) / np.maximum(lengths, 1e-30)).min())


class Report:
    def __init__(self) -> None:
        self.failed = 0

    def check(self, name: str, good: bool, measured: str) -> None:
        self.failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {name:32} {measured}", flush=True)

    def vectors(self, name: str, ours: np.ndarray, theirs: np.ndarray) -> None:
        least = cosine_least(ours, theirs) if ours.shape == theirs.shape else 0.0
        self.check(name, least >= 0.9999, f"least cosine {least:.7f}, shape {list(ours.shape)}")

    def numbers(self, name: str, ours: np.ndarray, theirs: np.ndarray) -> None:
        far = float(np.max(np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-2))) if len(ours) else 0.0
        self.check(name, ours.shape == theirs.shape and far <= 1e-3, f"farthest {far:.2e} relative")


def dense_models(folder: pathlib.Path, tokenizer: pathlib.Path, report: Report) -> None:
    for seed, (name, config) in enumerate(configurations().items()):
        if name.endswith("-mean"):
            continue
        path = save(folder / f"{name}-base", tokenizer, transformers.AutoModel, config, seed)
        body = parts.Transformer(path, max_seq_length=200)
        for pooling in ("mean", "cls", "lasttoken", "weightedmean", "max"):
            modules = [body, parts.Pooling(64, pooling_mode=pooling)]
            if pooling == "lasttoken":
                torch.manual_seed(seed)
                modules += [parts.Dense(64, 48), parts.Dense(48, 32, bias=False, activation_function=torch.nn.Identity())]
            if pooling == "mean":
                modules.append(parts.Normalize())
            elif name != "bert" and pooling != "lasttoken":
                continue
            reference = SentenceTransformer(modules=modules, device="cpu")
            place = str(folder / f"{name}-{pooling}")
            reference.save(place)
            theirs = reference.encode(TEXTS)
            report.vectors(f"{name} {pooling}", hr.embed(TEXTS, place, precision=PRECISION), theirs)
            if pooling == "mean":
                cut = theirs[:, :24] / np.linalg.norm(theirs[:, :24], axis=1, keepdims=True)
                report.vectors(f"{name} 24 dimensions", hr.embed(TEXTS, place, precision=PRECISION, dimensions=24), cut)


def prompted_models(folder: pathlib.Path, tokenizer: pathlib.Path, report: Report) -> None:
    """Models whose prompts are read and left out of the pooling, one with its weights in several files."""
    prompts = {"query": "how does the mill ", "document": "Represent the text: "}
    path = save(folder / "prompted-base", tokenizer, transformers.AutoModel, configurations()["bert"], 7)
    body = parts.Transformer(path, max_seq_length=40)
    for pooling in ("mean", "cls", "lasttoken", "weightedmean", "max", "mean_sqrt_len_tokens"):
        modules = [body, parts.Pooling(64, pooling_mode=pooling, include_prompt=False)]
        reference = SentenceTransformer(modules=modules, device="cpu", prompts=prompts)
        place = folder / f"prompted-{pooling}"
        reference.save(str(place))
        if pooling == "max":
            (place / "model.safetensors").unlink()
            transformers.AutoModel.from_pretrained(path).save_pretrained(place, max_shard_size="1MB")
            parts_saved = len(list(place.glob("model-*.safetensors")))
            report.check("weights in several files", parts_saved > 1, f"{parts_saved} files")
        for purpose, prompt in (("query", "query"), ("passage", "document")):
            theirs = reference.encode(TEXTS, prompt_name=prompt)
            ours = hr.Model(str(place), precision=PRECISION).embed(TEXTS, purpose=purpose)
            report.vectors(f"prompt left out, {pooling} {purpose}", ours, theirs)


def own_settings(folder: pathlib.Path, tokenizer: pathlib.Path, report: Report) -> None:
    """What a dense model's own files say beyond its layers."""
    path = save(folder / "settings-base", tokenizer, transformers.AutoModel, configurations()["bert"], 11)
    body = parts.Transformer(path, max_seq_length=40)
    for name, pooling in (("cut", "mean"), ("joined", ("mean", "cls")), ("joined-dense", ("cls", "max", "mean"))):
        modules = [body, parts.Pooling(64, pooling_mode=pooling)]
        if name == "joined-dense":
            torch.manual_seed(11)
            modules.append(parts.Dense(192, 48))
        modules.append(parts.Normalize())
        reference = SentenceTransformer(modules=modules, device="cpu", truncate_dim=24 if name == "cut" else None)
        place = str(folder / f"settings-{name}")
        reference.save(place)
        theirs = reference.encode(TEXTS)
        ours = hr.embed(TEXTS, place, precision=PRECISION)
        report.vectors(f"own settings, {name}", ours, theirs)
        # Where they are cut after they were normalised their lengths differ.
        lengths = np.linalg.norm(ours, axis=1), np.linalg.norm(theirs, axis=1)
        report.numbers(f"own settings, {name} lengths", *lengths)
    left = SentenceTransformer(modules=[body, parts.Pooling(64), parts.Normalize()], device="cpu")
    left.tokenizer.truncation_side = "left"
    place = str(folder / "settings-left")
    left.save(place)
    theirs = SentenceTransformer(place, device="cpu").encode(TEXTS)
    report.vectors("own settings, left", hr.embed(TEXTS, place, precision=PRECISION), theirs)


def rerankers(folder: pathlib.Path, tokenizer: pathlib.Path, report: Report) -> None:
    for seed, (name, config) in enumerate(configurations().items()):
        config.num_labels = 1
        kind = transformers.AutoModelForSequenceClassification
        path = save(folder / f"{name}-score", tokenizer, kind, config, seed)
        for activation in (None, torch.nn.Identity()):
            reference = CrossEncoder(path, device="cpu", activation_fn=activation, max_length=200)
            place = str(folder / f"{name}-score-{'sigmoid' if activation is None else 'identity'}")
            reference.save(place)
            for query in ("how is the mill turned", TEXTS[-1]):
                theirs = reference.predict([(query, text) for text in TEXTS])
                ours = hr.rerank(query, TEXTS, place, precision=PRECISION)
                report.numbers(f"rerank {name} {len(query)} characters", ours, theirs)
        if name != "bert":
            continue
        prompts = {"query": "Which text answers: ", "other": "x"}
        reference = CrossEncoder(path, device="cpu", prompts=prompts, default_prompt_name="query", max_length=200)
        place = str(folder / "prompted-score")
        reference.save(place)
        theirs = reference.predict([("how is the mill turned", text) for text in TEXTS])
        ours = hr.rerank("how is the mill turned", TEXTS, place, precision=PRECISION)
        report.numbers("rerank with a prompt", ours, theirs)


def sparse_models(folder: pathlib.Path, tokenizer: pathlib.Path, report: Report) -> None:
    for seed, (name, config) in enumerate(configurations().items()):
        if name.endswith("-mean"):
            continue
        path = save(folder / f"{name}-words", tokenizer, transformers.AutoModelForMaskedLM, config, seed)
        for most in (None, 20) if name == "bert" else (None,):
            reference = SparseEncoder(path, device="cpu", max_active_dims=most)
            place = str(folder / f"{name}-splade-{most}")
            reference.save(place)
            theirs = reference.encode(TEXTS, convert_to_sparse_tensor=False, convert_to_tensor=True).cpu().numpy()
            ours = np.zeros_like(theirs)
            for row, text in zip(ours, hr.embed(TEXTS, place, precision=PRECISION, output="sparse"), strict=True):
                row[text["indices"]] = text["values"]
            report.vectors(f"sparse {name}" + (f", {most} words" if most else ""), ours, theirs)
            if most:
                counts = (ours != 0).sum(1), (theirs != 0).sum(1)
                report.check("sparse, words kept", bool((counts[0] == counts[1]).all()), f"{counts[0].max()} at most")


def token_models(folder: pathlib.Path, tokenizer: pathlib.Path, report: Report) -> None:
    for seed, (name, config) in enumerate(configurations().items()):
        if name.endswith("-mean"):
            continue
        path = save(folder / f"{name}-tokens", tokenizer, transformers.AutoModel, config, seed)
        torch.manual_seed(seed)
        matrix = parts.Dense(64, 24, bias=False, activation_function=torch.nn.Identity())
        body = parts.Transformer(path, max_seq_length=200)
        matrix.linear.weight.data.copy_(matrix.linear.weight.half().float())
        for key in ("module_input_name", "module_output_name"):
            setattr(matrix, key, "token_embeddings")
        reference = SentenceTransformer(modules=[body, matrix], device="cpu")
        place = str(folder / f"{name}-colbert")
        reference.save(place)
        theirs = [t.numpy() for t in reference.encode(TEXTS, output_value="token_embeddings")]
        ours = hr.embed(TEXTS, place, precision=PRECISION, output="tokens")
        report.vectors(f"tokens {name}", np.concatenate(ours), np.concatenate(theirs))


def multi_vector_models(folder: pathlib.Path, tokenizer: pathlib.Path, report: Report) -> None:
    """Token vectors as sentence-transformers 6 saves them."""
    path = save(folder / "multi-base", tokenizer, transformers.AutoModel, configurations()["bert"], 13)
    for tasks in ([], ["document"], ["query", "document"]):
        torch.manual_seed(13)
        reference = MultiVectorEncoder(path, device="cpu", prompts={"query": "how ", "document": "the text. "})
        for module in reference:
            if isinstance(module, parts.Dense):
                module.linear.weight.data.copy_(module.linear.weight.half().float())
            if isinstance(module, MultiVectorMask) and tasks:
                module.skiplist_words, module.skiplist_tasks = [".", "?", "river", "no such token"], tasks
                module.resolve_with_tokenizer(reference.tokenizer)
        place = str(folder / f"multi-{'-'.join(tasks)}")
        reference.save_pretrained(place)
        for purpose, encode in (("query", reference.encode_query), ("passage", reference.encode_document)):
            theirs = [np.asarray(rows) for rows in encode(TEXTS)]
            ours = hr.embed(TEXTS, place, precision=PRECISION, output="tokens", purpose=purpose)
            counts = [len(rows) for rows in ours], [len(rows) for rows in theirs]
            report.check(f"multi-vector {tasks} {purpose} counts", counts[0] == counts[1], f"{sum(counts[0])} tokens")
            report.vectors(f"multi-vector {tasks} {purpose}", np.concatenate(ours), np.concatenate(theirs))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, type=pathlib.Path)
    parser.add_argument("--only", default="", help="only the kinds whose name holds this word")
    parser.add_argument("--keep", help="make the models in this folder and leave them there")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    report = Report()
    with tempfile.TemporaryDirectory() as temporary:
        place = arguments.keep or temporary
        kinds = (dense_models, prompted_models, own_settings, rerankers, sparse_models, token_models, multi_vector_models)
        for kind in kinds:
            if arguments.only in kind.__name__:
                kind(pathlib.Path(place), arguments.tokenizer, report)
    print(f"{report.failed} differ" if report.failed else "all agree")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
