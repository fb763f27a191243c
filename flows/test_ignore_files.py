"""Ignore files leave out what git leaves out: random trees against `git ls-files`."""

import os
import pathlib
import random
import shutil
import subprocess

import pytest

TREES = 1000
SEED = 20

NAMES = ("a", "b", "ab", "ba", "foo", "fo", "f1o", "keep.log", "x.log", "x.txt", "build", "mybuild", "sp ace")
NAMES += ("tail ", "tail", "A", "7", "a-b", "#c", "!d", "[x]", "]", "e\\f", "st*r", "caf\u00e9", "^", "a.b.c")
CLASSES = ("[ab]", "[!a]", "[^b]", "[a-f]", "[]x]", "[!]]", "[[:alpha:]]", "[![:digit:]]", "[[:upper:]a]")
CLASSES += ("[\\]]", "[a\\-c]", "[a-]", "[[:punct:]]", "[[:]", "[0-9]", "[x", "[[:none:]]", "[/]", "[f[:space:]]")


def random_part(rng: random.Random) -> str:
    """One component of a pattern, made of a name so that it often matches."""
    if rng.random() < 0.2:
        return rng.choice(("*", "**", "**", "***", "*.log", "?", "*.*"))
    part = ""
    for c in rng.choice(NAMES):
        kind = rng.random()
        if kind < 0.08:
            part += "*"
        elif kind < 0.14:
            part += "?"
        elif kind < 0.2:
            part += rng.choice(CLASSES)
        elif kind < 0.24:
            part += "**"
        elif kind < 0.3 or c in "\\*[?" and kind < 0.8:
            part += "\\" + c
        else:
            part += c
    # Documented as one star, but git takes it for folders when nothing but letters stands before it.
    return part.rstrip("*") + "*" if part.endswith("**") else part


def random_line(rng: random.Random) -> str:
    if rng.random() < 0.06:
        return rng.choice(("", "# comment", "#c", "   ", "!", "/", "\\", "a\\", "//", "\ta"))
    line = "/".join(random_part(rng) for _ in range(rng.choice((1, 1, 1, 2, 2, 3))))
    if line.startswith(("#", "!")) and rng.random() < 0.5:
        line = "\\" + line
    line = ("!" if rng.random() < 0.3 else "") + ("/" if rng.random() < 0.2 else "") + line
    line += "/" if rng.random() < 0.15 else ""
    return line + rng.choice(("", "", "", "", " ", "  ", "\\ ", "\\  "))


def random_ignore_file(rng: random.Random) -> bytes:
    end = rng.choice(("\n", "\n", "\n", "\r\n"))
    text = end.join(random_line(rng) for _ in range(rng.randint(1, 5)))
    text += end if rng.random() < 0.8 else ""
    return (b"\xef\xbb\xbf" if rng.random() < 0.1 else b"") + text.encode()


def grow(rng: random.Random, folder: pathlib.Path, depth: int) -> None:
    folder.mkdir()
    if rng.random() < (0.9 if depth == 0 else 0.35):
        ignore = random_ignore_file(rng)
        (folder / ".gitignore").write_bytes(ignore)
        (folder / ".headraceignore").write_bytes(ignore)
    for name in rng.sample(NAMES, rng.randint(2, 6)):
        if depth < 3 and rng.random() < 0.45:
            grow(rng, folder / name, depth + 1)
        else:
            (folder / name).write_text("word")


def listed_by_git(tree: pathlib.Path, repository: pathlib.Path) -> set[str]:
    place = ["git", f"--git-dir={repository}", f"--work-tree={tree}"]
    done = subprocess.run(
        [*place, "ls-files", "-z", "--others", "--exclude-standard"], cwd=tree, capture_output=True, check=True
    )
    names = done.stdout.decode().split("\0")
    return {name for name in names if name and not name.rsplit("/", 1)[-1].startswith(".")}


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not there")
def test_ignore_files_as_git_reads_them(headrace, tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", "--bare", repository], check=True)
    rng = random.Random(SEED)
    (tmp_path / "trees").mkdir()
    for number in range(TREES):
        grow(rng, tmp_path / "trees" / str(number), 0)

    headrace.index("trees")
    given = {number: set() for number in range(TREES)}
    for row in headrace.rows():
        _, number, name = row["source"].split("/", 2)
        given[int(number)].add(name)
    wrong = []
    for number in range(TREES):
        tree = tmp_path / "trees" / str(number)
        if given[number] != (wanted := listed_by_git(tree, repository)):
            ignore = {str(file.relative_to(tree)): file.read_bytes() for file in tree.rglob(".gitignore")}
            wrong.append((number, given[number] - wanted, wanted - given[number], ignore))
    assert not wrong, f"{len(wrong)} of {TREES} trees, the first: {wrong[0]}"
    assert sum(map(len, given.values())) > TREES
