"""How things stand, in the one sentence that `systemctl status` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf import systemd
from modelshelf.cli.progress_text import reading_text
from modelshelf.cli.wording import count_text
from modelshelf.domain.display import readable
from modelshelf.errors import ModelshelfError
from modelshelf.progress import PROGRESS_STANDING, from_json
from modelshelf.shelf.room import room_at
from modelshelf.worker.postponed import NETWORK_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from modelshelf.daemon import House

NAMES_SHOWN = 3


class Standing:
    """Tells systemd how things stand, when that changed and only then. `remark` is what a person should know besides."""

    def __init__(self) -> None:
        self.remark: str | None = None
        self._said: str | None = None

    def tell(self, house: House, *remarks: str) -> None:
        """Say it, and `remarks` for this once; while the journal does not answer the last sentence stands."""
        if not systemd.is_heard():
            return
        try:
            text = sentence(house)
        except ModelshelfError:
            return
        text = "; ".join([text, *([self.remark] if self.remark else []), *remarks])
        if text != self._said:
            systemd.status(text)
            self._said = text

    def forget(self) -> None:
        """Say it anew next time: somebody else said something in between."""
        self._said = None


def sentence(house: House) -> str:
    """Give what is watched, what is owed and given up, and what a person should see to: a full disk, folders that are away."""
    away = {
        state.id: state.offline_since
        for state in house.store.folders.states()
        if state.id in house.places and state.offline_since is not None
    }
    folders = count_text(len(house.places) - len(away), "folder", "folders")
    parts = [
        f"watching {folders}",
        _owed_text(house),
        *_reading(house),
        *_given_up(house),
        *_full(house),
        *_forbidden(house),
    ]
    parts += [*_held(house), *_away(away)]
    return "; ".join(parts)


def _owed_text(house: House) -> str:
    without = NETWORK_KINDS if house.config.is_offline else set()
    owed = house.store.journal.owed(until=house.clock.now())
    count = sum(each for kind, each in owed.items() if kind not in without)
    return f"{count_text(count, 'task', 'tasks')} owed" if count else "nothing owed"


def _reading(house: House) -> list[str]:
    progress = from_json(house.store.standing.get(PROGRESS_STANDING))
    text = reading_text(progress.tally, progress, house.clock.now()) if progress is not None else None
    return [text] if text is not None else []


def _given_up(house: House) -> list[str]:
    count = house.store.journal.given_up()
    return [f"{count_text(count, 'task', 'tasks')} given up"] if count else []


def _full(house: House) -> list[str]:
    is_full = room_at(house.config.state_directory).is_full
    return ["the disk of the state is full, so work waits"] if is_full else []


def _forbidden(house: House) -> list[str]:
    return [readable(each.reason) for each in house.client.vitals().troubles if each.is_forbidden]


def _held(house: House) -> list[str]:
    return [
        f"{count_text(each.file_count, 'file', 'files')} vanished at once from {readable(each.folder_id)}"
        for each in house.store.holds.all()[:NAMES_SHOWN]
    ]


def _away(away: Mapping[str, datetime]) -> list[str]:
    named = [
        f"{readable(each)} offline since {away[each].astimezone():%Y-%m-%d %H:%M}" for each in [*away][:NAMES_SHOWN]
    ]
    rest = len(away) - len(named)
    return [*named, f"{rest} more offline"] if rest else named
