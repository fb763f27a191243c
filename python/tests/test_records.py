"""Records from memory: one that is bad costs itself only; what a user's code raises is told."""

import pytest

import headrace as hr


def test_record_without_text_fails_alone(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"text": ["good alpha", None, "good gamma", "good delta"]})
    report = hr.read(frame).into(tmp_path / "kb", model="none")
    assert report.documents["added"] == 3 and report.documents["failed"] == 1
    with hr.open(tmp_path / "kb") as kb:
        assert len(kb.search("good")) == 3
        [failed] = kb.errors()
    assert failed["source"] == "record-1" and failed["code"] == "invalid_argument"
    assert "record 1" in failed["message"] and failed["hint"] and "Traceback" not in str(failed)


def test_every_kind_of_bad_record_fails_alone(tmp_path):
    records = ["one", {"id": "a", "body": 7}, {"id": "b"}, 5, {"text": float("nan")}, {"text": "two"}]
    report = hr.read(records).into(tmp_path / "kb", model="none")
    assert report.documents["added"] == 2 and report.documents["failed"] == 4
    with hr.open(tmp_path / "kb") as kb:
        said = {failed["source"]: failed["message"] for failed in kb.errors()}
    assert set(said) == {"a", "b", "record-3", "record-4"}
    assert "record 1" in said["a"] and "int" in said["a"] and "record 2" in said["b"]


def test_columns_of_records_are_named(tmp_path):
    records = [{"nr": 4, "said": "alpha", "head": "Greek"}]
    hr.read(records, text="said", id="nr", title="head").into(tmp_path / "kb", model="none")
    with hr.open(tmp_path / "kb") as kb:
        [hit] = kb.search("alpha")
    assert hit.source == "4" and hit.title == "Greek"


def test_failures_before_a_map_are_listed(tmp_path):
    report = hr.read(["one", None, "two"]).map(lambda batch: batch).into(tmp_path / "kb", model="none")
    assert report.documents["added"] == 2 and report.documents["failed"] == 1
    with hr.open(tmp_path / "kb") as kb:
        assert [failed["source"] for failed in kb.errors()] == ["record-1"]


def broken(batch):
    raise KeyError("there is none")


@pytest.mark.parametrize(
    "run",
    [
        lambda kb: hr.read(["one"]).map(broken).into(kb, model="none"),
        lambda kb: hr.read(["one"]).chunk(tokens=64).map(broken).into(kb, model="none"),
        lambda kb: hr.read(["one"]).filter(broken).into(kb, model="none"),
        lambda kb: hr.read(["one"]).map(broken).to_arrow(),
        lambda kb: hr.read(["one"]).map(broken).chunk(tokens=64).to_arrow(),
        lambda kb: hr.read(["one"]).chunk(tokens=64).map(broken).to_arrow(),
    ],
)
def test_what_a_function_raises_is_the_cause(tmp_path, run):
    with pytest.raises(hr.Error) as caught:
        run(tmp_path / "kb")
    assert caught.value.code == "invalid_argument" and caught.value.hint
    assert isinstance(caught.value.__cause__, KeyError)
    assert "there is none" in str(caught.value) and "Traceback" not in str(caught.value)


def test_what_an_iterable_raises_is_the_cause(tmp_path):
    def records():
        yield "one"
        raise RuntimeError("no more")

    with pytest.raises(hr.Error) as caught:
        hr.read(records()).into(tmp_path / "kb", model="none")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_stream_raises_the_engines_errors(tmp_path):
    with pytest.raises(hr.NotFound):
        hr.read(str(tmp_path / "nowhere")).chunk(tokens=64).to_arrow()
