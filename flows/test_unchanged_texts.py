"""map and filter before chunk(): a text that they leave as it is keeps the structure of its document."""

import pathlib

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import documents
import headrace as hr

COLUMNS = ["source", "position", "title", "text", "heading", "page", "span", "metadata"]
MARKDOWN = "# Keys\n\nRotate them, see [the policy](policy.md).\n\n## When\n\n| what | when |\n|---|---|\n| root | yearly |\n"
PAGE = (
    "<title>Backups</title><main><h1>Backups</h1><p>Every night, says <a href='keys.md'>the other page</a>.</p>"
    "<h2>Restoring</h2><pre>tar x\n  all</pre><p>Then look.</p></main>"
)


@pytest.fixture
def docs(tmp_path) -> pathlib.Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "keys.md").write_text(MARKDOWN)
    (folder / "page.html").write_text(PAGE)
    (folder / "pages.pdf").write_bytes(documents.pdf("Words about valves on", pages=3))
    (folder / "code.py").write_text("def first():\n    return 1\n\n\ndef second():\n    return 2\n")
    return folder


def rows_of(pipeline) -> list[dict]:
    return pipeline.chunk(tokens=32, overlap=0).to_arrow().select(COLUMNS).to_pylist()


def test_texts_that_come_back_unchanged_are_cut_as_without_functions(docs):
    plain = rows_of(hr.read(str(docs)))
    assert {row["page"] for row in plain if row["source"].endswith(".pdf")} == {1, 3}
    assert any("links" in row["metadata"] for row in plain) and any(row["heading"] for row in plain)
    assert rows_of(hr.read(str(docs)).map(lambda batch: batch)) == plain
    assert rows_of(hr.read(str(docs)).map(lambda batch: batch.to_pandas()).map(pa.table)) == plain
    kept = hr.read(str(docs)).filter(lambda batch: pc.match_substring(batch["source"], "pages.pdf"))
    assert rows_of(kept) == [row for row in plain if row["source"].endswith("pages.pdf")]


def test_titles_columns_and_sources_may_change_beside_the_text(docs):
    plain = rows_of(hr.read(str(docs)))

    def tag(batch):
        names = pc.replace_substring(batch["source"], str(docs), "kb")
        batch = batch.set_column(batch.schema.get_field_index("source"), "source", names)
        return batch.append_column("team", pa.array(["ops"] * batch.num_rows))

    tagged = rows_of(hr.read(str(docs)).map(tag))
    same = ["position", "text", "heading", "page", "span"]
    assert [[row[name] for name in same] for row in tagged] == [[row[name] for name in same] for row in plain]
    assert all('"team":"ops"' in row["metadata"] and row["source"].startswith("kb/") for row in tagged)


def test_a_text_that_changes_keeps_title_and_metadata(docs):
    def shout(batch):
        place = batch.schema.get_field_index("text")
        return batch.set_column(place, "text", pc.utf8_upper(batch["text"]))

    rows = rows_of(hr.read(str(docs / "pages.pdf")).map(shout))
    assert rows and all(row["page"] is None and "VALVES" in row["text"] for row in rows)
    rows = rows_of(hr.read(str(docs / "page.html")).map(shout))
    assert all(row["title"] == "Backups" and "links" not in row["metadata"] for row in rows)


def test_into_a_knowledge_base_lines_and_pages_are_kept(docs, tmp_path):
    kb = str(tmp_path / "kb")
    pipeline = hr.read(str(docs)).filter(lambda batch: pc.is_valid(batch["text"]))
    pipeline.chunk(tokens=32, overlap=0).into(kb, model="none")
    with hr.open(kb) as opened:
        assert opened.search("valves page 3", k=1)[0].page in (2, 3)
        hit = opened.search("second", k=1)[0]
        assert hit.line == 5 and hit.heading
    assert pipeline.chunk(tokens=32, overlap=0).into(kb, model="none").documents["unchanged"] == 4
