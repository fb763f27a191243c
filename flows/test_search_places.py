"""Where hits say that they are: the page and the line of the passage that answers, not of the row's begin."""

import documents


def test_page_is_that_of_the_passage(headrace, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "guide.pdf").write_bytes(documents.pdf("The lighthouse of", pages=5))
    report = headrace.index("docs")
    assert report["rows"] < 5, "several pages in one row are what this is about"
    for page in range(1, 6):
        hit = headrace.search(f"lighthouse of page {page}", "--mode", "text")[0]
        assert hit["page"] == page


def test_line_is_that_of_the_passage(headrace, tmp_path):
    lines = [f"Shelf {n} holds jars." for n in range(1, 9)]
    lines[5] = "Shelf 6 holds a copper kettle."
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "shelves.txt").write_text("\n".join(lines))
    headrace.index("docs")
    assert headrace.search("copper kettle on a shelf", "--mode", "text")[0]["line"] == 6
