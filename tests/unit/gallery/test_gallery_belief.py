"""What a page says of Civitai and its model."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from modelshelf.domain.update import Access, Update
from modelshelf.gallery.belief import belief_badges, belief_notices
from modelshelf.gallery.content import Belief
from modelshelf.gallery.page import render_page
from tests.unit.gallery.gallery_builders import page_of

NEWER = Update(6, 8, "v2", "SDXL 1.0", "2024-02-01", is_same_base=True, access=Access.FREE)
GONE = Belief(gone_since=datetime(2026, 3, 4, tzinfo=UTC))


@pytest.mark.parametrize(
    ("belief", "texts"),
    [
        (Belief(), []),
        (Belief(is_pinned=True), ["Pinned by you"]),
        (Belief(is_by_weights=True), ["Known by its weights"]),
        (GONE, ["Gone from Civitai"]),
        (Belief(newer=(NEWER,)), ["Update available"]),
        (Belief(newer=(replace(NEWER, is_same_base=False),)), []),
    ],
)
def test_badges_tell_what_is_out_of_the_ordinary(belief: Belief, texts: list[str]) -> None:
    assert [each.text for each in belief_badges(belief)] == texts


@pytest.mark.parametrize(
    ("newer", "text"),
    [
        ((NEWER,), "v2 (SDXL 1.0)."),
        ((replace(NEWER, access=Access.EARLY),), "v2 (SDXL 1.0, early access)."),
        ((replace(NEWER, access=Access.PAID, base_model=None),), "v2 (paid)."),
        ((replace(NEWER, name=None, base_model=None),), "8."),
        ((NEWER,) * 7, "; ".join(["v2 (SDXL 1.0)"] * 5) + "; and 2 more."),
    ],
)
def test_newer_versions_are_named_with_base_model_and_price(newer: tuple[Update, ...], text: str) -> None:
    (notice,) = belief_notices(Belief(newer=newer))
    assert notice.text == text


def test_what_is_gone_is_told_with_the_day_on_the_page_itself() -> None:
    html = render_page(replace(page_of(), belief=GONE))
    assert "It has not been there since 2026-03-04." in html
    assert "Gone from Civitai" in html
    assert "Gone from Civitai" not in render_page(page_of())
