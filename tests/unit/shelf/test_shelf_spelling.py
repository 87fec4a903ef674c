from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.errors import FileUnreadable
from modelshelf.shelf.spelling import is_misspelled, is_respelled, is_spelled
from tests.fakes.careless import forget_letter_case

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    (tmp_path / "Dir").mkdir()
    (tmp_path / "Dir" / "File").touch()
    return os.fsencode(tmp_path)


def test_a_path_is_spelled_as_it_is_listed(root: bytes) -> None:
    assert is_spelled(root, b"Dir/File")
    assert not is_spelled(root, b"Dir/file")
    assert not is_spelled(root, b"dir/File")
    assert not is_spelled(root, b"Dir/File/deeper")


def test_where_nobody_can_tell_nobody_guesses(root: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(FileUnreadable):
        is_spelled(root, b"Dir")


def test_where_letter_case_does_not_count_only_the_listed_spelling_is_right(
    root: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_letter_case(monkeypatch)
    assert os.lstat(root + b"/dIR/fILE")
    assert not is_misspelled(root, b"Dir/File")
    assert is_misspelled(root, b"Dir/FILE")
    assert is_misspelled(root, b"dir/File")


def test_where_letter_case_counts_nothing_is_misspelled_and_no_directory_listed(
    root: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "scandir", None)
    assert not is_misspelled(root, b"Dir/File")
    assert not is_misspelled(root, b"Dir/file")


def test_a_name_without_letters_has_one_spelling(root: bytes, tmp_path: Path) -> None:
    (tmp_path / "123").mkdir()
    assert not is_misspelled(root, b"123")


@pytest.mark.parametrize(
    ("path", "other", "expected"),
    [
        (b"a/Model.gguf", b"A/model.GGUF", True),
        ("caf\u00e9".encode(), "cafe\u0301".encode(), True),
        ("CAFE\u0301".encode(), "caf\u00e9".encode(), True),
        (b"same", b"same", False),
        (b"a", b"b", False),
        (b"caf\xe9", b"caf\xc9", False),
    ],
)
def test_two_spellings_of_one_name_differ_in_letter_case_or_unicode_form(
    path: bytes, other: bytes, *, expected: bool
) -> None:
    assert is_respelled(path, other) is expected
