"""Records from memory: one that is bad costs itself only; what a user's code raises is told."""

import json
import os
import pickle

import pyarrow
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


@pytest.mark.parametrize("run", [lambda kb, data: data.chunk(tokens=64).into(kb, model="none"), lambda kb, data: data.chunk().to_arrow()])
def test_a_map_that_drops_the_source_is_told_so(tmp_path, run):
    import pyarrow as pa

    def select(batch):
        return pa.table({"id": batch["source"], "text": batch["text"]})

    with pytest.raises(hr.InvalidArgument, match='"source" column') as caught:
        run(tmp_path / "kb", hr.read([{"id": "a", "text": "one"}]).map(select))
    assert "keep the source column" in caught.value.hint


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


def test_a_list_of_strings_is_paths_when_one_is_there(tmp_path):
    (tmp_path / "a.txt").write_text("Otters swim.")
    here, gone = str(tmp_path / "a.txt"), str(tmp_path / "gone.txt")
    assert hr.read([here]).to_arrow()["text"].to_pylist() == ["Otters swim."]
    for paths in ([here, gone], [gone, gone + ".md"]):
        with pytest.raises(hr.NotFound, match="gone.txt"):
            hr.read(paths).to_arrow()
    for texts in (["One text", "two. three"], ["otter", "v1.2"]):
        assert hr.read(texts).to_arrow()["text"].to_pylist() == texts


def test_a_path_of_any_bytes_is_read(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    with open(path, "w") as file:
        file.write("Otters swim.")
    for given in (path, os.fsdecode(path), [path]):
        assert hr.read(given).to_arrow()["text"].to_pylist() == ["Otters swim."]


def test_a_table_warns_of_what_is_not_in_it(tmp_path):
    (tmp_path / "good.txt").write_text("Otters swim.")
    (tmp_path / "bad.pdf").write_text("%PDF-1.4 nothing")
    with pytest.warns(RuntimeWarning, match="1 document could not be read:\n.*bad.pdf"):
        assert hr.read(str(tmp_path)).to_arrow().num_rows == 1


def test_a_dict_in_a_field_is_fields_of_its_own(tmp_path):
    with hr.open(tmp_path / "kb", model=None, dimension=2) as kb:
        kb.add([{"id": "1", "text": "otters", "place": {"river": "Isar", "at": {"km": 3}}}])
        assert kb.search("otters", filter="place.river = 'Isar'")[0].metadata["place.at.km"] == 3


@pytest.mark.parametrize(
    "document, why", [({"id": "x"}, 'no "text"'), ({"id": "x", "text": 5}, "int"), ("x", "str")]
)
def test_add_refuses_what_could_not_be_found(tmp_path, document, why):
    with hr.open(tmp_path / "kb", model=None, dimension=2) as kb:
        with pytest.raises(hr.InvalidArgument, match=why):
            kb.add([{"id": "good", "text": "otters"}, document])
        assert kb.info()["rows"] == 0


def test_a_forked_process_does_not_write_through_its_parents_object(tmp_path):
    with hr.open(tmp_path / "kb", model=None, dimension=2) as kb:
        kb.add([{"id": "1", "text": "otters"}])
        child = os.fork()
        if child == 0:
            try:
                kb.add([{"id": "2", "text": "otters"}])
            except hr.InvalidArgument as refused:
                os._exit(7 if "forked" in str(refused) else 1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_hits_can_be_pickled(tmp_path):
    with hr.open(tmp_path / "kb", model=None, dimension=2) as kb:
        kb.add([{"id": "1", "text": "otters"}])
        hits = kb.search("otters")
    assert [dict(hit) for hit in pickle.loads(pickle.dumps(hits))] == [dict(hit) for hit in hits]


def test_many_failures_are_kept_by_number(tmp_path):
    records = [{"id": str(n)} for n in range(3000)] + [{"id": "good", "text": "perfectly good words"}]
    with pytest.warns(RuntimeWarning, match="^3,000 documents could not be read:\n(.*\n){3}  and 2,997 more$"):
        assert hr.read(records).to_arrow().num_rows == 1
    stream = hr.read(records)._native_options([], split=True)
    native = hr._native.RowStream(stream)
    pyarrow.RecordBatchReader.from_stream(native).read_all()
    told = json.loads(native.errors())
    assert (len(told["errors"]), told["count"]) == (1000, 3000)
    assert sum(told["codes"].values()) == 3000


def test_failures_before_a_function_are_counted_in_the_report(tmp_path):
    records = [{"id": str(n)} for n in range(3000)] + [{"id": "good", "text": "perfectly good words"}]
    report = hr.read(records).map(lambda batch: batch).into(str(tmp_path / "kb"), model="none")
    assert (report.documents["added"], report.documents["failed"]) == (1, 3000)
    with hr.open(str(tmp_path / "kb")) as kb:
        errors = kb.errors()
    assert len(errors) == 1001 and any("2,000 failures more" in error["message"] for error in errors)
