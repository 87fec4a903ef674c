"""Where the right bytes of a rotten file can be had: on another shelf, or from Civitai once more."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from modelshelf.domain.content import Match
from modelshelf.domain.display import readable
from modelshelf.domain.rot import Rescue
from modelshelf.steps.describe import believed_version

if TYPE_CHECKING:
    from modelshelf.domain.content import Content
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.store.store import Store


def rescue_of(store: Store, file: ModelFile) -> Rescue:
    """Tell where the bytes that a file should have can be had; no disk and no server is asked."""
    content = store.contents.get(file.content_id) if file.content_id is not None else None
    if content is None:
        return Rescue()
    return Rescue(store.rot.good_copies(file), _download_url(store, content), content.gone_since)


def _download_url(store: Store, content: Content) -> str | None:
    """Give Civitai's address of these very bytes, None where it does not have them, or has them no more."""
    if content.matched_by is not Match.FILE or content.gone_since is not None:
        return None
    version = believed_version(store, content)
    if version is None:
        return None
    same = [each for each in version.files if each.hashes.get("SHA256", "").upper() == content.hashes.sha256]
    return next((each.download_url for each in same if each.download_url), version.download_url)


def rescue_lines(rescue: Rescue) -> list[str]:
    """Say it, a line per place."""
    lines = [
        f"a good copy is {readable(os.fsencode(each.path))}, read so on {each.sound_at:%Y-%m-%d}"
        f"{'; its folder is offline' if each.is_offline else ''}"
        for each in rescue.copies
    ]
    if rescue.download_url is not None:
        lines.append(f"Civitai has it: {readable(rescue.download_url)}")
    elif rescue.gone_since is not None:
        lines.append(f"it is gone from Civitai since {rescue.gone_since:%Y-%m-%d}")
    return lines or ["no good copy is known"]
