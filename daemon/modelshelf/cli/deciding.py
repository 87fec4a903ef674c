"""What a person decides of a file: whose bytes are meant, who says so, and what is owed so that all that shows it follows."""

from __future__ import annotations

import os
import pwd
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from modelshelf.cli.opening import NothingRecorded
from modelshelf.cli.showing import show_json, show_line
from modelshelf.cli.why import find_files
from modelshelf.cli.wording import count_text, path_json
from modelshelf.clock import SystemClock
from modelshelf.domain.decision import Decision
from modelshelf.domain.display import readable
from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.errors import ModelshelfError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from modelshelf.cli.opening import Opening
    from modelshelf.domain.content import Content
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.store.store import Store


class NotReadYet(ModelshelfError):
    """A decision hangs on what is in a file, and nobody knows that yet."""


@dataclass(frozen=True, slots=True)
class Meant:
    """The bytes that are decided about, and the files that hold them; those that are there if any is."""

    content: Content
    files: Sequence[ModelFile]

    @property
    def name(self) -> str:
        """How a person calls it."""
        return readable(os.path.basename(self.files[0].path))


@contextmanager
def deciding(opening: Opening, target: str) -> Iterator[tuple[Store, Meant]]:
    """Open the store and give the one content that `target` means; a path, a name or a hash as for `why`."""
    if not opening.store_path.exists():
        raise NothingRecorded("nothing is recorded yet: there is no file about which anything could be decided")
    with opening.writing() as store:
        yield store, _meant(store, find_files(opening, store, target))


def _meant(store: Store, found: Sequence[ModelFile]) -> Meant:
    unread = [file for file in found if file.content_id is None]
    if unread:
        reason = unread[0].hash_skipped_reason or "it has not been hashed yet"
        raise NotReadYet(
            f"{readable(unread[0].path)} is not known by its bytes: {readable(reason)}; a decision is about bytes"
        )
    ids = {file.content_id for file in found}
    content_id = found[0].content_id
    content = store.contents.get(content_id) if content_id is not None else None
    if len(ids) > 1 or content is None:
        names = ", ".join(f"{file.folder_id}: {readable(file.path)}" for file in found)
        raise UsageError(f"files with different bytes are meant ({names}); give more of the path, or a hash")
    return Meant(content, store.files.of_content(content.id) or found)


def decided(matter: str, value: JsonValue) -> Decision:
    """Make a decision of the person who typed the command, now."""
    return Decision(matter, value, _person(), SystemClock().now())


def _person() -> str:
    """Tell who types: who became the daemon's user by sudo is meant, and not that user."""
    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"#{os.getuid()}"


def owe_again(store: Store, meant: Meant, *kinds: TaskKind) -> None:
    """Have everything that shows these bytes follow: entries at once, sidecars, pages and galleries as work that is owed."""
    now = SystemClock().now()
    with store.database.transaction():
        store.entries.refresh([file.id for file in meant.files])
        present = [file for file in meant.files if file.missing_since is None]
        store.journal.add(
            [NewTask(kind, str(file.id), priority=Priority.PERSON) for file in present for kind in kinds], now
        )


def owe_lookup(store: Store, meant: Meant) -> None:
    """Have Civitai asked about these bytes at once, unless they are to be left alone."""
    if not store.decisions.is_ignored(meant.content.id):
        lookup = NewTask(TaskKind.IDENTIFY_CONTENT, str(meant.content.id), priority=Priority.PERSON, is_forced=True)
        store.journal.add([lookup], SystemClock().now())


def report(opening: Opening, meant: Meant, said: str, document: JsonObject, *, is_json: bool) -> None:
    """Poke the daemon, then tell what was decided, and about which files."""
    from modelshelf.watching.poke import poke  # noqa: PLC0415 -- only after the work is owed

    is_heard = poke(opening.state_directory)
    if is_json:
        files: list[JsonValue] = [{"folder": each.folder_id, **path_json(each.path)} for each in meant.files]
        show_json({"sha256": meant.content.hashes.sha256, "files": files, **document, "is_daemon_running": is_heard})
        return
    others = len(meant.files) - 1
    copies = f" The same holds for {count_text(others, 'copy', 'copies')} of it." if others else ""
    show_line(f"{said}{copies}{'' if is_heard else ' What is written beside it follows when the daemon runs.'}")


def demand_one_wish(*, has_value: bool, is_cleared: bool, value_name: str) -> None:
    """Refuse a command that names both a value and --clear, or neither."""
    if has_value == is_cleared:
        raise click.UsageError(f"Give {value_name}, or --clear.")
