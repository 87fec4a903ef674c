"""Orders: folders that are read on demand only, and whose demand has come; a restart does not forget it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from modelshelf.store.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Collection

    from modelshelf.store.database import Database

NAME = "deep_orders"
"""The standing value that keeps them."""


class Orders:
    """The folders whose deep scan a job has begun and that owe reading still.

    Only the daemon orders, so it may remember them; who takes orders back beside it pokes it to `look_again`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._standing = Standing(database)
        self._known: frozenset[str] | None = None

    @property
    def folder_ids(self) -> frozenset[str]:
        """The folders, without asking the database twice."""
        if self._known is None:
            self._known = self._load()
        return self._known

    def add(self, folder_ids: Collection[str]) -> None:
        """Order folders to be read."""
        with self._database.transaction():
            self._keep(self._load() | set(folder_ids))

    def fulfil(self, folder_ids: Collection[str]) -> None:
        """Take folders off that owe nothing any more."""
        with self._database.transaction():
            self._keep(self._load() - set(folder_ids))

    def look_again(self) -> None:
        """Forget what was loaded: another process took orders back."""
        self._known = None

    def _load(self) -> frozenset[str]:
        text = self._standing.get(NAME)
        return frozenset(json.loads(text)) if text else frozenset()

    def _keep(self, folder_ids: frozenset[str]) -> None:
        self._standing.put(NAME, json.dumps(sorted(folder_ids)))
        self._known = folder_ids
