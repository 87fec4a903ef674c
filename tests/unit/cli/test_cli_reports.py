"""The questions that only commands ask of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import UsageError
from modelshelf.store.reports import Reports
from tests.unit.cli.cli_shelf import add_read, hashes

if TYPE_CHECKING:
    from tests.unit.cli.cli_shelf import CliShelf


def test_contents_are_found_by_the_beginning_of_any_hash_in_any_case(shelf: CliShelf) -> None:
    with shelf.store() as store:
        _, first = add_read(store, b"a.safetensors", 1)
        _, second = add_read(store, b"b.safetensors", 2)
        reports = Reports(store.database)
        assert reports.contents_like(hashes(1).sha256) == [first]
        assert reports.contents_like(hashes(2).blake3 or "") == [second]
        assert reports.contents_like("b0000") == [first, second]
        assert reports.contents_like("%") == []


def test_spellings_are_asked_of_two_columns_alone(shelf: CliShelf) -> None:
    with shelf.store() as store, pytest.raises(UsageError, match="search_text"):
        Reports(store.database).spellings("search_text", "x")
