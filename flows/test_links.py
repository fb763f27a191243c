"""Where documents lead: the metadata `links` of rows."""

import json


def links_by_source(headrace) -> dict[str, list]:
    found: dict[str, list] = {}
    for row in headrace.rows():
        found.setdefault(row["source"], []).append(row["metadata"].get("links"))
    return found


def test_rows_say_where_their_text_leads(headrace):
    docs = headrace.folder / "docs"
    (docs / "ops").mkdir(parents=True)
    filler = "<p>" + "Words that fill a row up to its end. " * 40 + "</p>"
    (docs / "ops" / "keys.html").write_text(
        "<title>Keys</title><main><h1>Keys</h1><p>Rotate as the <a href='../policy.md#when'>policy</a>"
        " says, see <a href='https://Example.org/a?b&amp;c#d'>the site</a>, the <a href='../policy.md'>policy"
        "</a> and <a href='#below'>below</a>. <a href='mailto:a@b.c'>Write</a> to us.</p>"
        + filler * 3
        + "<p id=below>Then <a href='backup.html'>back up</a>.</p></main>"
    )
    (docs / "policy.md").write_text(
        "# Policy\n\nAsk [the keeper][keeper] of the [keys](ops/keys.html).\n\n[keeper]: people.md\n"
    )
    (docs / "plain.txt").write_text("Nothing leads from here, not even https://example.org.")
    headrace.index("docs")

    found = links_by_source(headrace)
    assert found["docs/plain.txt"] == [None]
    assert found["docs/policy.md"] == [["docs/people.md", "docs/ops/keys.html"]]
    of_keys = found["docs/ops/keys.html"]
    assert of_keys[0] == ["docs/policy.md", "https://example.org/a?b&c"]
    assert of_keys[-1] == ["docs/ops/backup.html"]
    assert len(of_keys) > 2 and of_keys[1] is None

    # They are a column like any other: what leads to a document?
    hits = headrace.search("policy", "--filter", "links contains 'docs/policy.md'")
    assert [hit["source"] for hit in hits] == ["docs/ops/keys.html"]
    assert hits[0]["metadata"]["links"] == of_keys[0]


def test_a_column_of_that_name_is_the_users(headrace):
    record = {"id": "a", "text": "Some text.", "links": ["mine"]}
    (headrace.folder / "records.jsonl").write_text(json.dumps(record) + "\n")
    headrace.index("records.jsonl")
    assert [row["metadata"]["links"] for row in headrace.rows()] == [["mine"]]


def test_links_of_pages_in_archives_and_books(headrace):
    import zipfile

    with zipfile.ZipFile(headrace.folder / "site.zip", "w") as archive:
        archive.writestr(
            "a/page.html", "<main><p>See <a href='../other.html'>the other</a> page.</p></main>"
        )
    with zipfile.ZipFile(headrace.folder / "book.epub", "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        book.writestr(
            "META-INF/container.xml",
            "<container><rootfiles><rootfile full-path='b.opf'/></rootfiles></container>",
        )
        book.writestr(
            "b.opf",
            "<package><manifest><item id='1' href='1.xhtml' media-type='application/xhtml+xml'/>"
            "<item id='2' href='2.xhtml' media-type='application/xhtml+xml'/></manifest>"
            "<spine><itemref idref='1'/><itemref idref='2'/></spine></package>",
        )
        book.writestr("1.xhtml", "<html><body><p>The first chapter.</p></body></html>")
        book.writestr(
            "2.xhtml",
            "<html><body><p>Back to <a href='1.xhtml'>the first</a>, on to "
            "<a href='https://example.org/'>the site</a>.</p></body></html>",
        )
    headrace.index("site.zip", "book.epub")
    assert links_by_source(headrace) == {
        "site.zip!a/page.html": [["site.zip!other.html"]],
        "book.epub": [["https://example.org/"]],
    }
