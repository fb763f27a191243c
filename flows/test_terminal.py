"""What people see: text from outside commands no terminal, and wrong use is told with a remedy."""

import re
import subprocess

from executable import HEADRACE

HOSTILE = "\x1b[31mred \x1b]0;title\x07 \x1b[2J\x9b1m bell\x07 end\x7f"


def controls(text: str) -> list[str]:
    return [c for c in text if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160)]


def test_text_from_outside_commands_no_terminal(tmp_path, headrace):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "name\x1b[2J.md").write_text(f"# Alpha {HOSTILE}\n\nneedle {HOSTILE}\ttab\n")
    (docs / "bad\x1b[31m.pdf").write_bytes(b"%PDF-1.7 broken")
    (docs / "rows.jsonl").write_text('{"id": "a\\u001b[2J", "text": "needle", "tag": "\\u001b[5m"}\n')
    done = headrace.run("index", "docs", "--into", "kb", "--model", "none")
    assert "failed" in done.stderr and controls(done.stdout + done.stderr) == []
    done = headrace.run("search", "kb", "needle", "--facet", "tag", "--explain")
    assert "needle" in done.stdout and "red" in done.stdout and controls(done.stdout) == []
    assert "\ufffd" in done.stdout and " tab" in done.stdout
    done = headrace.run("errors", "kb")
    assert "bad" in done.stdout and controls(done.stdout) == []
    done = headrace.run("search", "no\x1b[2J", "needle", code=1)
    assert controls(done.stderr) == []
    # Machines get what is there.
    assert "\x1b[2J" in headrace.search("needle")[0]["text"] + headrace.search("needle")[1]["text"]


def test_unknown_words_are_named(tmp_path, headrace):
    said = headrace.run("serach", "kb", "x", code=2).stderr
    assert '"serach"' in said and "headrace search" in said
    assert "headrace space list" in headrace.run("space", "lst", "kb", code=2).stderr
    (tmp_path / "a.txt").write_text("text")
    said = headrace.run(
        "index", "a.txt", "--into", "kb", "--model", "none", "--language", "klingon", code=2
    ).stderr
    assert "klingon" in said and " de " in said and " el " in said
    assert not (tmp_path / "kb").exists()


def test_a_final_sigma_is_a_sigma(tmp_path, headrace):
    (tmp_path / "a.txt").write_text("\u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3")
    for number, language in enumerate(("en", "el", "de")):
        kb = f"kb{number}"
        headrace.run("index", "a.txt", "--into", kb, "--model", "none", "--language", language)
        query = "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2"
        assert len(headrace.json("search", kb, query)["hits"]) == 1


def test_every_command_has_an_example(headrace):
    commands = re.findall(r"^  ([a-z]+) ", headrace.run("--help").stdout, re.MULTILINE)
    assert len(commands) > 10
    for command in commands:
        if command != "headrace":
            assert "Example" in headrace.run(command, "--help").stdout, command


def test_completion_knows_the_values(tmp_path, headrace):
    (tmp_path / "script").write_text(headrace.run("completion", "bash").stdout)
    asked = "COMP_WORDS=(headrace search --mode '') COMP_CWORD=3; _headrace; echo ${COMPREPLY[@]}"
    done = subprocess.run(["bash", "-c", f"source ./script; {asked}"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["hybrid", "vector", "text"]


def test_completion_knows_commands_of_commands(tmp_path, headrace):
    (tmp_path / "script").write_text(headrace.run("completion", "bash").stdout)
    (tmp_path / "model.txt").touch()
    for words, wanted in (
        ("space ''", {"add", "drop", "list"}),
        ("models c", {"check"}),
        ("info ''", {"model.txt", "script"}),
    ):
        asked = f"COMP_WORDS=(headrace {words}) COMP_CWORD=2; _headrace; echo ${{COMPREPLY[@]}}"
        done = subprocess.run(["bash", "-c", f"source ./script; {asked}"], cwd=tmp_path, capture_output=True, text=True)
        assert wanted <= set(done.stdout.split()), words


def test_one_is_no_plural_and_nothing_failed(tmp_path, headrace):
    (tmp_path / "a.txt").write_text("one row")
    said = headrace.run("index", "a.txt", "--into", "kb", "--model", "none").stdout
    assert said.startswith("1 document in kb: 1 added") and "\n1 row, " in said
    assert headrace.run("errors", "kb").stdout == "no document failed\n"
    assert headrace.run("delete", "kb", "--filter", "source = 'a.txt'").stdout == "1 row removed\n"


def test_errors_name_a_remedy(tmp_path, headrace):
    (tmp_path / "a.txt").write_text("one row")
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7 cut")
    said = headrace.run("index", ".", "--into", "kb", "--model", "none", "--dry-run").stdout
    assert "1 failed" in said and "headrace errors" not in said
    headrace.run("index", ".", "--into", "kb", "--model", "none")
    said = headrace.run("export", "kb", "--to", "nowhere/rows.jsonl", code=1).stderr
    assert "its folder is not there" in said and "make the folder" in said
    said = headrace.run("index", "a.txt", "--into", "/proc/kb", "--model", "none", code=1).stderr
    assert "/proc/kb" in said and "on a disk" in said
    assert "-- '-word'" in headrace.run("search", "kb", "-word", code=2).stderr


def test_rows_left_without_vectors_are_told(tmp_path, headrace):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.txt").write_text("the first text")
    headrace.run("index", "docs", "--into", "kb")
    (docs / "b.txt").write_text("the second text")
    said = headrace.run("index", "docs", "--into", "kb", "--model", "none").stdout
    assert "1 row without vectors" in said
    assert headrace.json("index", "docs", "--into", "kb", "--model", "none")["without_vectors"] == 1
    assert headrace.json("index", "docs", "--into", "kb")["without_vectors"] == 0


def test_what_is_only_a_title_is_found(tmp_path, headrace):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.html").write_text("<html lang=de><title>Needle page</title><body></body></html>")
    (docs / "b.md").write_text("---\ntitle: Needle note\nlang: de\nyear: 2021\n---\n")
    assert headrace.index("docs")["rows"] == 2
    found = headrace.search("needle", "--filter", "lang = 'de' and year >= 2020")
    assert [hit["source"] for hit in found] == ["docs/b.md"]
    assert len(headrace.search("needle", "--filter", "lang = 'de'")) == 2


def test_limits_of_the_system_are_told(tmp_path, headrace):
    (tmp_path / "a.txt").write_text("words " * 400_000)
    command = f"{HEADRACE} index a.txt --into kb --model none"
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 64; exec {command}"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1 and "ulimit -f" in done.stderr
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "round.txt").symlink_to("round.txt")
    said = headrace.run("index", "docs", "--into", "kb2", "--model", "none").stderr
    assert "circle" in said and "own program" not in said
