"""map and filter after chunk(), into a knowledge base; prune over records."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import headrace as hr


def read(records, tmp_path):
    return hr.read(records).chunk(tokens=64), str(tmp_path / "kb")


RECORDS = [
    {"id": "a", "text": "Alpha speaks about keys."},
    {"id": "b", "text": "Beta speaks about locks."},
]


def test_rows_are_changed_dropped_and_given_columns(tmp_path):
    pipeline, kb = read(RECORDS, tmp_path)

    def shout(batch):
        upper = pc.utf8_upper(batch["text"])
        batch = batch.set_column(batch.schema.get_field_index("text"), "text", upper)
        return batch.append_column("length", pc.utf8_length(batch["text"]))

    report = pipeline.map(shout).filter(lambda batch: pc.match_substring(batch["text"], "KEYS")).into(
        kb, model="none"
    )
    assert report.documents["added"] == 2
    with hr.open(kb) as opened:
        (hit,) = opened.search("speaks", k=10)
        assert hit.text == "ALPHA SPEAKS ABOUT KEYS."
        assert hit.metadata == {"id": "a", "length": 24}
        assert len(opened.search("alpha", filter="length > 20")) == 1


def test_another_function_redoes_unchanged_documents(tmp_path):
    pipeline, kb = read(RECORDS, tmp_path)

    def first(batch):
        return batch.append_column("mark", pa.array(["one"] * len(batch)))

    def second(batch):
        return batch.append_column("mark", pa.array(["two"] * len(batch)))

    pipeline.map(first).into(kb, model="none")
    assert pipeline.map(first).into(kb, model="none").documents["unchanged"] == 2
    assert pipeline.map(second).into(kb, model="none").documents["updated"] == 2
    with hr.open(kb) as opened:
        assert {hit.metadata["mark"] for hit in opened.search("speaks")} == {"two"}


def test_a_function_that_fails_ends_the_run_with_its_reason(tmp_path):
    pipeline, kb = read(RECORDS, tmp_path)

    def broken(batch):
        raise ValueError("no luck today")

    with pytest.raises(hr.InvalidArgument, match="no luck today"):
        pipeline.map(broken).into(kb, model="none")
    with pytest.raises(hr.InvalidArgument, match='"key"'):
        pipeline.map(lambda batch: batch.drop_columns(["key"])).into(kb, model="none")


def test_prune_over_records_removes_what_is_no_longer_among_them(tmp_path):
    pipeline, kb = read(RECORDS, tmp_path)
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "file.txt").write_text("Gamma is a file.")
    hr.read(str(folder)).chunk(tokens=64).into(kb, model="none")
    pipeline.into(kb, model="none")
    report = hr.read(RECORDS[:1]).chunk(tokens=64).into(kb, model="none", prune=True)
    assert report.documents == {"added": 0, "updated": 0, "unchanged": 1, "removed": 1, "failed": 0}
    with hr.open(kb) as opened:
        assert {hit.source for hit in opened.search("", k=10)} == {"a", str(folder / "file.txt")}
