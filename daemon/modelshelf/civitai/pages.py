"""Lists that come page by page: models by id or by words, images of a version. Cursors are opaque, and may be numbers."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from modelshelf.civitai.lenient import as_list, as_object, label
from modelshelf.errors import CivitaiUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from modelshelf.civitai.asking import Asker
    from modelshelf.domain.jsontypes import JsonObject

MOST_PAGES = 20
"""A list that never ends is left here."""


def listed(asker: Asker, path: str, parameters: Mapping[str, str]) -> Iterator[JsonObject]:
    """Give the objects of a list in the server's order, asking for a page when the one before is used up."""
    return chain.from_iterable(pages(asker, path, parameters))


def pages(
    asker: Asker, path: str, parameters: Mapping[str, str], *, is_fresh: bool = False
) -> Iterator[list[JsonObject]]:
    """Give the objects of a list page by page, asking for each when it is wanted.

    An answer without a list is no answer: CivitaiUnavailable.
    """
    asked: set[str | None] = set()
    cursor: str | None = None
    while cursor not in asked and len(asked) < MOST_PAGES:
        asked.add(cursor)
        paged = {**parameters, "cursor": cursor} if cursor else parameters
        page = as_object(asker.ask(path, parameters=paged, is_fresh=is_fresh))
        if not isinstance(page.get("items"), list):
            raise CivitaiUnavailable(f"Civitai answered {path} with something that is not a list")
        yield [each for each in as_list(page["items"]) if isinstance(each, dict)]
        cursor = label(as_object(page.get("metadata")).get("nextCursor"))
        if cursor is None:
            return
