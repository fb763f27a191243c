"""Chunking with tokens counted, one thread: Headrace's chunker beside LangChain's
RecursiveCharacterTextSplitter.from_huggingface_tokenizer and semantic-text-splitter.

    .venv/bin/python bench/chunk_peers.py --peer-python PEERS/bin/python [--files FILE…]

All in processor time, so that a busy machine changes little. The same plain-text files, the tokenizer of the default model, 256 tokens with 32 of overlap
(the peers get 254: they do not count the model's two special tokens). A peer works on the first
`--peer-bytes` of them.
"""

import argparse
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent

PEER = """
import json, os, sys, time
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
model, limit = sys.argv[1], int(sys.argv[2])
texts, size = [], 0
for path in sys.argv[3:]:
    text = open(path, encoding="utf-8", errors="replace").read()
    texts.append(text)
    size += len(text.encode())
    if size > limit:
        break
from transformers import AutoTokenizer
from tokenizers import Tokenizer
fast = Tokenizer.from_file(model + "/tokenizer.json")
fast.no_truncation()
fast.no_padding()

def measure(name, split):
    split(texts[0][:2000])
    start = time.process_time()
    chunks = [chunk for text in texts for chunk in split(text)]
    seconds = time.process_time() - start
    over = sum(len(fast.encode(chunk).ids) > 256 for chunk in chunks)
    print(json.dumps({"name": name, "bytes": size, "cpu_seconds": seconds, "mb_per_second": size / 1e6 / seconds,
                      "rows": len(chunks), "over": over}), flush=True)

from langchain_text_splitters import RecursiveCharacterTextSplitter
tokenizer = AutoTokenizer.from_pretrained(model)
measure("langchain", RecursiveCharacterTextSplitter.from_huggingface_tokenizer(
    tokenizer, chunk_size=254, chunk_overlap=32).split_text)
from semantic_text_splitter import TextSplitter
plain = Tokenizer.from_file(model + "/tokenizer.json")
plain.no_truncation()
plain.no_padding()
measure("semantic-text-splitter", TextSplitter.from_huggingface_tokenizer(plain, 256, overlap=32).chunks)
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer-python", default="")
    parser.add_argument("--peer-bytes", type=int, default=1_000_000)
    parser.add_argument("--files", nargs="*", default=[])
    arguments = parser.parse_args()
    files = arguments.files or sorted(map(str, pathlib.Path("/usr/share/doc/python3.11").rglob("*.rst.txt")))
    if not files:
        raise SystemExit("no text files: install python3.11-doc, or name some with --files")
    model = subprocess.check_output(
        [str(ROOT / ".venv/bin/python"), str(ROOT / "tools/model_folder.py")], text=True
    ).strip()
    ours = json.loads(subprocess.check_output([str(ROOT / "build/chunker_bench"), model, *files]))
    print("headrace", json.dumps(ours))
    if not arguments.peer_python:
        return
    out = subprocess.check_output(
        [arguments.peer_python, "-c", PEER, model, str(arguments.peer_bytes), *files],
        text=True, stderr=subprocess.DEVNULL,
    )
    for line in out.splitlines():
        peer = json.loads(line)
        print(peer["name"], json.dumps(peer), f"headrace is {ours['mb_per_second'] / peer['mb_per_second']:.0f}× as fast")


if __name__ == "__main__":
    main()
