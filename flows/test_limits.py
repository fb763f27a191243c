"""Sources that would grow without bound are stopped, and what failed in them is told by number."""

import gzip
import json
import random

import pytest

import documents
from test_containers import GOOD, errors, sources, write
from test_index import counts


def bomb(levels: int, width: int) -> bytes:
    """A zip of zips of zips …: small at every level, width ** levels documents in all."""
    inner = documents.packed({"end.txt": "the very end"})
    for _ in range(levels):
        inner = documents.packed({f"{n}.zip": inner for n in range(width)})
    return inner


def test_archives_in_archives_share_one_limit(headrace, tmp_path):
    write(tmp_path / "docs", {"a.txt": b"alpha", "b.zip": bomb(6, 16), "c.txt": b"gamma"})
    report = headrace.index("docs")
    assert report["documents"]["failed"] == 1
    found = errors(headrace)
    assert set(found) == {"docs/b.zip"}
    assert "archives within archives" in found["docs/b.zip"]["message"]
    kept = sources(headrace)
    assert {"docs/a.txt", "docs/c.txt"} < kept and any("end.txt" in source for source in kept)


def test_archives_in_a_mail_share_one_limit(headrace, tmp_path):
    mail = documents.eml_with_attachment(GOOD, "b.zip", bomb(6, 16))
    write(tmp_path / "docs", {"a.eml": mail})
    assert headrace.index("docs")["documents"]["failed"] == 1
    assert "archives within archives" in errors(headrace)["docs/a.eml"]["message"]
    assert "docs/a.eml" in sources(headrace)


ZEROS = gzip.compress(bytes(40 << 20), 9)
EMPTY = f"<w:document {documents.WORD}><w:body>{'<w:p/>' * (4 << 20)}</w:body></w:document>"


def mail_of(member: bytes, name: str) -> bytes:
    return documents.eml_with_attachment(GOOD, name, member)


@pytest.mark.parametrize("kind", ["gzip", "zip", "tar", "docx", "mail", "deep"])
def test_what_is_unpacked_and_refused_counts(headrace, tmp_path, kind):
    """Each of these is refused by itself, after work a thousand times its size."""
    name, bomb = {
        "gzip": ("gz", ZEROS),
        "zip": ("zip", documents.packed({"z": bytes(40 << 20)})),
        "tar": ("tar.gz", gzip.compress(documents.tar({"z": bytes(40 << 20)}), 9)),
        "docx": ("docx", documents.ooxml("word/document.xml", EMPTY)),
        "mail": ("eml", mail_of(ZEROS, "z.gz")),
        "deep": ("zip", documents.packed({"in.zip": documents.packed({"z.gz": ZEROS})})),
    }[kind]
    members = {"first.txt": GOOD} | {f"{n:02}.{name}": bomb for n in range(60)} | {"last.txt": GOOD}
    write(tmp_path / "docs", {"a.txt": b"alpha", "b.zip": documents.packed(members), "c.txt": b"gamma"})
    headrace.index("docs")
    found = errors(headrace)
    assert "archives within archives" in found["docs/b.zip"]["message"] and found["docs/b.zip"]["hint"]
    assert found["docs/b.zip"]["message"].startswith("docs/b.zip: ")
    assert "refused is docs/b.zip!" in found["docs/b.zip"]["message"]
    assert len(found) <= 4, sorted(found)
    kept = sources(headrace)
    assert {"docs/a.txt", "docs/b.zip!first.txt", "docs/c.txt"} <= kept
    assert "docs/b.zip!last.txt" not in kept
    # What was there stays when it is read again.
    headrace.index("docs")
    assert kept <= sources(headrace) and "docs/b.zip" in errors(headrace)


def test_one_bomb_among_documents_costs_them_nothing(headrace, tmp_path):
    noise = random.Random(7)
    text = " ".join(f"{noise.random():.9f}" for _ in range(60_000))
    members = {"first.txt": GOOD, "z.gz": ZEROS, "text.txt": text, "last.txt": GOOD}
    write(tmp_path / "docs", {"b.zip": documents.packed(members)})
    headrace.index("docs")
    assert set(errors(headrace)) == {"docs/b.zip!z.gz"}
    assert {"docs/b.zip!first.txt", "docs/b.zip!text.txt", "docs/b.zip!last.txt"} <= sources(headrace)


def test_a_log_that_packs_well_goes_in(headrace, tmp_path):
    lines = "".join(f"connection {n} from host {n % 7} accepted\n" for n in range(3000))
    (tmp_path / "a.log.gz").write_bytes(gzip.compress((lines * 160).encode(), 9))
    assert counts(headrace.index("a.log.gz")) == (1, 0, 0, 0, 0)


def test_a_large_pdf_is_not_held_in_memory(headrace, tmp_path):
    """Its workers map it: it may be larger than the budget."""
    (tmp_path / "a.pdf").write_bytes(documents.pdf(GOOD, attached=100 << 20))
    report = headrace.index("a.pdf", "--memory", "64MiB")
    assert report["documents"] == {"added": 1, "updated": 0, "unchanged": 0, "removed": 0, "failed": 0}
    assert report["peak_rss_bytes"] < 64 << 20
    assert headrace.search("perfectly good")
    assert counts(headrace.index("a.pdf", "--memory", "64MiB")) == (0, 0, 1, 0, 0)


def test_many_bad_records_are_told_by_number(headrace, tmp_path):
    lines = ["{bad"] * 3000
    lines[5], lines[2990] = ('{"id": "x", "text": "good one"}', '{"id": "y", "text": "good two"}')
    (tmp_path / "r.jsonl").write_text("\n".join(lines))
    for added in (2, 0):
        assert counts(headrace.index("r.jsonl")) == (added, 0, 2 - added, 0, 2998)
        found = errors(headrace)
        assert len(found) == 1001
        assert found["r.jsonl:more"]["message"].startswith("r.jsonl:more: 1998 failures more")
    assert sources(headrace) == {"r.jsonl#x", "r.jsonl#y"}
    (tmp_path / "r.jsonl").write_text("\n".join(lines[:7]))
    headrace.index("r.jsonl")
    assert len(errors(headrace)) == 6


def test_many_bad_rows_of_a_table_are_told_by_number(headrace, tmp_path):
    rows = ["id,body", *(f"{n},too,many" for n in range(3000)), "x,good one"]
    (tmp_path / "r.csv").write_text("\n".join(rows))
    assert counts(headrace.index("r.csv", "--text-column", "body")) == (1, 0, 0, 0, 3000)
    found = errors(headrace)
    assert len(found) == 1001 and "2000 failures more" in found["r.csv:more"]["message"]
    (tmp_path / "r.csv").write_text("\n".join([rows[0], rows[-1]]))
    headrace.index("r.csv", "--text-column", "body")
    assert errors(headrace) == {}


def test_many_bad_members_are_told_by_number(headrace, tmp_path):
    members = {f"{n:05}.txt": "\0" * 8 for n in range(1500)} | {"good.txt": GOOD}
    (tmp_path / "m.zip").write_bytes(documents.packed(members))
    assert headrace.index("m.zip")["documents"]["failed"] == 1500
    assert len(errors(headrace)) == 1001
    # A member that was good keeps its rows, and its own entry.
    members["good.txt"] = "\0" * 8
    (tmp_path / "m.zip").write_bytes(documents.packed(members))
    assert headrace.index("m.zip")["documents"]["failed"] == 1501
    assert "m.zip!good.txt" in errors(headrace)


def test_attachments_that_failed_are_tried_again(headrace, tmp_path):
    mail = documents.eml_with_attachment(GOOD, "a.pdf", documents.pdf("harbour"))
    nothing = {"HEADRACE_PDFIUM": str(tmp_path / "nothing.so")}
    write(tmp_path / "docs", {"a.eml": mail, "b.zip": documents.packed({"in.eml": mail})})

    def index(env=None, code=0):
        done = headrace.run("index", "docs", "--into", "kb", "--model", "none", "--json", "--strict", env=env, code=code)
        return counts(json.loads(done.stdout))

    failed = {"docs/a.eml!a.pdf", "docs/b.zip!in.eml!a.pdf"}
    assert index(nothing, 1) == (2, 0, 0, 0, 2)
    assert set(errors(headrace)) == failed
    assert index(nothing, 1) == (0, 0, 2, 0, 2)
    assert set(errors(headrace)) == failed
    assert index() == (2, 0, 2, 0, 0)
    assert failed < sources(headrace)
    assert index() == (0, 0, 4, 0, 0)
