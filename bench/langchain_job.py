"""The predecessor: LangChain + sentence-transformers + Chroma doing the main job, for comparison.

Usage: langchain_job.py FOLDER MODEL_FOLDER [--no-embedding]

Loads every HTML page of FOLDER, splits it at 256 tokens with 32 overlap, embeds, stores in Chroma.
Run it under /usr/bin/time -v in an environment of its own (bench/peers.txt).
"""

import pathlib
import sys
import tempfile
import time


def main() -> None:
    start = time.perf_counter()
    from langchain_community.document_loaders import BSHTMLLoader
    from langchain_text_splitters import RecursiveCharacterTextSplitter
    from transformers import AutoTokenizer

    folder, model = sys.argv[1:3]
    print(f"imports {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    documents = [d for path in sorted(pathlib.Path(folder).glob("*.html")) for d in BSHTMLLoader(str(path)).load()]
    splitter = RecursiveCharacterTextSplitter.from_huggingface_tokenizer(
        AutoTokenizer.from_pretrained(model), chunk_size=256, chunk_overlap=32
    )
    chunks = splitter.split_documents(documents)
    print(f"load and split {time.perf_counter() - start:.1f} s, {len(chunks)} chunks")
    if "--no-embedding" in sys.argv:
        return
    start = time.perf_counter()
    from langchain_chroma import Chroma
    from langchain_huggingface import HuggingFaceEmbeddings

    store = Chroma.from_documents(
        chunks,
        HuggingFaceEmbeddings(model_name=model),
        persist_directory=tempfile.mkdtemp(prefix="chroma-"),
    )
    print(f"embed and store {time.perf_counter() - start:.1f} s, {store._collection.count()} vectors")


if __name__ == "__main__":
    main()
