"""Whatever stands beside a model, reading it raises nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelshelf.sidecars import reading
from modelshelf.sidecars.classify import Dialect
from modelshelf.sidecars.reading import read_beside, read_sidecar

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.domain.jsontypes import JsonObject


def read(directory: Path, content: bytes) -> reading.FoundSidecar:
    path = directory / "foo.json"
    path.write_bytes(content)
    sidecar = read_sidecar(path)
    assert sidecar is not None
    return sidecar


def test_a_sidecar_is_read_with_its_dialect_and_stat(tmp_path: Path) -> None:
    sidecar = read(tmp_path, b'{"notes": "x"}')
    expected: JsonObject = {"notes": "x"}
    assert (sidecar.dialect, sidecar.content, sidecar.problem) == (Dialect.FORGE, expected, None)
    assert sidecar.status.st_ino == (tmp_path / "foo.json").stat().st_ino


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    assert read(tmp_path, b'\xef\xbb\xbf{"notes": "x"}').content == {"notes": "x"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"<html>not found</html>",
        b"[" * 100_000,
        b'{"a": ' * 400 + b"1" + b"}" * 400,
        b"[" * 200 + b"]" * 200,
        b"1" * 5000,
    ],
)
def test_what_cannot_be_read_is_a_problem_and_no_exception(tmp_path: Path, content: bytes) -> None:
    sidecar = read(tmp_path, content)
    assert (sidecar.dialect, sidecar.content) == (Dialect.UNKNOWN, {})
    assert sidecar.problem is not None
    assert "foo.json" in sidecar.problem


def test_a_list_at_the_root_is_a_problem(tmp_path: Path) -> None:
    sidecar = read(tmp_path, b'[{"id": "a", "name": "a", "source": 1}]')
    assert (sidecar.dialect, sidecar.content) == (Dialect.KRITA, {})
    assert sidecar.problem is not None


@pytest.mark.parametrize("content", [b"null", b'"text"', b"NaN", b"7"])
def test_any_root_is_accepted_and_says_nothing(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content).content == {}


def test_a_file_above_the_limit_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "foo.json").open("wb") as huge:
        huge.truncate(reading.LARGEST_BYTES + 1)
    sidecar = read_sidecar(tmp_path / "foo.json")
    assert sidecar is not None
    assert "larger than" in str(sidecar.problem)


def test_a_pipe_is_a_problem_and_no_trap(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "foo.json")
    sidecar = read_sidecar(tmp_path / "foo.json")
    assert sidecar is not None
    assert "not a regular file" in str(sidecar.problem)


def test_what_is_gone_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "dangling.json").symlink_to(tmp_path / "nowhere")
    assert read_beside(tmp_path, [b"gone.json", b"dangling.json"]) == []


def test_only_json_among_the_companions_is_read(tmp_path: Path) -> None:
    names = [b"foo.JSON", b"foo.civitai.info", b"foo.cm-info.json", b"foo.metadata.json.bak", b"foo.txt", b"foo.png"]
    for name in [*names, b"\xff[x]\n.json"]:
        (tmp_path / os.fsdecode(name)).write_bytes(b"{}")
    found = read_beside(tmp_path, [*names, b"\xff[x]\n.json"])
    assert [os.fsencode(each.path.name) for each in found] == [*names[:3], b"\xff[x]\n.json"]


@given(st.binary(max_size=200))
def test_no_bytes_raise(content: bytes) -> None:
    try:
        parsed = reading.Scruples().parse(content)
    except (ValueError, RecursionError):
        return
    assert isinstance(parsed, dict | list | str | int | float | None)


@pytest.mark.parametrize(
    "text",
    [
        '{"notes": "first", "notes": "second"}',
        '{"big": 1e400}',
        '{"x": 12345678901234567890.5}',
        '{"preferred weight": 0.123456789012345678}',
        '{"x": NaN}',
        '{"x": 1e-99999999999999999999999}',
        '{"deep": [{"a": 1, "a": 2}]}',
    ],
)
def test_what_would_be_lost_by_writing_again_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "foo.json"
    path.write_text(text)
    found = read_sidecar(path)
    assert found is not None
    assert found.obstacle
    assert found.problem is None


@pytest.mark.parametrize("text", ['{"a": 1.10, "b": 1E5, "c": 0.1, "d": 10000000000000000000000}', "{}"])
def test_numbers_that_keep_their_value_are_no_obstacle(tmp_path: Path, text: str) -> None:
    path = tmp_path / "foo.json"
    path.write_text(text)
    found = read_sidecar(path)
    assert found is not None
    assert found.obstacle is None


def test_more_values_than_any_tool_writes_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b'{"a": [' + b"0," * 500_001 + b"0]}")
    found = read_sidecar(path)
    assert found is not None
    assert "more values than any tool writes" in (found.problem or "")
