"""The search surface: query language, facets, groups, sorting, pages, explanations."""

from __future__ import annotations

import pathlib

import headrace as hr
import pytest


@pytest.fixture
def kb(tmp_path: pathlib.Path):
    rows = []
    for i in range(60):
        rows.append(
            {
                "id": f"doc{i:02}",
                "title": "Backups" if i % 10 == 0 else "Manual",
                "text": f"keys rotate nightly number{i} " + ("dead tuples" if i % 3 == 0 else "tuples dead"),
                "lang": "de" if i % 2 else "en",
                "year": 2000 + i % 7,
                "tags": ["a", "b"] if i % 5 == 0 else ["c"],
                "date": f"2024-{i % 12 + 1:02}-01",
            }
        )
    with hr.open(str(tmp_path / "kb"), model="none") as opened:
        opened.add(rows[:40])
        opened.optimize()
        opened.add(rows[40:])
        yield opened


def ids(hits) -> set[str]:
    return {hit.metadata["id"] for hit in hits}


def test_query_language(kb) -> None:
    phrase = kb.search('"dead tuples"', k=60)
    assert ids(phrase) == {f"doc{i:02}" for i in range(0, 60, 3)}
    assert ids(kb.search("keys +number7", k=60)) == {"doc07"}
    assert ids(kb.search("number5*", k=60)) == {f"doc{i:02}" for i in [5, *range(50, 60)]}
    assert len(kb.search('keys -"dead tuples"', k=60)) == 40
    assert ids(kb.search("title:backups", k=60)) == {f"doc{i:02}" for i in range(0, 60, 10)}
    assert ids(kb.search('"dead tuples" number3 -l', k=60, filter="lang = 'de'")) == {
        f"doc{i:02}" for i in range(3, 60, 6)
    }
    assert len(kb.search('keys -"dead tuples"', k=60, plain=True)) == 60
    assert len(kb.search("-keys", k=60)) == 0
    assert len(kb.search("-number7", k=60)) == 59


def test_batch_takes_the_language(kb) -> None:
    names, scores = kb.search_batch(["+number7 keys", "nothing-like-it"], k=3)
    assert names.shape == (2, 3) and "doc07" in names[0][0] and names[0][1] == ""
    assert names[1].tolist() == ["", "", ""]
    filtered, _ = kb.search_batch(["keys"], k=60, filter="year = 2003")
    assert sum(name != "" for name in filtered[0]) == len([i for i in range(60) if i % 7 == 3])


def test_facets(kb) -> None:
    assert kb.facets("lang") == {"de": 30, "en": 30}
    assert kb.facets("tags", query='"dead tuples"') == {"c": 16, "a": 4, "b": 4}
    assert kb.facets(["lang", "year"], filter="year = 2001")["year"] == {2001: 9}
    found = kb.search("keys", k=1, facets="lang", filter="lang = 'de'")
    assert len(found) == 1 and found.facets == {"lang": {"de": 30}}
    with pytest.raises(hr.InvalidArgument, match="nowhere"):
        kb.facets("nowhere")


def test_sorting_and_pages(kb) -> None:
    years, cursor, keys = [], None, []
    while True:
        page = kb.search("keys", k=7, sort="year", descending=True, cursor=cursor)
        years += [hit.metadata["year"] for hit in page]
        keys += [hit.key for hit in page]
        cursor = page.cursor
        if cursor is None:
            break
    assert len(set(keys)) == 60 and years == sorted(years, reverse=True)
    everything = kb.search("keys rotate", k=60)
    paged, cursor = [], None
    for _ in range(10):
        page = kb.search("keys rotate", k=6, cursor=cursor)
        paged += [hit.key for hit in page]
        cursor = page.cursor
    assert paged == [hit.key for hit in everything] and cursor is None
    first = kb.search("keys", k=5)
    with pytest.raises(hr.InvalidArgument, match="another search"):
        kb.search("rotate", k=5, cursor=first.cursor)
    with pytest.raises(hr.InvalidArgument, match="cursor"):
        kb.search("keys", cursor="nonsense")


def test_newest_first(kb) -> None:
    assert [hit.metadata["id"] for hit in kb.search("", k=3)] == ["doc59", "doc58", "doc57"]
    assert kb.search("", k=1, filter="year = 2000")[0].metadata["year"] == 2000


def test_groups(kb) -> None:
    best = kb.search("keys", k=10, group_by="year")
    assert sorted(hit.metadata["year"] for hit in best) == list(range(2000, 2007))


def test_explanation_adds_up(kb) -> None:
    hit = kb.search("keys number7 title:manual", k=1, explain=True)[0]
    terms = hit.explain["terms"]
    assert {term["term"] for term in terms} >= {"key", "number7"}
    assert sum(term["score"] for term in terms) == pytest.approx(hit.score, rel=1e-4)
    assert hit.explain["text_rank"] == 1 and hit.explain["vector"] is None


def test_times(kb) -> None:
    assert len(kb.search("", k=60, filter="date >= '2024-11-01T00:00:00Z'")) == 10
    assert len(kb.search("", k=60, filter="date = '2024-01-01T01:00:00+01:00'")) == 5
    recent = kb.search("keys", k=60, decay="date:30d")
    dates = [hit.metadata["date"] for hit in recent]
    assert len(recent) == 60 and dates[0] > dates[-1]
    with pytest.raises(hr.InvalidArgument, match="half-life|decay"):
        kb.search("keys", decay="date:soon")


def test_filters_say_what_is_wrong(kb) -> None:
    with pytest.raises(hr.InvalidArgument, match="character 1 holds numbers"):
        kb.search("keys", filter="year = 'x'")
    with pytest.raises(hr.InvalidArgument, match="nested"):
        kb.search("keys", filter="(" * 1000 + "year = 1" + ")" * 1000)
    with pytest.raises(hr.Error, match="limit"):
        kb.search("keys", filter="year = 1 or " * 100_000 + "year = 2")
    assert len(kb.search("keys", k=60, filter="not " * 10_000 + "year = 2001")) == 9


def test_vectors_hybrid_options(tmp_path: pathlib.Path) -> None:
    import numpy as np

    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(40, 8)).astype(np.float32)
    vectors[1] = vectors[0] * 1.001
    kb = hr.open(str(tmp_path / "own"), model=None, dimension=8)
    kb.add(ids=list(range(40)), vectors=vectors, text=[f"word{i}" for i in range(40)], year=list(range(40)))
    plain = kb.search(vectors[0], k=2)
    assert [hit.source for hit in plain] == ["0", "1"]
    diverse = kb.search(vectors[0], k=2, mmr=0.3)
    assert diverse[0].source == "0" and diverse[1].source != "1"
    only = kb.search(vectors[0], k=5, filter="year < 2")
    assert {hit.source for hit in only} == {"0", "1"}
    with pytest.raises(hr.InvalidArgument, match="sorted"):
        kb.search(vectors[0], sort="year")


def test_a_column_that_no_row_has_is_said_where_nothing_is_found(kb, recwarn) -> None:
    assert not kb.search("keys", filter="year = 1900")
    assert not recwarn.list
    with pytest.warns(UserWarning, match="no row has a column 'yaer'.*year"):
        assert not kb.search("keys", filter="yaer = 2001")
    # What hits show and no filter can ask for is refused.
    with pytest.raises(hr.InvalidArgument, match="'text'"):
        assert not kb.search("keys", filter="text like '%keys%'")
