"""Sorts C++ files into batches that compile as one: batches.py FILE… prints "batch;file" lines.

Two files whose own names (in their anonymous namespaces, where each file is by itself) are the same
never share a batch. The names are those that stand at the beginning of a line, which is where the
formatter puts what is declared at namespace level.
"""

import re
import sys

SIZE = 8
DECLARED = [
    re.compile(r"(?:struct|class|union|enum class|enum|using) (?:alignas\(\w+\) )?(\w+)(?! *::)\b"),
    re.compile(r"#define (\w+)"),
    re.compile(r"TEST(?:_P|_F)?\((\w+, *\w+)\)"),
    # Functions and variables. What belongs to a class is qualified, and nobody else's.
    re.compile(r"[\w:<>,&*\[\] ]*[ &*>](?<!::)(\w+)(?:\(|(?:\[[^\]]*\])* *(?:=|\{|;|$))"),
]
NO_NAME = re.compile(r"\s|[}#/\]]|(?:template|namespace|return|extern|case|default|public|private|using namespace)\b")


def names(path: str) -> set[str]:
    found = set()
    for line in open(path, encoding="utf-8"):
        if line.startswith("#define"):
            found.update(DECLARED[1].match(line).groups())
        elif not NO_NAME.match(line):
            found.update(m[1] for pattern in DECLARED if (m := pattern.match(line.rstrip("\n"))))
    return found


def main() -> None:
    batches: list[tuple[list[str], set[str]]] = []
    for path in sys.argv[1:]:
        own = names(path)
        for files, taken in batches:
            if len(files) < SIZE and not own & taken:
                files.append(path)
                taken |= own
                break
        else:
            batches.append(([path], own))
    for number, (files, _) in enumerate(batches):
        for path in files:
            print(f"batch{number};{path}")


if __name__ == "__main__":
    main()
