"""The `headrace` command of an installed wheel: replaces itself by the native executable."""

from __future__ import annotations

import os
import pathlib
import sys


def main() -> None:
    binary = pathlib.Path(__file__).with_name("headrace-bin")
    os.execv(binary, ["headrace", *sys.argv[1:]])
