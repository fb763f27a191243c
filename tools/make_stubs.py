"""Writes the type stub of the extension, python/headrace/_native.pyi, from the built extension.

Usage: make_stubs.py [--check]

--check writes nothing and fails when the committed stub is not what the extension says.
"""

import pathlib
import subprocess
import sys
import tempfile

STUB = pathlib.Path(__file__).resolve().parent.parent / "python" / "headrace" / "_native.pyi"


def generate(place: pathlib.Path) -> str:
    subprocess.run(
        [sys.executable, "-m", "nanobind.stubgen", "-q", "-m", "headrace._native", "-o", str(place)],
        check=True,
    )
    return place.read_text(encoding="utf-8")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        stub = generate(pathlib.Path(folder) / "_native.pyi")
    if "--check" in sys.argv[1:]:
        if STUB.exists() and STUB.read_text(encoding="utf-8") == stub:
            return 0
        print(f"{STUB.name} is not what the extension says: run tools/make_stubs.py", file=sys.stderr)
        return 1
    STUB.write_text(stub, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
