"""`modelshelf hash`."""

from __future__ import annotations

import hashlib
import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from tests.unit.cli.cli_shelf import CliShelf


def test_all_six_are_printed_under_civitais_names(shelf: CliShelf) -> None:
    file = shelf.put("ink.safetensors", b"\2\0\0\0\0\0\0\0{}rest")
    answer = shelf.run("hash", str(file))
    assert answer.code == 0
    names = [line.split()[0] for line in answer.out.splitlines()[1:]]
    assert names == ["SHA256", "BLAKE3", "AutoV1", "AutoV2", "AutoV3", "CRC32"]
    assert hashlib.sha256(file.read_bytes()).hexdigest().upper() in answer.out
    assert "AutoV1  -" in answer.out


def test_json_has_every_file_with_the_hashes_that_it_lacks_as_null(shelf: CliShelf) -> None:
    files = [shelf.put(name, name.encode()) for name in ("a.safetensors", "b.safetensors")]
    document = shelf.run("hash", "--json", *map(str, files)).document
    assert [each["path"] for each in document["files"]] == [str(file) for file in files]
    assert document["files"][0]["sha256"] == hashlib.sha256(b"a.safetensors").hexdigest().upper()
    assert document["files"][0]["autov1"] is None
    assert document["files"][0]["size_bytes"] == 13


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_hashed(shelf: CliShelf) -> None:
    file = shelf.put("ink.safetensors")
    answer = shelf.run("hash", "nowhere.safetensors", str(file))
    assert answer.code == 1
    assert "nowhere.safetensors" in answer.err
    assert "SHA256" in answer.out


def test_it_needs_no_configuration(shelf: CliShelf) -> None:
    shelf.config.unlink()
    assert shelf.run("hash", str(shelf.put("ink.safetensors"))).code == 0


def test_no_file_at_all_is_a_usage_error(shelf: CliShelf) -> None:
    assert shelf.run("hash").code == 2


def test_a_terminal_sees_how_far_it_is(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    assert shelf.run("hash", str(shelf.put("[b]ink.safetensors", b"x" * 5000))).code == 0
    assert "[b]ink.safetensors" in terminal.getvalue()
    assert "5.0/5.0 kB" in terminal.getvalue()


def test_quiet_shows_no_progress(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    assert shelf.run("--quiet", "hash", str(shelf.put("ink.safetensors"))).code == 0
    assert terminal.getvalue() == ""
