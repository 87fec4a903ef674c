from __future__ import annotations

from datetime import UTC, datetime

import pytest

from modelshelf.civitai.vitals import ApiVitals, Counts, Trouble, from_json, to_json

THEN = datetime(2026, 8, 8, 12, 30, 1, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "vitals",
    [
        ApiVitals(),
        ApiVitals(THEN, (Trouble("*", "blocked", THEN, THEN, is_forbidden=True),)),
        ApiVitals(counts=Counts(1, 2, 3, 4)),
    ],
)
def test_vitals_come_back_from_json_as_they_were(vitals: ApiVitals) -> None:
    assert from_json(to_json(vitals)) == vitals


@pytest.mark.parametrize("document", [None, "", "{", "[]", '{"troubles": 1}', '{"paused_until": "soon"}'])
def test_anything_else_is_nothing(document: str | None) -> None:
    assert from_json(document) is None
