"""What a run did, for people and notebooks."""

from __future__ import annotations

from typing import Any, NamedTuple

from ._escape import escape


class Report(NamedTuple):
    """What a run did. `documents` counts added, updated, unchanged, removed and failed; `empty`
    documents without any text, of which nothing can be found; `tokens` those embedded in this run;
    `embedding` reused texts and, of a remote endpoint, requests, retries and cost, and
    `not_kept`, why vectors are not kept for later runs ("" where they are); `without_vectors`
    rows that a run without the model left to be found by words only; `refused` rows whose texts the
    model refused for themselves, which are found by words only until a later run has their vectors;
    `failures` the first documents that failed, and the first of those texts: {"source", "stage",
    "code", "message"}."""

    documents: dict[str, int]
    rows: int
    tokens: int
    bytes_in: int
    seconds: float
    peak_rss_bytes: int
    searchable_seconds: float
    without_vectors: int = 0
    failures: list[dict[str, str]] = []
    embedding: dict[str, Any] = {}
    empty: int = 0
    refused: int = 0

    def __repr__(self) -> str:
        counted = self.documents | {"empty": self.empty, "without a vector": self.refused}
        counts = ", ".join(f"{count:,} {name}" for name, count in counted.items() if count)
        reused = self.embedding.get("reused", 0)
        known = f" and {reused:,} known vector{'' if reused == 1 else 's'}" if reused else ""
        return (
            f"Report({counts or 'nothing'}; {self.rows:,} rows, {self.tokens:,} tokens"
            f"{known} in "
            f"{self.seconds:.2f} s, peak {self.peak_rss_bytes / 2**20:.0f} MiB)"
        )

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td style='text-align:left'>{escape(name)}</td><td>{value}</td></tr>"
            for name, value in [
                *((f"documents {name}", f"{count:,}") for name, count in self.documents.items()),
                ("documents empty", f"{self.empty:,}"),
                ("rows", f"{self.rows:,}"),
                ("tokens embedded", f"{self.tokens:,}"),
                ("vectors known before", f"{self.embedding.get('reused', 0):,}"),
                ("bytes read", f"{self.bytes_in:,}"),
                ("seconds", f"{self.seconds:.2f}"),
                ("searchable after, s", f"{self.searchable_seconds:.2f}"),
                ("peak memory, MiB", f"{self.peak_rss_bytes / 2**20:.0f}"),
            ]
        )
        failed = "".join(f"<li>{escape(failure['message'])}</li>" for failure in self.failures)
        more = self.documents.get("failed", 0) + self.refused - len(self.failures)
        if more > 0:
            failed += f"<li>and {more:,} more: headrace errors lists the documents among them</li>"
        return f"<table>{cells}</table>" + (f"<p>Failed:</p><ul>{failed}</ul>" if failed else "")
