"""Checks the rules of the house that no compiler checks. Prints each breach; exit 1 when any.

- Includes point only down the list of rooms; stages never include one another.
- No file over 800 lines. No folder or file named utils, helpers, common, manager.
- std::mutex, std::thread only where they are wrapped; no raw new, delete, malloc.
- Every header says what it is for and has #pragma once.
"""

import pathlib
import re
import subprocess
import sys

ROOMS = ["base", "memory", "runtime", "env", "batch"]
STAGES = ["sources", "decode", "transform", "embed", "index", "shuffle"]
ABOVE = ["plan", "serve"]
LINES_MAX = 800

ALLOWED = {
    "std::mutex": {"src/base/mutex.h"},
    "std::thread": {"src/runtime/thread_pool.cpp", "src/runtime/thread.cpp"},
}
BANNED_NAMES = re.compile(r"(^|[/_])(utils?|helpers?|common|manager)([/_.]|$)", re.IGNORECASE)
BANNED_CODE = [
    (re.compile(r"\bnew\s+[A-Za-z_:]+\s*[({\[]"), "raw new"),
    (re.compile(r"(?<!=)\s\bdelete\s+[a-z_]+\s*;"), "raw delete"),
    (re.compile(r"\b(malloc|calloc|realloc)\s*\("), "malloc"),
    (re.compile(r"std::(recursive_|shared_|timed_)?mutex\b"), "std::mutex"),
    (re.compile(r"std::j?thread\b(?!::)"), "std::thread"),
]


def level(room: str) -> int | None:
    if room in ROOMS:
        return ROOMS.index(room)
    if room in STAGES:
        return len(ROOMS)
    if room in ABOVE:
        return len(ROOMS) + 1 + ABOVE.index(room)
    return None


def without_comments(text: str) -> str:
    text = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)
    return re.sub(r"//[^\n]*", "", text)


def breaches_of_layering(path: str, text: str) -> list[str]:
    parts = pathlib.PurePath(path).parts
    if parts[0] != "src":
        return []
    own = parts[1]
    found = []
    for match in re.finditer(r'^#include "([a-z_]+)/([^"]+)"', text, flags=re.M):
        other = match.group(1)
        if level(other) is None:
            continue
        same_stage_level = level(own) == level(other) and own != other
        if level(other) > level(own) or same_stage_level:
            found.append(f"{path}: {own} must not include {other}/{match.group(2)}")
    return found


def breaches(path: str) -> list[str]:
    text = pathlib.Path(path).read_text(encoding="utf-8")
    found = breaches_of_layering(path, text)
    lines = text.count("\n")
    if lines > LINES_MAX:
        found.append(f"{path}: {lines} lines, at most {LINES_MAX}; split it by purpose")
    if BANNED_NAMES.search(path):
        found.append(f"{path}: names nothing (utils, helpers, common, manager)")
    if path.endswith(".h"):
        if "#pragma once" not in text:
            found.append(f"{path}: no #pragma once")
        if not text.startswith("//"):
            found.append(f"{path}: does not begin with what it is for")
    code = without_comments(text)
    for pattern, name in BANNED_CODE:
        if path in ALLOWED.get(name, set()):
            continue
        for match in pattern.finditer(code):
            line = code.count("\n", 0, match.start()) + 1
            # A private constructor's object that is owned in the same statement is not raw.
            statement = code[max(0, match.start() - 120) : match.start()].rsplit(";", 1)[-1]
            if name == "raw new" and re.search(r"_ptr<[^;]*$", statement):
                continue
            found.append(f"{path}:{line}: {name}")
    return found


def main() -> int:
    listed = subprocess.check_output(["git", "ls-files", "*.cpp", "*.h"], text=True).split()
    found = [breach for path in listed for breach in breaches(path)]
    print("\n".join(found) if found else f"{len(listed)} files keep the rules")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
