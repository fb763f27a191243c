"""The memory budget is kept: by what is read, however large, and by what is refused."""

import random

MIB = 1 << 20


def words(size: int) -> str:
    """Text with as many different words as prose has."""
    chance = random.Random(7)
    known = ["".join(chance.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(chance.randint(2, 9))) for _ in range(9000)]
    out, length = [], 0
    while length < size:
        sentence = " ".join(known[int(9000 * chance.random() ** 3)] for _ in range(14)).capitalize() + ".\n"
        out.append(sentence)
        length += len(sentence)
    return "".join(out)[:size]


def test_large_documents_stay_within_the_budget(headrace, tmp_path):
    text = words(5 * MIB)
    (tmp_path / "docs").mkdir()
    for n in range(2):
        (tmp_path / "docs" / f"{n}.txt").write_text(text)
    (tmp_path / "docs" / "page.html").write_text("<html><body><p>" + text.replace("\n", "</p>\n<p>"))
    (tmp_path / "docs" / "over.txt").write_text(text * 5)
    (tmp_path / "docs" / "small.txt").write_text("a small one")
    report = headrace.index("docs", "--memory", "64MiB")
    assert report["documents"]["added"] == 4
    assert report["peak_rss_bytes"] <= 64 * MIB * 1.1
    (error,) = headrace.json("errors", "kb")["errors"]
    assert error["source"] == "docs/over.txt"
    assert error["code"] == "too_large"
    assert "--memory" in error["hint"]
