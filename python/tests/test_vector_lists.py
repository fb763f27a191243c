"""Own vectors in numbers that are put into lists: recall, filters, churn, verify."""

import numpy as np
import pytest

import headrace as hr

ROWS, DIMENSION = 24_000, 32


def made(count: int, seed: int) -> np.ndarray:
    centers = np.random.default_rng(1).standard_normal((200, DIMENSION))
    rng = np.random.default_rng(seed)
    rows = centers[rng.integers(0, 200, count)] + 0.6 * rng.standard_normal((count, DIMENSION))
    return rows.astype(np.float32)


def truth(rows: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return np.argsort(-(queries @ unit.T), axis=1)[:, :k]


def recall(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found.tolist(), true.tolist())]))


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return made(ROWS, 2)


def test_recall_filters_churn_and_verify(tmp_path, rows):
    queries = made(100, 3)
    with hr.open(tmp_path / "kb", model=None, dimension=DIMENSION) as kb:
        kb.add(ids=np.arange(ROWS), vectors=rows, part=[i % 50 for i in range(ROWS)])
        kb.optimize()
        ids, scores = kb.search_batch(queries, k=10, recall=0.95)
        assert recall(ids.astype(int), truth(rows, queries, 10)) >= 0.95
        assert np.all(np.diff(scores, axis=1) <= 0)
        exact, _ = kb.search_batch(queries, k=10, recall=1.0)
        assert recall(exact.astype(int), truth(rows, queries, 10)) >= 0.99

        few, _ = kb.search_batch(queries, k=10, filter="part = 7")
        chosen = np.arange(7, ROWS, 50)
        assert recall(few.astype(int), chosen[truth(rows[chosen], queries, 10)]) >= 0.99
        most, _ = kb.search_batch(queries, k=10, filter="part != 7")
        chosen = np.flatnonzero(np.arange(ROWS) % 50 != 7)
        assert recall(most.astype(int), chosen[truth(rows[chosen], queries, 10)]) >= 0.95

        report = kb.verify(recall=True)
        assert report["ok"]
        assert report["recall"][0]["recall"] >= 0.95

        # Half of the rows are deleted and other vectors come in their place.
        kb.delete("part < 25")
        gone = np.flatnonzero(np.arange(ROWS) % 50 < 25)
        changed = rows.copy()
        changed[gone] = made(len(gone), 9)
        left, _ = kb.search_batch(queries, k=10)
        assert not set(left.astype(int).ravel().tolist()) & set(gone.tolist())
        kb.add(ids=gone, vectors=changed[gone], part=[i % 50 for i in gone.tolist()])
        for _ in range(2):  # before and after everything is in lists again
            found, _ = kb.search_batch(queries, k=10, recall=0.95)
            assert recall(found.astype(int), truth(changed, queries, 10)) >= 0.95
            kb.optimize()
    with hr.open(tmp_path / "kb") as kb:
        found, _ = kb.search_batch(queries, k=10, recall=0.95)
        assert recall(found.astype(int), truth(changed, queries, 10)) >= 0.95
