"""Pictures on their way: below the state, so that one that broke off goes on where it was, even after a restart."""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.errors import FileUnreadable, from_os_error
from modelshelf.files import make_directory, read_limited

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from modelshelf.civitai.client import CivitaiClient

KEPT_SECONDS = 86_400.0
MAX_KEPT_BYTES = 256 * 1024 * 1024
"""What broke off is kept for a day, and the oldest goes where it becomes too much."""

_NAME_DIGITS = 32

_TURNS = tuple(threading.Lock() for _ in range(256))
"""By the first byte of an address's digest: copies of one model are pictured at the same time, on a device each."""


@dataclass(frozen=True, slots=True)
class DownloadDirectory:
    """Where what is being fetched lies. It is empty, or not there, whenever nothing is under way."""

    directory: Path
    client: CivitaiClient

    def fetch(self, url: str, max_bytes: int) -> bytes:
        """Give the bytes at an address, one caller after another; raises as `CivitaiClient.download_image` does."""
        make_directory(self.directory)
        digest = hashlib.sha256(url.encode("utf-8", "backslashreplace"))
        path = self.directory / digest.hexdigest()[:_NAME_DIGITS]
        with _TURNS[digest.digest()[0]]:
            _remove(path)
            self.client.download_image(url, path, max_bytes)
            content, _ = read_limited(path, max_bytes)
            _remove(path)
        return content

    def tidy(self, now: datetime) -> None:
        """Remove what broke off and was not asked for again."""
        kept_bytes = 0
        for path, status in self._left_behind():
            kept_bytes += status.st_size
            if kept_bytes > MAX_KEPT_BYTES or now.timestamp() - status.st_mtime > KEPT_SECONDS:
                with suppress(FileUnreadable):
                    _remove(path)

    def _left_behind(self) -> list[tuple[Path, os.stat_result]]:
        """Give what lies there with its stat, the newest first."""
        try:
            found = [(path, path.lstat()) for path in self.directory.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise from_os_error(error, os.fsencode(self.directory), "list") from error
        return sorted(found, key=lambda each: -each[1].st_mtime)


def _remove(path: Path) -> None:
    """Remove what is there, if anything is. It need not outlast a power cut: what comes back is swept up."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise from_os_error(error, os.fsencode(path), "remove") from error
