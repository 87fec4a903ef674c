"""`modelshelf verify`: read files again now, show what rotted, and say what is to become of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from modelshelf.cli.exits import Exit
from modelshelf.cli.finding import find_spots
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import json_option, show_json, show_line
from modelshelf.cli.wording import count_text, path_json
from modelshelf.clock import SystemClock
from modelshelf.domain.display import readable
from modelshelf.domain.task import Priority, TaskKind
from modelshelf.errors import ModelshelfError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from modelshelf.cli.finding import Spot
    from modelshelf.cli.owing import Errand
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.store.store import Store
    from modelshelf.store.verifications import Unverified

ACCEPT, DISMISS = "accept", "dismiss"
LOOK_SECONDS = 0.2

pause = time.sleep


@click.command()
@click.argument("target", required=False, metavar="[FOLDER_ID|PATH | accept FILE | dismiss FILE]")
@click.argument("file", required=False, metavar="")
@click.option("--wait", "is_waited", is_flag=True, help="Wait until it is done; without a daemon it is done here.")
@click.option("--all", "is_all", is_flag=True, help="Everything there, however lately it was read.")
@click.option("--list", "is_list", is_flag=True, help="Read nothing; show the damage that is known.")
@json_option
@global_options
@click.pass_obj
def verify(opening: Opening, /, target: str | None, file: str | None, *, is_json: bool, **flags: bool) -> int:
    """Read files again now and see that they still hold the bytes that they held; exit status 1 if any does not.

    Without --all a folder is read as far as `verify.per_night` goes, the longest unread first; what lies at a path in it is
    read in full. Of what is damaged `accept FILE` says that the bytes there now are right, and `dismiss FILE` that you know.
    """
    if file is not None:
        if target not in {ACCEPT, DISMISS} or any(flags.values()):
            raise click.UsageError("After a file there is nothing to say but accept or dismiss before it.")
        return _decide(opening, target, file, is_json=is_json)
    if target in {ACCEPT, DISMISS}:
        raise click.UsageError(f"Name the file: modelshelf verify {target} FILE.")
    spots = find_spots(opening.config, target)
    if flags["is_list"]:
        with opening.reading() as store:
            return _show(opening, store, spots, {"is_done": True}, is_json=is_json)
    return _verify(opening, spots, is_json=is_json, is_waited=flags["is_waited"], is_all=flags["is_all"])


def _verify(opening: Opening, spots: Sequence[Spot], *, is_json: bool, is_waited: bool, is_all: bool) -> int:
    from modelshelf.cli.waiting import do_alone  # noqa: PLC0415 -- only where work is asked for
    from modelshelf.watching.poke import poke  # noqa: PLC0415 -- likewise

    def owe(store: Store) -> Errand:
        return _owe(opening, store, spots, is_all=is_all)

    if is_waited and opening.daemon_pid() is None:
        with opening.owning() as store:
            do_alone(opening, store, owe(store))
            return _show(opening, store, spots, {"is_done": True}, is_json=is_json)
    with opening.writing() as store:
        errand = owe(store)
        is_heard = poke(opening.state_directory)
        if is_waited:
            _wait(opening, store, errand.folder_ids)
        else:
            opening.note(
                "The daemon reads them again." if is_heard else "Noted; it is done as soon as the daemon runs."
            )
        return _show(opening, store, spots, {"is_done": is_waited, "is_daemon_running": is_heard}, is_json=is_json)


def _owe(opening: Opening, store: Store, spots: Sequence[Spot], *, is_all: bool) -> Errand:
    from modelshelf.cli.owing import Errand  # noqa: PLC0415 -- sqlite_utils comes with the store
    from modelshelf.steps.verifying import OWED_AT_ONCE, owe_verification  # noqa: PLC0415 -- likewise

    now, folder_ids = SystemClock().now(), tuple(spot.folder.id for spot in spots)
    files = list(_chosen(opening, store, spots, is_all=is_all))
    if not files and any(spot.path for spot in spots):
        raise UsageError(f"nothing at {readable(spots[0].absolute)} was ever hashed: there is nothing to compare with")
    with store.database.transaction():  # or the run would be over before anything is owed of it
        run_id = store.runs.start(None, now)
        owe_verification(store, files[:OWED_AT_ONCE], now, run_id=run_id, priority=Priority.PERSON)
    owe_verification(store, files[OWED_AT_ONCE:], now, run_id=run_id, priority=Priority.PERSON)
    if not files:
        store.runs.end(run_id, now)
    opening.note(f"{count_text(len(files), 'file is', 'files are')} to be read again.")
    return Errand(folder_ids, (run_id,))


def _chosen(opening: Opening, store: Store, spots: Sequence[Spot], *, is_all: bool) -> Iterator[Unverified]:
    from modelshelf.steps.verifying import share_of_night  # noqa: PLC0415 -- likewise

    if is_all or any(spot.path for spot in spots):
        for spot in spots:
            yield from store.verifications.within(spot.folder.id, spot.path)
        return
    settings = opening.config.file.verify.to_settings()
    yield from share_of_night(store, settings, [spot.folder.id for spot in spots], SystemClock().now())


def _wait(opening: Opening, store: Store, folder_ids: Collection[str]) -> None:
    """Wait until the daemon has read them; what waits for its next try is not waited for."""
    while store.verifications.asked_for(folder_ids, SystemClock().now()):
        if opening.daemon_pid() is None:
            raise ModelshelfError("the daemon stopped meanwhile; it goes on when it runs again")
        pause(LOOK_SECONDS)


def _show(opening: Opening, store: Store, spots: Sequence[Spot], document: JsonObject, *, is_json: bool) -> int:
    from modelshelf.cli.rotten import evidence_json, evidence_lines, standing_evidence  # noqa: PLC0415 -- likewise

    now = SystemClock().now()
    found = [each for each in standing_evidence(store) if _is_meant(each.file, spots)]
    unread = list(_unread(store, spots))
    is_told = any(each.rot.is_told for each in found)
    for file, reason in unread:
        opening.note(f"{readable(file.path)} could not be read: {readable(reason)}")
    if is_json:
        troubles: list[JsonValue] = [
            {**path_json(file.path), "folder": file.folder_id, "reason": reason} for file, reason in unread
        ]
        show_json({**document, "damaged": [evidence_json(each) for each in found], "unreadable": troubles})
    else:
        for each in found:
            for line in evidence_lines(each, now):
                show_line(line)
        if is_told:
            show_line("Decide: modelshelf verify accept FILE, if these bytes are right; or verify dismiss FILE.")
        elif not found:
            show_line("No damage is known.")
    return Exit.FAILED if is_told or unread else Exit.GOOD


def _unread(store: Store, spots: Sequence[Spot]) -> Iterator[tuple[ModelFile, str]]:
    """Give what a disk did not let be read again, with the reason: no damage that is known, and no proof against it."""
    for task in store.journal.failures():
        file = store.files.get(int(task.subject)) if task.kind is TaskKind.VERIFY_FILE else None
        if file is not None and _is_meant(file, spots):
            yield file, task.last_error or "unknown"


def _is_meant(file: ModelFile, spots: Sequence[Spot]) -> bool:
    return any(
        file.folder_id == spot.folder.id and (spot.path in {b"", file.path} or file.path.startswith(spot.path + b"/"))
        for spot in spots
    )


def _decide(opening: Opening, verb: str, target: str, *, is_json: bool) -> int:
    from modelshelf.watching.poke import poke  # noqa: PLC0415 -- only after the work is owed

    with opening.writing() as store:
        file = _damaged(opening, store, target)
        (_accept if verb == ACCEPT else _dismiss)(store, file)
    is_heard = poke(opening.state_directory)
    if is_json:
        show_json({"file_id": file.id, "decision": verb, "is_daemon_running": is_heard})
    elif verb == ACCEPT:
        show_line(f"{readable(file.path)} is hashed anew, and described by the bytes that it has now.")
    else:
        show_line(f"{readable(file.path)} stays as it is; you are told again only if it goes on rotting.")
    return Exit.GOOD


def _damaged(opening: Opening, store: Store, target: str) -> ModelFile:
    from modelshelf.cli.why import find_files  # noqa: PLC0415 -- only for who decides

    damaged = [file for file in find_files(opening, store, target) if store.rot.of(file.id) is not None]
    if len(damaged) != 1:
        count = count_text(len(damaged), "damaged file is", "damaged files are")
        raise UsageError(f"{count} meant by {readable(target)}; modelshelf verify --list shows what is damaged")
    return damaged[0]


def _accept(store: Store, file: ModelFile) -> None:
    from modelshelf.domain.rot import RotEnd  # noqa: PLC0415 -- likewise

    now = SystemClock().now()
    with store.database.transaction(is_durable=True):
        store.rot.end(file.id, RotEnd.ACCEPTED, now)
        store.files.change(
            file.id, file.fingerprint, now, priority=Priority.PERSON, waiting_reason=file.waiting_reason, run_id=None
        )
        store.entries.refresh([file.id])


def _dismiss(store: Store, file: ModelFile) -> None:
    with store.database.transaction(is_durable=True):
        store.rot.dismiss(file.id, SystemClock().now())
