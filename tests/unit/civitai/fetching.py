"""A picture's bytes by way of the facade."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelshelf.civitai.client import CivitaiClient


def fetched(client: CivitaiClient, url: str, max_bytes: int) -> bytes:
    """Download into a directory of its own, and leave nothing there but the picture."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "picture"
        try:
            downloaded = client.download_image(url, path, max_bytes)
        finally:
            left = {each for each in Path(directory).iterdir() if not each.name.endswith(".tmp")}
            assert left <= {path}
        content = path.read_bytes()
        assert [*Path(directory).iterdir()] == [path]
        assert (downloaded.path, downloaded.size_bytes) == (path, len(content))
        assert downloaded.head == content[:64]
        return content
