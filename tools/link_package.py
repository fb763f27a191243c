"""Makes the built package importable in a virtual environment, without copying it.

Usage: link_package.py BUILD VENV

BUILD/python/headrace becomes the package: the sources linked, the extension and the worker beside
them; a .pth file in VENV points there, and VENV/bin/headrace is the native executable.
"""

import pathlib
import subprocess
import sys


def link(target: pathlib.Path, place: pathlib.Path) -> None:
    if place.is_symlink() or place.exists():
        place.unlink()
    place.symlink_to(target)


def main() -> None:
    build, venv = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    sources = pathlib.Path(__file__).resolve().parent.parent / "python" / "headrace"
    package = build / "python" / "headrace"
    package.mkdir(parents=True, exist_ok=True)
    for old in package.iterdir():
        if old.is_symlink() and not old.exists():
            old.unlink()
    for source in sources.iterdir():
        if source.suffix in {".py", ".pyi", ".typed"}:
            link(source, package / source.name)
    for extension in (build / "python" / "bindings").glob("_native*.so"):
        link(extension, package / extension.name)
    link(build / "headrace-worker", package / "headrace-worker")
    link(build / "headrace", package / "headrace-bin")
    site = subprocess.check_output(
        [venv / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        text=True,
    ).strip()
    (pathlib.Path(site) / "headrace-build.pth").write_text(f"{build / 'python'}\n")
    link(build / "headrace", venv / "bin" / "headrace")


if __name__ == "__main__":
    main()
