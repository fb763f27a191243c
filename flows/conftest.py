"""Flow tests: the built executable, used as a person or a script would."""

import json
import os
import pathlib
import subprocess

import pytest
from executable import HEADRACE

# Tests say themselves when vectors are to be kept between runs.
os.environ["HEADRACE_CACHE"] = "off"


class Headrace:
    """Runs commands; `--json` answers come back parsed."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder

    def run(self, *arguments, code: int = 0, text: str | None = None, env: dict | None = None):
        done = subprocess.run(
            [str(HEADRACE), *map(str, arguments)],
            cwd=self.folder,
            input=text,
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, **(env or {})},
        )
        assert done.returncode == code, f"exit {done.returncode}: {done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments, code: int = 0):
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    def index(self, *arguments, code: int = 0):
        return self.json("index", *arguments, "--into", "kb", "--model", "none", code=code)

    def search(self, query: str, *arguments):
        return self.json("search", "kb", query, *arguments)["hits"]

    def rows(self, kb: str = "kb") -> list[dict]:
        done = self.run("export", kb, "--to", "-")
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def headrace(tmp_path) -> Headrace:
    return Headrace(tmp_path)


@pytest.fixture
def test_data() -> pathlib.Path:
    folder = os.environ.get("HEADRACE_TEST_DATA", "")
    if not folder:
        pytest.skip("HEADRACE_TEST_DATA is not set: the shared test data is not there")
    return pathlib.Path(folder)
