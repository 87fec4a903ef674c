"""Fetch the pictures of an identified model, where it has none of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.errors import (
    BrokenModelFile,
    CivitaiRefused,
    CivitaiUnavailable,
    FileGone,
    FileUnreadable,
    WriteRefused,
)
from modelshelf.files import create_file, replace_file
from modelshelf.formats.pictures import picture_suffix, to_png
from modelshelf.logs import get_log
from modelshelf.sidecars.names import previews
from modelshelf.steps.beside import Surroundings, from_text, model_names, stat_if_there, to_text
from modelshelf.steps.describe import describe
from modelshelf.steps.picturing import picture_limit, picture_path, relative_to_folder, shown_pictures
from modelshelf.steps.place import Place, awaits_its_sidecars, demand_present, make_room, present_file
from modelshelf.steps.stems import owner_of_stem, sharing_stem
from modelshelf.steps.step import Done, Outcome, Reins, one_by_one
from modelshelf.store.ledger import Writing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelshelf.civitai.client import CivitaiClient
    from modelshelf.clock import Clock
    from modelshelf.domain.civitai import ModelVersion, RemoteImage
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.domain.task import Task
    from modelshelf.steps.beside import Stats
    from modelshelf.steps.place import Places
    from modelshelf.store.store import Store

log = get_log(__name__)

WIDTH = 512
MAX_PICTURE_BYTES = 64 * 1024 * 1024
VERSION = "version"
"""Under this key the ledger keeps whose picture it is."""


@dataclass(frozen=True, slots=True)
class Pictured:
    """The pictures written for a file, by absolute path, and the one to show, relative to the folder."""

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
        """Fetch and write; a picture that is already there ends the matter, unless it is ours and shows other bytes."""
        return one_by_one(tasks, reins, lambda task: self._picture(task, reins))

    def _picture(self, task: Task, reins: Reins) -> Outcome[Pictured]:
        file, place = present_file(self.store, self.places, task)
        version = describe(self.store, file).version
        if version is None or awaits_its_sidecars(self.store, file) or not self._is_wanted(file, place, version):
            return Done(task, Pictured(file, {}, None), is_followed=False)
        written = self._write_all(version, place, file, reins)
        first = next(iter(written), None)
        preview = relative_to_folder(place, Path(first)) if first is not None else None
        return Done(task, Pictured(file, written, preview), is_followed=bool(written))

    def _is_wanted(self, file: ModelFile, place: Place, version: ModelVersion) -> bool:
        if not place.output.images.is_saved or owner_of_stem(self.store, file).id != file.id:
            return False
        around = Surroundings.of(place.locate(file).parent, model_names(self.store, file))
        stem = os.path.splitext(os.path.basename(file.path))[0]
        pictures = shown_pictures(place, file, around.companions_of(stem))
        return all(self._outdated(each, version) is not None for each in pictures)

    def _outdated(self, picture: Path, version: ModelVersion) -> os.stat_result | None:
        """Give the stat of a picture that we wrote for other bytes and nobody has touched since; None for any other."""
        status = stat_if_there(os.fsencode(picture))
        writing = self.store.ledger.of(os.fsencode(picture))
        if status is None or writing is None or VERSION not in writing.digests:
            return None
        is_ours = (status.st_size, status.st_mtime_ns) == (writing.size_bytes, writing.mtime_ns)
        return status if is_ours and writing.digests[VERSION] != str(version.id) else None

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

    def _write_all(self, version: ModelVersion, place: Place, file: ModelFile, reins: Reins) -> Stats:
        """Write as many as are wanted; a picture that is no good gives its place to the next."""
        written: Stats = {}
        for image in self._chosen(version.images):
            if len(written) >= picture_limit(place):
                break
            try:
                target, content = self._fetch(image, place, file, len(written) + 1, reins)
                written[str(target)] = self._write(target, content, file, version)
            except (CivitaiRefused, BrokenModelFile) as error:
                log.warning("preview_not_written", path=readable(file.path), reason=str(error))
            except CivitaiUnavailable:
                if not written:
                    raise
                break  # what stands is never added to later, so what there is must do
            except (WriteRefused, FileUnreadable, FileGone) as error:
                log.warning("preview_not_written", path=readable(file.path), reason=str(error))
                break  # the next could not be written there either
        return written

    def _write(self, target: Path, content: bytes, file: ModelFile, version: ModelVersion) -> tuple[int, int]:
        place = self.places[file.folder_id]
        demand_present(self.store, place, file)
        make_room(place, target)
        intend, border = self._intention(target, file, version), place.border(target)
        outdated = self._outdated(target, version)
        if outdated is not None:
            status = replace_file(target, content, expected=outdated, on_ready=intend, within=border)
        else:
            status = create_file(target, content, on_ready=intend, within=border)
        log.info("preview_written", path=readable(target))
        return status.st_size, status.st_mtime_ns

    def _fetch(
        self, image: RemoteImage, place: Place, file: ModelFile, number: int, reins: Reins
    ) -> tuple[Path, bytes]:
        settings = place.output.images
        content = self.client.picture(self.client.thumbnail_url(image, WIDTH), MAX_PICTURE_BYTES)
        if settings.is_numbered:
            suffix = picture_suffix(content[:64])
            if suffix is None:
                raise BrokenModelFile("what Civitai lists as a picture is none")
        else:
            content, suffix = reins.read(to_png, content, max_width=WIDTH), ".png"
        return picture_path(place, file, suffix, number), content

    def _intention(self, target: Path, file: ModelFile, version: ModelVersion) -> Callable[[os.stat_result], None]:
        def intend(status: os.stat_result) -> None:
            whose = {VERSION: str(version.id)}
            self.store.ledger.intend(
                Writing(os.fsencode(target), file.id, "preview", status.st_size, status.st_mtime_ns, whose)
            )

        return intend

    def record(self, done: Sequence[Done[Pictured]]) -> list[NewTask]:
        """Remember the pictures as ours, so that they do not come back as news."""
        for each in done:
            pictured = each.result
            file = self.store.files.get(pictured.file.id)
            if file is not None and pictured.written:
                self._record_one(file, pictured)
        return []

    def _record_one(self, file: ModelFile, pictured: Pictured) -> None:
        beside = self._beside(pictured)
        for sharer in sharing_stem(self.store, file):
            self.store.files.set_companions(sharer.id, to_text(from_text(sharer.companions) | beside))
        self.store.entries.set_preview(file.id, pictured.preview)

    def _beside(self, pictured: Pictured) -> Stats:
        """Give what a scan will find beside the model, too; elsewhere, or under another name, nobody looks for it."""
        path = pictured.file.absolute(self.places[pictured.file.folder_id].root)
        stem = os.path.splitext(os.path.basename(pictured.file.path))[0]
        found = {Path(each): stat for each, stat in pictured.written.items() if Path(each).parent == path.parent}
        return {each.name: stat for each, stat in found.items() if previews([os.fsencode(each.name)], stem)}
