"""Names, docstrings, errors, booleans."""

from __future__ import annotations

from tests.house import rules
from tests.house.rules import assert_none
from tests.house.source import modules


def test_everything_is_caught_in_five_places_only() -> None:
    assert_none([breach for module in modules() for breach in rules.broad_catches(module)])


def test_no_failure_is_returned_as_false() -> None:
    assert_none([breach for module in modules() for breach in rules.swallowed_failures(module)])


def test_every_public_name_says_what_it_is() -> None:
    assert_none([breach for module in modules() for breach in rules.missing_docstrings(module)])


def test_no_name_says_nothing() -> None:
    assert_none([breach for module in modules() for breach in rules.forbidden_names(module)])


def test_booleans_are_passed_by_name() -> None:
    ours = rules.our_names(modules())
    assert_none([breach for module in modules() for breach in rules.positional_booleans(module, ours)])
