"""What is told is what happens."""

from __future__ import annotations

import ast

import pytest

from modelshelf.notifying.kinds import KINDS
from tests.house.source import modules


@pytest.mark.parametrize("event", KINDS)
def test_every_event_that_is_told_is_named_where_it_happens(event: str) -> None:
    words = {
        node.value
        for each in modules()
        if each.room != "notifying" or each.name.endswith("free_space")
        for node in ast.walk(each.tree)
        if isinstance(node, ast.Constant)
    }
    assert event in words
