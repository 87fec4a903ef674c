"""A file system that does not mind letter case, as FAT is: what is asked for is found however it is spelled."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


def forget_letter_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `lstat` and `scandir` find every path that exists in any letter case; names are listed as they are."""
    lstat, scandir = os.lstat, os.scandir

    def spelled(path: bytes) -> bytes:
        directory, name = os.path.split(path)
        if directory == path:
            return path
        directory = spelled(directory)
        try:
            with scandir(directory) as entries:
                found = [entry.name for entry in entries if entry.name.lower() == name.lower()]
        except OSError:
            found = []
        return os.path.join(directory, found[0] if found else name)

    def careless_lstat(path: Any, **options: Any) -> os.stat_result:
        return lstat(spelled(os.fsencode(path)), **options)

    def careless_scandir(path: Any = b".") -> Any:
        return scandir(spelled(path) if isinstance(path, bytes) else path)

    monkeypatch.setattr(os, "lstat", careless_lstat)
    monkeypatch.setattr(os, "scandir", careless_scandir)
