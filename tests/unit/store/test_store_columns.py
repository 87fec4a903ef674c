from __future__ import annotations

from datetime import UTC, datetime

import pytest

from modelshelf.errors import StoreDamaged
from modelshelf.store.columns import (
    big,
    from_big,
    from_epoch,
    from_epoch_or_none,
    from_json,
    id_list,
    pack,
    text,
    to_epoch,
    to_epoch_or_none,
    to_json,
    unpack,
)
from tests.unit.store.store_builders import NOW


def test_a_time_comes_back_to_the_microsecond() -> None:
    assert from_epoch(to_epoch(NOW)) == NOW
    assert from_epoch(to_epoch(NOW)).tzinfo is UTC
    assert from_epoch_or_none(to_epoch_or_none(NOW)) == NOW
    assert from_epoch(0.0) == datetime(1970, 1, 1, tzinfo=UTC)


def test_no_time_stays_no_time() -> None:
    assert to_epoch_or_none(None) is None
    assert from_epoch_or_none(None) is None


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1, -(2**63)])
def test_a_number_of_64_bits_stays_a_number(number: int) -> None:
    assert big(number) == number


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, -(2**63) - 1, 10**24])
def test_a_number_beyond_64_bits_comes_back_exactly(number: int) -> None:
    assert isinstance(big(number), bytes)
    assert from_big(big(number)) == number


def test_a_lone_surrogate_becomes_an_escape() -> None:
    assert text("a\ud800b\U0001f600") == "a\\ud800b\U0001f600"


def test_json_holds_any_text_and_keeps_the_order_of_keys() -> None:
    value = {"b": "\ud800", "a": ["\u00e9", 1, None]}
    assert to_json(value).isascii()
    assert list(from_json(to_json(value))) == ["b", "a"]  # type: ignore[arg-type]
    assert from_json(to_json(value)) == value


def test_a_body_comes_back_as_it_was_received() -> None:
    body = {"z": 1, "a": {"b": [1.5, "\ud83d"]}}
    assert unpack(pack(body)) == body
    assert list(unpack(pack(body))) == ["z", "a"]


def test_damaged_columns_are_store_errors() -> None:
    with pytest.raises(StoreDamaged, match="damaged"):
        from_json("{")
    with pytest.raises(StoreDamaged, match="damaged"):
        unpack(b"no zlib")
    with pytest.raises(StoreDamaged, match="damaged"):
        unpack(pack("x")[:-3])


def test_ids_become_one_parameter() -> None:
    assert id_list(iter([1, 2])) == "[1, 2]"
    assert id_list([]) == "[]"
