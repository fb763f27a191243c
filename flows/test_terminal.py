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
