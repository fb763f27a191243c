"""What a notebook shows and completes: reports, hits, plans, and packages that are missing."""

import subprocess
import sys

import headrace as hr
import pytest


def test_a_report_lists_what_failed(tmp_path):
    (tmp_path / "good.txt").write_text("a good text")
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.7 <cut>")
    report = hr.read(str(tmp_path / "*.*")).into(str(tmp_path / "kb"), model="none", progress=False)
    assert [failure["source"] for failure in report.failures] == [str(tmp_path / "bad.pdf")]
    assert "<li>" in report._repr_html_() and "bad.pdf" in report._repr_html_()
    assert report.without_vectors == 0


def test_known_vectors_are_shown(tmp_path):
    def run(name: str) -> hr.Report:
        records = [{"id": "1", "text": "the same words"}]
        cache = str(tmp_path / "cache")
        return hr.read(records).embed().into(str(tmp_path / name), cache=cache, progress=False)

    assert run("a").tokens > 0
    assert "1 known vector in" in repr(run("b"))


def test_a_plan_reads_like_the_call():
    plan = hr.read("docs/").chunk(tokens=128).embed("all-MiniLM-L6-v2", precision="int8")
    assert repr(plan).splitlines() == [
        "read('docs/')",
        "  .chunk(tokens=128, overlap=32)",
        "  .embed('all-MiniLM-L6-v2', precision='int8')",
    ]
    assert repr(hr.read("docs/").embed(dimensions=64)).endswith(".embed(dimensions=64)")


def test_hits_complete_and_keep_their_lines(tmp_path):
    (tmp_path / "a.txt").write_text("first line\nsecond line\n")
    hr.read(str(tmp_path / "a.txt")).into(str(tmp_path / "kb"), model="none", progress=False)
    with hr.open(str(tmp_path / "kb")) as kb:
        hits = kb.search("second")
    assert {"text", "metadata", "line"} <= set(dir(hits[0]))
    assert "white-space:pre-line" in hits._repr_html_()


@pytest.mark.parametrize("name", ["pyarrow", "polars"])
def test_a_missing_package_is_named_with_the_remedy(name):
    call = "to_arrow()" if name == "pyarrow" else ""
    code = (
        f"import sys; sys.modules[{name!r}] = None\n"
        "import headrace as hr\n"
        "from headrace.knowledge import Hits\n"
        + (f"hr.read(['a text here']).{call}" if call else "Hits([]).to_polars()")
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert f"pip install {name}" in done.stderr


def test_a_second_writer_in_the_same_process_is_told_so(tmp_path):
    with hr.open(str(tmp_path / "kb"), model=None, dimension=4) as kb:
        kb.add(ids=[1], vectors=[[1.0, 0, 0, 0]])
        with hr.open(str(tmp_path / "kb"), model=None) as other:
            with pytest.raises(hr.Busy, match="this process"):
                other.add(ids=[2], vectors=[[1.0, 0, 0, 0]])
