"""Tables of every type: each column becomes typed metadata or is refused by its name."""

import datetime as dt
import decimal

import pytest

import headrace as hr

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")

HOUR = dt.timezone(dt.timedelta(hours=2))
NOON = dt.datetime(2024, 5, 1, 12, 30, 15, 250000)


def metadata_of(table, folder, column="x"):
    """What a knowledge base holds of a column, in the order of the rows."""
    report = hr.read(table).into(folder / "kb", model="none")
    assert report.documents["failed"] == 0, hr.open(folder / "kb").errors()
    with hr.open(folder / "kb") as kb:
        hits = kb.search("word", k=1000)
        return [hit.metadata.get(column) for hit in sorted(hits, key=lambda hit: int(hit.source))]


def table_of(values, kind=None):
    column = values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(values, kind)
    return pa.table({"id": list(range(len(column))), "text": ["word"] * len(column), "x": column})


TYPES = [
    (pa.large_string(), ["a", None, "é" * 20], None),
    (pa.string_view(), ["a", None, "longer than what a view holds inline", "é"], None),
    (pa.dictionary(pa.int8(), pa.string()), ["a", "b", None, "a"], None),
    (pa.dictionary(pa.uint64(), pa.large_string()), ["a", "b", "a"], None),
    (pa.dictionary(pa.int32(), pa.int64()), [7, 8, 7], None),
    (pa.int8(), [-1, None, 127], None),
    (pa.uint64(), [1, 2**63 - 1], None),
    (pa.float16(), [0.5, -2.0, None, 65504.0, 2.0**-24], None),
    (pa.float32(), [0.5, None], None),
    (pa.bool_(), [True, None, False] * 7, None),
    (pa.null(), [None, None], None),
    (pa.decimal32(5, 2), [decimal.Decimal("1.25"), None], [1.25, None]),
    (pa.decimal64(10, 2), [decimal.Decimal("-1.25")], [-1.25]),
    (pa.decimal128(10, 0), [decimal.Decimal(7), decimal.Decimal(-7)], [7, -7]),
    (pa.decimal128(38, 3), [decimal.Decimal("0.100"), decimal.Decimal(-(10**30))], [0.1, -1e30]),
    (pa.decimal256(60, 1), [decimal.Decimal("-0.1"), decimal.Decimal(10**40)], [-0.1, 1e40]),
    (pa.date32(), [dt.date(2024, 5, 1), None, dt.date(1960, 2, 29)], ["2024-05-01", None, "1960-02-29"]),
    (pa.date64(), [dt.date(1969, 12, 31)], ["1969-12-31"]),
    (pa.time32("s"), [dt.time(9, 5)], ["09:05:00"]),
    (pa.time32("ms"), [dt.time(9, 5, 1, 500000)], ["09:05:01.5"]),
    (pa.time64("us"), [dt.time(23, 59, 59, 1)], ["23:59:59.000001"]),
    (pa.time64("ns"), [1], ["00:00:00.000000001"]),
    (pa.timestamp("s"), [NOON.replace(microsecond=0), None], ["2024-05-01T12:30:15", None]),
    (pa.timestamp("ms"), [NOON], ["2024-05-01T12:30:15.25"]),
    (pa.timestamp("us", tz="Europe/Berlin"), [NOON.replace(tzinfo=HOUR)], ["2024-05-01T10:30:15.25Z"]),
    (pa.timestamp("ns", tz="UTC"), [-1], ["1969-12-31T23:59:59.999999999Z"]),
    (pa.duration("s"), [dt.timedelta(minutes=2), None], [120, None]),
    (pa.duration("ns"), [1_500_000_000], [1.5]),
    (pa.binary(), [b"abc", None, b"\xc3\xa9"], ["abc", None, "é"]),
    (pa.large_binary(), [b"abc"], ["abc"]),
    (pa.binary_view(), [b"abc", b"longer than twelve bytes"], ["abc", "longer than twelve bytes"]),
    (pa.list_(pa.string()), [["a", "b"], None, []], None),
    (pa.large_list(pa.int16()), [[1, 2], [3]], None),
    (pa.list_(pa.bool_(), 2), [[True, False], None, [False, False]], None),
    (pa.list_view(pa.string()), [["a", "b"], ["c"], None], None),
    (pa.large_list_view(pa.date32()), [[dt.date(2024, 5, 1)]], [["2024-05-01"]]),
]


@pytest.mark.parametrize(("kind", "values", "expected"), TYPES, ids=[str(kind) for kind, *_ in TYPES])
def test_a_column_of_every_type(tmp_path, kind, values, expected):
    assert metadata_of(table_of(values, kind), tmp_path) == (values if expected is None else expected)


@pytest.mark.parametrize(("kind", "values", "expected"), TYPES, ids=[str(kind) for kind, *_ in TYPES])
def test_slices_and_chunks(tmp_path, kind, values, expected):
    expected = values if expected is None else expected
    column = pa.array([*values, *values, *values], kind)
    cut = pa.chunked_array([column.slice(1, len(values)), column.slice(len(values) * 2 + 1), column.slice(0, 1)])
    rest = expected[1:]
    assert metadata_of(table_of(cut), tmp_path) == [*rest, expected[0], *rest, expected[0]]


def test_structs_and_maps_are_fields(tmp_path):
    values = [{"a": 1, "b": {"c": "one"}}, None, {"a": None, "b": {"c": "two"}}, {"a": 3, "b": None}]
    kind = pa.struct([("a", pa.int64()), ("b", pa.struct([("c", pa.string())]))])
    table = table_of(values, kind)
    assert metadata_of(table, tmp_path / "1", "x.a") == [1, None, None, 3]
    assert metadata_of(table, tmp_path / "2", "x.b.c") == ["one", None, "two", None]
    assert metadata_of(table.slice(2), tmp_path / "3", "x.b.c") == ["two", None]
    entries = pa.array([[("k", 1), ("l", 2)], None, [], [("k", 4)]], pa.map_(pa.string(), pa.int32()))
    assert metadata_of(table_of(entries), tmp_path / "4", "x.k") == [1, None, None, 4]
    assert metadata_of(table_of(entries.slice(2)), tmp_path / "5", "x.k") == [None, 4]


def test_sliced_batches_of_structs(tmp_path):
    batch = pa.RecordBatch.from_struct_array(
        pa.array([{"id": n, "text": "word", "x": f"value {n}", "y": n % 2 == 0} for n in range(20)]).slice(7, 9)
    )
    assert metadata_of(batch, tmp_path) == [f"value {n}" for n in range(7, 16)]
    assert metadata_of(batch, tmp_path / "2", "y") == [n % 2 == 0 for n in range(7, 16)]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([[["a"]]]), "list of list"),
        (pa.array([[{"a": 1}]]), "list of struct"),
        (pa.array([b"ab"], pa.binary(2)), "fixed size"),
        (pa.array([(1, 2, 3)], pa.month_day_nano_interval()), "interval"),
        (pa.array([[("k", {"a": 1})]], pa.map_(pa.string(), pa.struct([("a", pa.int8())]))), "map"),
        (pa.RunEndEncodedArray.from_arrays([1], ["a"]), "run-end"),
        (pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array(["a"])]), "union"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_types_that_metadata_cannot_hold_are_refused_by_name(tmp_path, column, said):
    table = pa.table({"text": ["word"], "odd one": column})
    with pytest.raises(hr.InvalidArgument, match=f'"odd one".*{said}'):
        hr.read(table).into(tmp_path / "kb", model="none")
    assert not (tmp_path / "kb").exists()


def test_columns_of_the_same_name_are_refused(tmp_path):
    table = pa.Table.from_arrays([pa.array(["word"]), pa.array([1]), pa.array([2])], ["text", "x", "x"])
    with pytest.raises(hr.InvalidArgument, match='two columns are called "x"'):
        hr.read(table).into(tmp_path / "kb", model="none")


def test_a_value_that_cannot_be_told_fails_alone(tmp_path):
    table = table_of([b"good", b"\xff\xfe", b"good"], pa.binary())
    late = table_of([0, 10**12], pa.int64()).set_column(2, "x", pa.array([0, 10**12]).cast(pa.timestamp("s")))
    for number, each in enumerate((table, late)):
        report = hr.read(each).into(tmp_path / str(number), model="none")
        assert report.documents["failed"] == 1 and report.documents["added"] == len(each) - 1
        with hr.open(tmp_path / str(number)) as kb:
            [failed] = kb.errors()
        assert "record 1" in failed["message"] and '"x"' in failed["message"]


def test_columns_that_a_function_adds(tmp_path):
    def add(kind, values):
        return lambda batch: batch.append_column("x", pa.array(values, kind))

    pipeline = hr.read(["word"]).chunk(tokens=64)
    pipeline.map(add(pa.struct([("a", pa.int8())]), [{"a": 5}])).into(tmp_path / "kb", model="none")
    with hr.open(tmp_path / "kb") as kb:
        assert kb.search("word")[0].metadata["x.a"] == 5
    with pytest.raises(hr.InvalidArgument, match='"x"'):
        pipeline.map(add(pa.list_(pa.list_(pa.int8())), [[[1]]])).into(tmp_path / "other", model="none")


DAY = "2024-05-01"
VALUES = [
    (np.datetime64("2024-05-01T10:00:00.5", "ns"), "2024-05-01T10:00:00.5"),
    (np.datetime64("2024-05-01T10:00:00", "ns"), "2024-05-01T10:00:00"),
    (np.datetime64("2024-05-01T10:00:00", "s"), "2024-05-01T10:00:00"),
    (np.datetime64(DAY), DAY),
    (np.datetime64("2024-05"), "2024-05-01"),
    (np.datetime64("NaT", "ns"), None),
    (np.datetime64("NaT"), None),
    (np.timedelta64(1500, "ms"), 1.5),
    (np.timedelta64(1500, "ns"), 1.5e-6),
    (np.timedelta64("NaT"), None),
    (np.float32(0.5), 0.5),
    (np.int16(7), 7),
    (np.bool_(True), True),
    (np.str_("a"), "a"),
    (np.array(3.5), 3.5),
    (np.array(["a", "b"]), ["a", "b"]),
    (np.array([1, 2]), [1, 2]),
    (decimal.Decimal("1.50"), 1.5),
    (decimal.Decimal(7), 7),
    (dt.timedelta(minutes=1), 60.0),
    (dt.time(9, 5), "09:05:00"),
    (dt.date(2024, 5, 1), DAY),
    (NOON.replace(tzinfo=HOUR), "2024-05-01T12:30:15.250000+02:00"),
    (b"abc", "abc"),
    ([True, None, "a", 1], ["true", "a", "1"]),
    (10**30, str(10**30)),
]


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=[repr(value) for value, _ in VALUES])
@pytest.mark.parametrize("way", ["read", "add"])
def test_values_in_dicts(tmp_path, value, expected, way):
    record = {"id": "1", "text": "word", "x": value}
    if way == "read":
        hr.read([record]).into(tmp_path / "kb", model="none")
    else:
        with hr.open(tmp_path / "kb", model="none") as kb:
            kb.add([record])
    with hr.open(tmp_path / "kb") as kb:
        assert kb.search("word")[0].metadata.get("x") == expected
        if isinstance(value, np.datetime64) and expected is not None:
            assert len(kb.search("word", filter="x >= '2024-05-01' and x < '2024-05-02'")) == 1


def test_pandas_values(tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({
        "id": [0, 1],
        "text": ["word", "word"],
        "time": pd.to_datetime(["2024-05-01T10:00:00", None]),
        "zoned": pd.to_datetime(["2024-05-01T12:00:00+02:00", None]),
        "category": pd.Categorical(["a", None]),
        "whole": pd.array([1, None], dtype="Int64"),
    })
    expected = {"time": "2024-05-01T10:00:00", "zoned": "2024-05-01T10:00:00Z", "category": "a", "whole": 1}
    for name, value in expected.items():
        assert metadata_of(frame, tmp_path / name, name) == [value, None]
    records = frame.to_dict("records")
    records[1]["whole"] = pd.NA
    assert metadata_of(records, tmp_path / "records", "whole") == [1, None]
    assert metadata_of(records, tmp_path / "times", "time") == ["2024-05-01T10:00:00", None]


@pytest.mark.parametrize("value", [b"\xff", 10**5000, np.datetime64("12000-01-01")],
                         ids=["bytes", "number", "time"])
def test_values_that_cannot_be_told(tmp_path, value):
    bad = {"id": "bad", "text": "word", "x": value}
    report = hr.read([bad, "word"]).into(tmp_path / "kb", model="none")
    assert report.documents["failed"] == 1 and report.documents["added"] == 1
    with hr.open(tmp_path / "kb") as kb:
        [failed] = kb.errors()
        assert failed["source"] == "bad" and '"x"' in failed["message"]
        with pytest.raises(hr.InvalidArgument, match='"x"'):
            kb.add([bad])
        assert len(kb.search("word")) == 1
