"""Fetch the pictures of an identified model, where it has none of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.civitai.answers import AnswerTooLarge
from modelshelf.civitai.edge import clip_url, thumbnail_url
from modelshelf.domain.display import readable
from modelshelf.domain.task import NewTask, Task, TaskKind
from modelshelf.errors import (
    BrokenModelFile,
    CivitaiForbids,
    CivitaiRateLimited,
    CivitaiRefused,
    CivitaiUnavailable,
    FileGone,
    FileUnreadable,
    WriteRefused,
)
from modelshelf.files import create_file, remove_file, replace_file
from modelshelf.formats.picture_mark import marked
from modelshelf.formats.pictures import demand_bounded, picture_suffix, to_png
from modelshelf.logs import get_log
from modelshelf.sidecars.names import VIDEO_SUFFIXES, previews
from modelshelf.steps.beside import Surroundings, from_text, model_names, to_text
from modelshelf.steps.describe import describe
from modelshelf.steps.downloads import DownloadDirectory
from modelshelf.steps.picturing import (
    VERSION,
    fit_to_be_shown,
    has_come,
    mark_text,
    ours_of_version,
    picture_limit,
    picture_path,
    relative_to_folder,
    shown_pictures,
)
from modelshelf.steps.place import Place, awaits_its_sidecars, demand_present, make_room, present_file
from modelshelf.steps.stems import owner_of_stem, sharing_stem
from modelshelf.steps.step import Done, Outcome, Reins, one_by_one
from modelshelf.store.ledger import Writing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelshelf.civitai.client import CivitaiClient
    from modelshelf.clock import Clock
    from modelshelf.domain.civitai import RemoteImage
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.steps.beside import Stats
    from modelshelf.steps.place import Places
    from modelshelf.store.store import Store

log = get_log(__name__)

WIDTH = 512
MAX_PICTURE_BYTES = 64 * 1024 * 1024
MAX_CLIP_BYTES = 32 * 1024 * 1024

PATIENT_TRIES = 3
"""So often the best picture is waited for; then one that can be had now is taken."""

MOST_FAILURES = 3
"""So many pictures in a row that cannot be had now: it is the host that is away, not they."""

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 3600.0, 86_400.0
"""How long to wait where every picture was refused or broken: as long as has been waited already, within these bounds."""

BELIEVED_AFTER = timedelta(days=14)
"""So long after the first time it is believed that there are no pictures any more. What forbids them is asked once a day."""


@dataclass(frozen=True, slots=True)
class Pictured:
    """The pictures written for a file and those of ours that went, by absolute path; the one to show, relative to the folder."""

    file: ModelFile
    written: Stats = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    preview: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sitting:
    """One model that is pictured: the file, where it lies, which version's pictures it gets, and those that stand there."""

    task: Task
    file: ModelFile
    place: Place
    version_id: str
    standing: tuple[Path, ...]
    reins: Reins


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
        """Fetch and write; a picture that is already there ends the matter, unless it is ours and shows another version."""
        self._downloads.tidy(self.clock.now())
        listed: dict[Path, Surroundings] = {}
        return one_by_one(tasks, reins, lambda task: self._picture(task, listed, reins))

    @property
    def _downloads(self) -> DownloadDirectory:
        return DownloadDirectory(self.store.database.path.parent / "downloads", self.client)

    def _picture(self, task: Task, listed: dict[Path, Surroundings], reins: Reins) -> Outcome[Pictured]:
        file, place = present_file(self.store, self.places, task)
        if not place.output.images.is_saved:
            return Done(task, Pictured(file), is_followed=False)
        version = describe(self.store, file).version
        if version is None or awaits_its_sidecars(self.store, file) or self.store.decisions.is_ignored(file.content_id):
            return Done(task, Pictured(file), is_followed=False)
        sitting = Sitting(task, file, place, str(version.id), self._standing(file, place, listed), reins)
        if not self._is_wanted(sitting):
            return Done(task, Pictured(file), is_followed=False)
        written = self._write_all(sitting, fit_to_be_shown(version.images, self.nsfw_threshold))
        removed = self._remove_outdated(sitting, written)
        first = next(iter(written), None)
        preview = relative_to_folder(place, Path(first)) if first is not None else None
        return Done(task, Pictured(file, written, removed, preview), is_followed=bool(written or removed))

    def _is_wanted(self, sitting: Sitting) -> bool:
        if owner_of_stem(self.store, sitting.file).id != sitting.file.id:
            return False
        return all(self._outdated(each, sitting.version_id) is not None for each in sitting.standing)

    def _standing(self, file: ModelFile, place: Place, listed: dict[Path, Surroundings]) -> tuple[Path, ...]:
        """Give the pictures that stand there, whoever put them there; each directory is listed once per batch."""
        directory = place.locate(file).parent
        around = listed.get(directory) or Surroundings.of(directory, model_names(self.store, file))
        listed[directory] = around
        stem = os.path.splitext(os.path.basename(file.path))[0]
        return tuple(shown_pictures(place, file, around.companions_of(stem)))

    def _outdated(self, picture: Path, version_id: str) -> os.stat_result | None:
        """Give the stat of a picture that we wrote of another version and nobody has touched since; None for any other."""
        ours = ours_of_version(self.store, picture)
        return ours[0] if ours is not None and ours[1] != version_id else None

    def _write_all(self, sitting: Sitting, images: Sequence[RemoteImage]) -> Stats:
        """Write as many as are wanted; a picture that is no good gives its place to the next, if any of them is better."""
        written: Stats = {}
        failures: list[CivitaiUnavailable] = []
        refusals: list[CivitaiRefused | BrokenModelFile] = []
        count = 0
        for image in images:
            if count >= picture_limit(sitting.place) or len(failures) >= MOST_FAILURES:
                break
            try:
                written |= self._write_picture(sitting, image, count + 1, is_first=not written)
                count += 1
            except (CivitaiRefused, BrokenModelFile) as error:
                log.warning("preview_not_written", path=readable(sitting.file.path), reason=str(error))
                refusals.append(error)
            except CivitaiUnavailable as error:
                failures.append(error)
                if written:
                    break  # what stands is never added to later, so what there is must do
                if sitting.task.attempts < PATIENT_TRIES or isinstance(error, CivitaiRateLimited):
                    raise
            except (WriteRefused, FileUnreadable, FileGone) as error:
                log.warning("preview_not_written", path=readable(sitting.file.path), reason=str(error))
                break  # the next could not be written there either
        if failures and not written:
            raise failures[0]
        if refusals and not written:
            self._doubt(sitting.task, refusals)
        return written

    def _doubt(self, task: Task, refusals: Sequence[CivitaiRefused | BrokenModelFile]) -> None:
        """Raise where a later try may bring what is refused now, for a host in trouble refuses everything."""
        waited = self.clock.now() - task.queued_at
        wait_seconds = min(max(waited.total_seconds(), FIRST_WAIT_SECONDS), LONGEST_WAIT_SECONDS)
        for each in refusals:
            if isinstance(each, CivitaiForbids):
                each.retry_after_seconds = max(wait_seconds, each.retry_after_seconds or 0.0)
                raise each
        if waited < BELIEVED_AFTER and not all(isinstance(each, AnswerTooLarge) for each in refusals):
            raise CivitaiUnavailable(f"no picture came: {refusals[0]}", retry_after_seconds=wait_seconds)

    def _write_picture(self, sitting: Sitting, image: RemoteImage, number: int, *, is_first: bool) -> Stats:
        """Write one picture, and with a video's still the clip."""
        suffix, content = self._fetch(sitting, image)
        if is_first and has_come(sitting.place, sitting.file, sitting.standing):
            raise WriteRefused("a picture of somebody else's has come meanwhile")
        target = picture_path(sitting.place, sitting.file, suffix, number)
        written = {str(target): self._write(sitting, target, content)}
        return written | (self._write_clip(sitting, image, number) if image.type == "video" else {})

    def _fetch(self, sitting: Sitting, image: RemoteImage) -> tuple[str, bytes]:
        """Give the picture, or a video's still, with the suffix that its bytes call for."""
        content = self._downloads.fetch(thumbnail_url(image, WIDTH), MAX_PICTURE_BYTES)
        if not sitting.place.output.images.is_numbered:
            return ".png", sitting.reins.read(to_png, content, max_width=WIDTH)
        suffix = picture_suffix(content[:64])
        if suffix is None:
            raise BrokenModelFile("what Civitai lists as a picture is none")
        sitting.reins.read(demand_bounded, content)
        return suffix, content

    def _write_clip(self, sitting: Sitting, video: RemoteImage, number: int) -> Stats:
        """Write a video's small clip beside its still; without it the still does."""
        try:
            content = self._downloads.fetch(clip_url(video, WIDTH), MAX_CLIP_BYTES)
            target = picture_path(sitting.place, sitting.file, _clip_suffix(content), number)
            return {str(target): self._write(sitting, target, content)}
        except (CivitaiRefused, CivitaiUnavailable, BrokenModelFile, WriteRefused, FileUnreadable, FileGone) as error:
            log.warning("preview_not_written", path=readable(sitting.file.path), reason=str(error))
            return {}

    def _write(self, sitting: Sitting, target: Path, content: bytes) -> tuple[int, int]:
        place = sitting.place
        demand_present(self.store, place, sitting.file)
        make_room(place, target)
        intend, border = self._intention(sitting, target), place.border(target)
        content = marked(content, mark_text(sitting.version_id))
        outdated = self._outdated(target, sitting.version_id)
        if outdated is not None:
            status = replace_file(target, content, expected=outdated, on_ready=intend, within=border)
        else:
            status = create_file(target, content, on_ready=intend, within=border)
        log.info("preview_written", path=readable(target))
        return status.st_size, status.st_mtime_ns

    def _intention(self, sitting: Sitting, target: Path) -> Callable[[os.stat_result], None]:
        def intend(status: os.stat_result) -> None:
            whose = {VERSION: sitting.version_id}
            self.store.ledger.intend(
                Writing(os.fsencode(target), sitting.file.id, "preview", status.st_size, status.st_mtime_ns, whose)
            )

        return intend

    def _remove_outdated(self, sitting: Sitting, written: Stats) -> tuple[str, ...]:
        """Remove our pictures of another version that nothing took the place of."""
        removed: list[str] = []
        for picture in sitting.standing:
            outdated = self._outdated(picture, sitting.version_id)
            if str(picture) in written or outdated is None:
                continue
            try:
                remove_file(picture, expected=outdated, within=sitting.place.border(picture))
            except (WriteRefused, FileUnreadable, FileGone) as error:
                log.warning("preview_not_removed", path=readable(picture), reason=str(error))
                continue
            log.info("preview_removed", path=readable(picture))
            removed.append(str(picture))
        return tuple(removed)

    def record(self, done: Sequence[Done[Pictured]]) -> list[NewTask]:
        """Remember the pictures as ours, so that they do not come back as news."""
        for each in done:
            pictured = each.result
            file = self.store.files.get(pictured.file.id)
            if file is not None and (pictured.written or pictured.removed):
                self._record_one(file, pictured)
        return []

    def _record_one(self, file: ModelFile, pictured: Pictured) -> None:
        beside = self._beside(pictured)
        gone = {Path(each).name for each in pictured.removed}
        for sharer in sharing_stem(self.store, file):
            known = {name: stat for name, stat in from_text(sharer.companions).items() if name not in gone}
            self.store.files.set_companions(sharer.id, to_text(known | beside))
        self.store.entries.set_preview(file.id, pictured.preview)

    def _beside(self, pictured: Pictured) -> Stats:
        """Give what a scan will find beside the model, too; elsewhere, or under another name, nobody looks for it."""
        path = pictured.file.absolute(self.places[pictured.file.folder_id].root)
        stem = os.path.splitext(os.path.basename(pictured.file.path))[0]
        found = {Path(each): stat for each, stat in pictured.written.items() if Path(each).parent == path.parent}
        return {each.name: stat for each, stat in found.items() if previews([os.fsencode(each.name)], stem)}


def _clip_suffix(content: bytes) -> str:
    suffix = picture_suffix(content[:64]) or ""
    if os.fsencode(suffix) not in VIDEO_SUFFIXES:
        raise BrokenModelFile("what Civitai lists as a video is none")
    return suffix
