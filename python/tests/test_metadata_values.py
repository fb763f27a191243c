"""What metadata holds comes back as it was given, and filters find it."""

import json
import math

import numpy as np
import pytest

import headrace as hr


@pytest.fixture
def kb_path(tmp_path):
    return tmp_path / "kb"


def found(kb_path, expression):
    with hr.open(kb_path) as kb:
        return sorted(hit.text for hit in kb.search("", k=100, filter=expression))


LISTS = [
    {"id": "a", "text": "a", "v": [1, None, 3]},
    {"id": "b", "text": "b", "v": [2.5, 3]},
    {"id": "c", "text": "c", "v": [True, False]},
    {"id": "d", "text": "d", "v": ["x", None, "3"]},
    {"id": "e", "text": "e", "v": []},
    {"id": "f", "text": "f", "v": ["x", 4, True]},
]
KEPT = {"a": [1, 3], "b": [2.5, 3.0], "c": [True, False], "d": ["x", "3"], "e": [], "f": ["x", "4", "true"]}


def lists_by_read(kb_path, tmp_path):
    hr.read(LISTS).into(kb_path, model="none")


def lists_by_add(kb_path, tmp_path):
    with hr.open(kb_path, model="none", create=True) as kb:
        kb.add(LISTS)


def lists_by_jsonl(kb_path, tmp_path):
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(record) + "\n" for record in LISTS))
    hr.read(str(tmp_path / "r.jsonl")).into(kb_path, model="none")


def lists_by_map(kb_path, tmp_path):
    hr.read(LISTS).map(lambda batch: batch).into(kb_path, model="none")


@pytest.mark.parametrize("write", [lists_by_read, lists_by_add, lists_by_jsonl, lists_by_map])
@pytest.mark.parametrize("optimized", [False, True])
def test_lists_keep_the_type_of_their_items(kb_path, tmp_path, write, optimized):
    write(kb_path, tmp_path)
    with hr.open(kb_path) as kb:
        if optimized:
            kb.optimize()
        hits = {hit.text: hit.metadata["v"] for hit in kb.search("", k=10)}
        assert hits == KEPT
        assert all(type(x) is type(y) for text in KEPT for x, y in zip(hits[text], KEPT[text], strict=True))
        assert kb.verify()["ok"]
        kb.export(str(tmp_path / "rows.jsonl"))
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert {row["text"]: row["metadata"]["v"] for row in rows} == KEPT
    for expression, texts in {
        "v = 3": ["a", "b", "d"],
        "v contains 3": ["a", "b", "d"],
        "v in (2.5, 4)": ["b", "f"],
        "v contains '3'": ["a", "b", "d"],
        "v contains true": ["c", "f"],
        "v != 3": ["e", "f"],
        "v contains 'x'": ["d", "f"],
    }.items():
        assert found(kb_path, expression) == texts, expression
    with hr.open(kb_path) as kb:
        assert kb.facets("v")[3] == 2


def test_lists_of_arrow(kb_path):
    import pyarrow as pa

    table = pa.table(
        {
            "text": ["a", "b"],
            "n": pa.array([[1, None], [2**53 + 1]], pa.list_(pa.int64())),
            "x": pa.array([[0.5, math.nan], None], pa.list_(pa.float64())),
            "b": pa.array([[True], [False, None]], pa.list_(pa.bool_())),
            "u": pa.array([2**64 - 1, 5], pa.uint64()),
        }
    )
    hr.read(table).into(kb_path, model="none")
    with hr.open(kb_path) as kb:
        said = {hit.text: hit.metadata for hit in kb.search("", k=10)}
    assert said["a"]["n"] == [1] and said["b"]["n"] == [2**53 + 1]
    assert said["a"]["x"] == [0.5] and said["a"]["b"] == [True] and said["b"]["b"] == [False]
    assert said["a"]["u"] == str(2**64 - 1) and said["b"]["u"] == 5
    assert found(kb_path, f"n = {2**53 + 1}") == ["b"] and found(kb_path, f"n = {2**53}") == []


NUMBERS = [2**53 + 1, 2**63 - 1, -(2**63), 2**63, 10**30, 0.1, 1e308]


def test_numbers_are_never_changed(kb_path, tmp_path):
    lines = [json.dumps({"id": f"n{n}", "text": f"t{n}", "n": n}) for n in NUMBERS]
    lines += ['{"text": "huge", "n": 1e400}', '{"text": "nan", "n": NaN}', '{"text": "inf", "n": -Infinity}']
    (tmp_path / "r.jsonl").write_text("\n".join(lines))
    hr.read(str(tmp_path / "r.jsonl")).into(kb_path, model="none")
    with hr.open(kb_path) as kb:
        said = {hit.text: hit.metadata["n"] for hit in kb.search("", k=20)}
    for n in NUMBERS:
        fits = isinstance(n, float) or -(2**63) <= n < 2**63
        assert said[f"t{n}"] == (n if fits else str(n))
    assert said["huge"] == "1e400" and said["nan"] is None and said["inf"] == "-Infinity"
    assert found(kb_path, "n is null") == ["nan"]


def test_python_numbers_are_never_changed(kb_path, tmp_path):
    with hr.open(kb_path, model="none", create=True) as kb:
        kb.add([{"id": f"n{n}", "text": f"t{n}", "n": n} for n in NUMBERS])
        kb.add([{"id": "nan", "text": "nan", "n": math.nan}, {"id": "inf", "text": "inf", "n": math.inf}])
        said = {hit.text: hit.metadata["n"] for hit in kb.search("", k=20)}
        kb.export(str(tmp_path / "rows.jsonl"))
    assert said["t" + str(2**63)] == str(2**63) and said["t" + str(2**53 + 1)] == 2**53 + 1
    assert said["nan"] is None and said["inf"] == math.inf
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert {row["text"]: row["metadata"]["n"] for row in rows}["inf"] == "Infinity"
    assert found(kb_path, "n > 1e308") == ["inf"] and found(kb_path, "n is null") == ["nan"]


def test_rows_of_own_vectors_have_their_id(kb_path, tmp_path):
    with hr.open(kb_path, model=None, dimension=2) as kb:
        kb.add(ids=[7, 8], vectors=np.eye(2, dtype=np.float32), text=["two\nlines", None], lang=["en", "de"])
        hits = {hit.source: hit for hit in kb.search("", k=10)}
        assert hits["7"].metadata == {"id": 7, "lang": "en"} and hits["8"].metadata["id"] == 8
        assert (hits["7"].span, hits["7"].line) == ((0, 9), None)
        assert (hits["8"].span, hits["8"].line, hits["8"].text) == ((0, 0), None, "")
        kb.export(str(tmp_path / "rows.jsonl"))
        kb.add(ids=["x"], vectors=np.ones((1, 2), np.float32))
        assert {hit.metadata["id"] for hit in kb.search("", k=10)} == {"7", "8", "x"}
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert {row["source"]: row["metadata"]["id"] for row in rows} == {"7": 7, "8": 8}
    assert rows[0]["span"] == [0, 9]


def test_records_without_an_id_are_known_by_their_content(kb_path):
    assert hr.read(["one", "two"]).into(kb_path, model="none").documents["added"] == 2
    again = hr.read(["three", "one", "three"]).into(kb_path, model="none").documents
    assert (again["added"], again["unchanged"], again["updated"]) == (2, 1, 0)
    third = hr.read(["two", "four"]).map(lambda batch: batch).into(kb_path, model="none").documents
    assert (third["added"], third["unchanged"]) == (1, 1)
    with hr.open(kb_path) as kb:
        hits = kb.search("", k=10)
    assert sorted(hit.text for hit in hits) == ["four", "one", "three", "three", "two"]
    assert all(hit.metadata["id"] == hit.source for hit in hits)


def test_id_comes_before_underscore_id(kb_path):
    both = {"_id": "u", "id": "i", "text": "both"}
    hr.read([both, {"_id": "w", "text": "alone"}]).into(kb_path, model="none")
    with hr.open(kb_path) as kb:
        kb.add([both | {"id": "j"}, {"_id": "v", "text": "added"}])
        said = {hit.source: hit.metadata for hit in kb.search("", k=10)}
    assert said == {
        "i": {"id": "i", "_id": "u"}, "w": {"id": "w"}, "j": {"id": "j", "_id": "u"}, "v": {"id": "v"},
    }


def test_a_field_id_beside_the_named_column_is_kept(kb_path):
    hr.read([{"nr": 4, "id": "other", "text": "alpha"}], id="nr").into(kb_path, model="none")
    with hr.open(kb_path) as kb:
        [hit] = kb.search("alpha")
    assert hit.source == "4" and hit.metadata == {"id": 4, "nr": 4, "_id": "other"}


def test_a_record_without_any_text_is_empty(kb_path):
    hr.read([{"id": "a", "text": "alpha"}]).into(kb_path, model="none")
    report = hr.read([{"id": "a", "text": " "}, {"id": "b", "text": ""}]).into(kb_path, model="none")
    assert report.empty == 2 and report.documents["failed"] == 0
    with hr.open(kb_path) as kb:
        assert len(kb.search("alpha")) == 0 and kb.errors() == []


def test_long_values_many_columns_and_odd_names(kb_path):
    long = "ä" * 500_000 + "!"
    records = [{"id": str(n), "text": f"t{n}", **{f"c{n}_{i}": i for i in range(20)}} for n in range(100)]
    names = ['a"b', "a.b", "größe", "日本", "", "and", " ", "a'b", "metadata", "page", "metadata.x", "n\nl"]
    records.append({"id": "odd", "text": "odd", "long": long, **dict.fromkeys(names, 1)})
    records.append({"id": "mixed", "text": "mixed", "c0_0": "text"})
    hr.read(records).into(kb_path, model="none")
    with hr.open(kb_path) as kb:
        kb.optimize()
        assert kb.verify()["ok"]
        [odd] = kb.search("odd")
        assert odd.metadata == {"id": "odd", "long": long} | dict.fromkeys(names, 1)
        assert [hit.text for hit in kb.search("", filter=f"long = '{long}'")] == ["odd"] or len(long) > 2**20
        for name in names:
            asked = f"metadata.{name}" if name == "page" else name
            quoted = asked.replace('"', '""')
            assert [hit.text for hit in kb.search("", filter=f'"{quoted}" = 1')] == ["odd"], name
        assert [hit.text for hit in kb.search("", filter="c99_19 = 19")] == ["t99"]
        assert {hit.text for hit in kb.search("", filter="c0_0 is not null")} == {"t0", "mixed"}
        assert [hit.text for hit in kb.search("", filter="c0_0 = 'text'")] == ["mixed"]


def test_what_is_no_column_of_filters_is_said(kb_path):
    hr.read([{"id": "a", "text": "alpha"}, {"id": "b", "text": "beta", "title": "B"}]).into(kb_path, model="none")
    with hr.open(kb_path) as kb:
        for expression in ("text like '%a%'", "span is not null", "metadata = 'x'"):
            with pytest.raises(hr.InvalidArgument, match="no column"):
                kb.search("", filter=expression)
            with pytest.raises(hr.InvalidArgument, match="no column"):
                kb.delete(expression)
        assert kb.delete("title = ''") == 1
        assert [hit.source for hit in kb.search("")] == ["b"]
        assert kb.delete("source = 'b' and title = 'B'") == 1
