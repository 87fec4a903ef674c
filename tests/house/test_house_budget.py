"""How long, how deep, how much."""

from __future__ import annotations

import statistics

from tests.house import rules
from tests.house.rules import assert_none
from tests.house.source import functions, line_count, modules

MEDIAN_FILE_LINES = 120
MEDIAN_FUNCTION_LINES = 8
P90_FUNCTION_LINES = 25


def test_no_function_is_over_budget() -> None:
    assert_none([breach for module in modules() for breach in rules.over_budget(module)])


def test_no_file_is_over_budget() -> None:
    assert_none([breach for module in modules() for breach in rules.file_over_budget(module)])


def test_most_files_are_short() -> None:
    assert statistics.median(len(module.lines) for module in modules()) <= MEDIAN_FILE_LINES


def test_most_functions_are_short() -> None:
    counts = sorted(line_count(function.node) for module in modules() for function in functions(module.tree))
    assert statistics.median(counts) <= MEDIAN_FUNCTION_LINES
    assert counts[int(len(counts) * 0.9)] <= P90_FUNCTION_LINES
