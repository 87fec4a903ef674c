"""Fetch the pictures of an identified model, where it has none of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.errors import BrokenModelFile, CivitaiRefused, FileUnreadable, ModelshelfError, WriteRefused
from modelshelf.files import create_file
from modelshelf.formats.pictures import picture_suffix, to_png
from modelshelf.logs import get_log
from modelshelf.sidecars.names import previews
from modelshelf.steps.beside import Surroundings, from_text, model_names, to_text
from modelshelf.steps.describe import describe
from modelshelf.steps.place import Place, present_file
from modelshelf.steps.step import Done, Failed, Outcome, Reins
from modelshelf.store.ledger import Writing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelshelf.civitai.client import CivitaiClient
    from modelshelf.clock import Clock
    from modelshelf.domain.civitai import RemoteImage
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.domain.task import Task
    from modelshelf.steps.beside import Stats
    from modelshelf.steps.place import Places
    from modelshelf.store.store import Store

log = get_log(__name__)

WIDTH = 512
MAX_PICTURE_BYTES = 64 * 1024 * 1024
FEED_LIMIT = 20
"""How many pictures "all of them" means: as many as a version's record carries at most."""


@dataclass(frozen=True, slots=True)
class Pictured:
    """The pictures written for a file, by name beside the model, and the one to show."""

    file: ModelFile
    written: Stats
    preview: bytes | None


@dataclass(frozen=True, slots=True)
class FetchPreviews:
    """`nsfw_threshold`: pictures at or above this level are taken only where there is nothing tamer."""

    store: Store
    places: Places
    client: CivitaiClient
    clock: Clock
    nsfw_threshold: int = 4
    kind: TaskKind = TaskKind.FETCH_PREVIEWS

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[Pictured]]:
        """Fetch and write; any picture that is already there is the user's own and ends the matter."""
        outcomes: list[Outcome[Pictured]] = []
        for task in tasks:
            reins.check()
            try:
                outcomes.append(self._picture(task))
            except ModelshelfError as error:
                outcomes.append(Failed(task, error))
        return outcomes

    def _picture(self, task: Task) -> Outcome[Pictured]:
        file, place = present_file(self.store, self.places, task)
        path = place.locate(file)
        description = describe(self.store, file)
        around = Surroundings.of(path.parent, model_names(self.store, file))
        stem = os.path.splitext(os.path.basename(file.path))[0]
        if (
            previews(around.companions_of(stem), stem)
            or not place.output.images.is_saved
            or description.version is None
        ):
            return Done(task, Pictured(file, {}, None), is_followed=False)
        images = self._chosen(description.version.images)
        written = self._write_all(images, place, file)
        return Done(task, Pictured(file, written, self._shown(file, path, written)), is_followed=bool(written))

    def _chosen(self, images: Sequence[RemoteImage]) -> list[RemoteImage]:
        """Order pictures: tame ones first in Civitai's order, then the others by level; stills before clips."""
        usable = [image for image in images if image.type in {"image", "video"}]
        return sorted(
            usable,
            key=lambda image: (
                max(image.nsfw_level, self.nsfw_threshold - 1),
                image.type == "video",
            ),
        )

    def _write_all(self, images: Sequence[RemoteImage], place: Place, file: ModelFile) -> Stats:
        settings = place.output.images
        limit = settings.max_count if settings.max_count is not None else FEED_LIMIT
        written: Stats = {}
        for image in images:
            if len(written) >= limit:
                break
            try:
                target, content = self._fetch(image, place, file, len(written) + 1)
                status = create_file(target, content, on_ready=self._intention(target, file))
            except (CivitaiRefused, BrokenModelFile, WriteRefused, FileUnreadable) as error:
                log.warning("preview_not_written", path=readable(file.path), reason=str(error))
                continue
            written[str(target)] = (status.st_size, status.st_mtime_ns)
            log.info("preview_written", path=readable(target))
        return written

    def _fetch(self, image: RemoteImage, place: Place, file: ModelFile, number: int) -> tuple[Path, bytes]:
        settings = place.output.images
        content = self.client.picture(self.client.thumbnail_url(image, WIDTH), MAX_PICTURE_BYTES)
        if settings.is_numbered:
            suffix = picture_suffix(content[:64])
            if suffix is None:
                raise BrokenModelFile(f"{image.url} is no picture")
        else:
            content, suffix = to_png(content, max_width=WIDTH), ".png"
        return picture_path(place, file, suffix, number), content

    def _intention(self, target: Path, file: ModelFile) -> Callable[[os.stat_result], None]:
        def intend(status: os.stat_result) -> None:
            self.store.ledger.intend(
                Writing(os.fsencode(target), file.id, "preview", status.st_size, status.st_mtime_ns, {})
            )

        return intend

    def _shown(self, file: ModelFile, path: Path, written: Stats) -> bytes | None:
        first = next(iter(written), None)
        if first is None or Path(first).parent != path.parent:
            return None
        return os.path.join(os.path.dirname(file.path), os.fsencode(os.path.basename(first)))

    def record(self, done: Sequence[Done[Pictured]]) -> list[NewTask]:
        """Remember the pictures as ours, so that they do not come back as news."""
        for each in done:
            pictured = each.result
            file = self.store.files.get(pictured.file.id)
            if file is None or not pictured.written:
                continue
            stats = from_text(file.companions)
            stats.update({os.path.basename(path): stat for path, stat in pictured.written.items()})
            self.store.files.set_companions(file.id, to_text(stats))
            if pictured.preview is not None:
                self.store.entries.set_preview(file.id, pictured.preview)
        return []


def picture_path(place: Place, file: ModelFile, suffix: str, number: int) -> Path:
    """Give where a picture goes: as `output.images` says, numbered before the extension in CivitScraper's way."""
    settings = place.output.images
    path = place.spot(file).place(settings.path, settings.filename, ext=suffix)
    if not settings.is_numbered:
        return path
    root, extension = os.path.splitext(path.name)
    return path.with_name(f"{root}{number}{extension}")
