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


def line_of(text, needle):
    return text[: text.index(needle)].count("\n") + 1


def files_with_lines():
    """Name to text; in each stands "needle" once, behind what moves lines: markup, cells of several lines."""
    wrapped = "".join(f"<p>Paragraph {n}\n of two lines.</p>\n<ul>\n<li>item</li></ul>\n" for n in range(40))
    cells = "".join(f'<tr>\n<td rowspan="2">all {n}</td>\n<td>x</td></tr>\n<tr>\n<td>y</td>\n</tr>\n' for n in range(9))
    return {
        "page.html": f"<html>\n<head>\n<title>t</title>\n</head><body>\n<main>\n{wrapped}<p>The\n needle</p></main>",
        "table.html": f"<main><p>Some words.</p>\n\n<table>\n{cells}<tr><td></td>\n<td>needle</td></tr></table></main>",
        "code.html": "<main>\n<p>Words<br>of<br>three lines.</p>\n<pre>\n\n a\n b<br>c\n needle\n</pre>\n</main>",
        "data.xml": "<r>\n<a>1</a>\n<b>\n\n  needle</b>\n<c>\n3</c></r>",
        "rows.xml": "<list>\n<item id='1'/>\n\n<item name='needle'\n id='2'/>\n</list>",
        "pretty.json": '{\n "a": 1,\n "b": {\n  "long": "one\\ntwo\\nthree",\n\n  "c": "needle"\n }\n}\n',
        "minified.json": '{"a":1,"b":{"c":2,"d":"x\\ny\\nneedle"},"e":[1,2]}',
        "table.csv": "a,b\n" + "".join(f'{n},"multi\nline"\n' for n in range(50)) + "7,needle\n",
        "plain.txt": "one\n\n\ntwo\nneedle\n",
        "notes.md": "---\ntitle: t\n---\n\n# Head\n\nText.\n\n* needle\n",
    }


def test_line_is_that_of_the_file(headrace, tmp_path):
    for name, text in files_with_lines().items():
        (tmp_path / "docs").mkdir(exist_ok=True)
        (tmp_path / "docs" / name).write_text(text.replace("needle", f"needle{name.replace('.', '')}"))
    headrace.index("docs")
    shown = {}
    for name, text in files_with_lines().items():
        hit = headrace.search(f"needle{name.replace('.', '')}", "--mode", "text")[0]
        shown[name] = (hit["line"], line_of(text, "needle"))
    wrong = {name: lines for name, lines in shown.items() if lines[0] != lines[1]}
    assert wrong == {}


def test_formats_without_lines_have_none(headrace, tmp_path):
    files = {
        "a.docx": documents.docx("needledocx"),
        "a.pptx": documents.pptx("needlepptx"),
        "a.xlsx": documents.xlsx("needlexlsx"),
        "a.odt": documents.odt("needleodt"),
        "a.epub": documents.epub("needleepub"),
        "a.rtf": documents.rtf("needlertf"),
        "a.eml": documents.eml("needleeml"),
        "a.pdf": documents.pdf("needlepdf"),
        "a.jsonl": b'{"id":"x","text":"one\\ntwo needlejsonl"}\n',
        "a.ipynb": b'{"nbformat":4,"cells":[{"cell_type":"markdown","source":["needleipynb"]}]}',
    }
    (tmp_path / "docs").mkdir()
    for name, data in files.items():
        (tmp_path / "docs" / name).write_bytes(data)
    headrace.index("docs")
    for name in files:
        hit = headrace.search("needle" + name.split(".")[1], "--mode", "text")[0]
        assert name in hit["source"] and hit["line"] is None, (name, hit["line"])
