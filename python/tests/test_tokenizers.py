"""Tokenizers trained here, compared with the package they are trained with."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

import headrace as hr

tokenizers = pytest.importorskip("tokenizers")
from tokenizers import (  # noqa: E402
    AddedToken,
    Regex,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

WORDS = ("the log is a standard method for data integrity naïve café Straße Ελλάδα слово 中文 "
         "日本語 한국어 हिन्दी العربية 123 4567 don't it's WE'LL foo_bar x=y; // -> \"quoted\"").split()
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TRICKY = [" ", "  ", "\n", "\r\n", "\t", "<mask>", " <mask> ", "<s>", "e\u0301", "\u200b", "\u3000",
          "\ufb01", "\u0130", "\U0001f600", "\u0600", "'S", "!?", "\ufffd", "\u2581", "\0"]


def corpus(seed: int, count: int) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choice(WORDS) for _ in range(chance.randrange(1, 30)))
            for _ in range(count)]


def hostile(seed: int, count: int) -> list[str]:
    chance = random.Random(seed)
    return ["".join(chance.choice(TRICKY) if chance.random() < 0.5 else chance.choice(WORDS)
                    for _ in range(chance.randrange(20))) for _ in range(count)]


def unigram(**parts: object) -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    for name, part in parts.items():
        setattr(made, name, part)
    made.train_from_iterator(corpus(1, 300), trainers.UnigramTrainer(
        vocab_size=300, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>",
        show_progress=False))
    return made


def byte_level(split: object, **parts: object) -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = split
    made.decoder = decoders.ByteLevel()
    for name, part in parts.items():
        setattr(made, name, part)
    made.train_from_iterator(corpus(2, 300), trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<s>", "</s>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return made


def word_piece() -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.train_from_iterator(corpus(3, 300), trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=["[UNK]", "<s>", "</s>"], show_progress=False))
    made.post_processor = processors.BertProcessing(("</s>", 2), ("<s>", 1))
    return made


def sentence_bpe() -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.train_from_iterator(corpus(4, 200), trainers.BpeTrainer(
        vocab_size=600, limit_alphabet=60, show_progress=False,
        special_tokens=["<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)]))
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(),
                                      decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return made


TEMPLATE = dict(single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1",
                special_tokens=[("<s>", 1), ("</s>", 2)])
MADE = {
    "word_piece": word_piece,
    "unigram": lambda: unigram(),
    "unigram_nfkc": lambda: unigram(normalizer=normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])),
    "unigram_words": lambda: unigram(pre_tokenizer=pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])),
    "unigram_stripped": lambda: unigram(normalizer=normalizers.Sequence(
        [normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase(),
         normalizers.Strip()])),
    "gpt2": lambda: byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "roberta": lambda: byte_level(
        pre_tokenizers.ByteLevel(add_prefix_space=True),
        post_processor=processors.RobertaProcessing(("</s>", 1), ("<s>", 0))),
    "llama3": lambda: byte_level(pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
         pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])),
    "qwen": lambda: byte_level(pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(LLAMA3.replace("{1,3}", "")), "isolated"),
         pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
        normalizer=normalizers.NFC()),
    "sentence_bpe": sentence_bpe,
}


@pytest.mark.parametrize("name", MADE)
def test_the_same_as_the_reference(name, tmp_path):
    theirs = MADE[name]()
    theirs.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True)])
    if name.startswith("unigram"):
        theirs.post_processor = processors.TemplateProcessing(**TEMPLATE)
    path = tmp_path / "tokenizer.json"
    theirs.save(str(path))
    mine = hr.Tokenizer(str(path))
    before = "a query"
    for text in ["", *corpus(5, 30), *hostile(6, 300)]:
        wanted = theirs.encode(text)
        ids, offsets = mine.encode(text)
        assert ids.tolist() == wanted.ids, text
        assert offsets.tolist() == [list(pair) for pair in wanted.offsets], text
        assert mine.encode_batch([text]).ids.tolist() == wanted.ids, text
        plain = theirs.encode(text, add_special_tokens=False)
        assert mine.encode(text, special=False).ids.tolist() == plain.ids, text
        both = theirs.encode(before, text)
        pair = mine.encode_pair(before, text)
        assert pair.ids.tolist() == both.ids and pair.types.tolist() == both.type_ids, text
        for skip in (False, True):
            decoded = theirs.decode(wanted.ids, skip_special_tokens=skip)
            assert mine.decode(wanted.ids, skip_special=skip) == decoded, text
        before = text


def test_batches_are_arrays(tmp_path):
    theirs = word_piece()
    theirs.save(str(tmp_path / "tokenizer.json"))
    mine = hr.Tokenizer(str(tmp_path))
    texts = corpus(7, 20)
    batch = mine.encode_batch(texts)
    assert batch.ids.dtype == np.int32 and batch.rows.dtype == np.int64
    assert [ids.tolist() for ids in batch.split()] == [theirs.encode(t).ids for t in texts]
    assert len(mine) == theirs.get_vocab_size()
    assert mine.token(mine.id_of("</s>")) == "</s>"
    assert mine.id_of("no such token") is None and mine.token(10**6) is None
    assert mine.encode("a\ud800b").ids.tolist() == theirs.encode("a\ufffdb").ids
    assert mine.special_count == 2


def test_texts_however_python_holds_them(tmp_path):
    MADE["gpt2"]().save(str(tmp_path / "tokenizer.json"))
    mine = hr.Tokenizer(str(tmp_path))
    for odd in ("\x7f", "\x80", "\xff", "\u07ff", "\u0800", "\uffff", "\U00010000", "\U0010ffff"):
        for before in range(9):
            text = "x" * before + odd + "abcdefghij" + odd + "kl"
            # Bytes in, bytes out: what comes back is what was read.
            assert mine.decode(mine.encode_batch([text]).ids, skip_special=False) == text
            assert mine.encode(text).offsets[-1, 1] == len(text)
    lone = "a \ud83d\ude00 \udc80 b"
    clean = "a \ufffd\ufffd \ufffd b"
    assert mine.encode(lone).ids.tolist() == mine.encode(clean).ids.tolist()
    assert mine.encode_batch([lone, "x"]).ids.tolist() == mine.encode_batch([clean, "x"]).ids.tolist()
    assert mine.encode_pair(lone, "x").ids.tolist() == mine.encode_pair(clean, "x").ids.tolist()
    with pytest.raises(hr.InvalidArgument, match="no str"):
        mine.encode_batch(["a", b"b"])


def test_refusals_name_the_part(tmp_path):
    theirs = json.loads(word_piece().to_str())
    path = tmp_path / "tokenizer.json"
    for key, value, word in (("normalizer", {"type": "Magic"}, "Magic"),
                             ("decoder", {"type": "CTC"}, "CTC"),
                             ("pre_tokenizer", {"type": "UnicodeScripts"}, "UnicodeScripts")):
        path.write_text(json.dumps({**theirs, key: value}))
        with pytest.raises(hr.Unsupported, match=word) as caught:
            hr.Tokenizer(str(path))
        assert str(path) in str(caught.value)
    path.write_text("{")
    with pytest.raises(hr.Damaged, match="JSON"):
        hr.Tokenizer(str(path))
    with pytest.raises(hr.NotFound):
        hr.Tokenizer(str(tmp_path / "nowhere"))
