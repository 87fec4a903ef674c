"""Leave to read in bulk: which folders must wait with it, at what rate it may go on, and with how many readers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from modelshelf.domain.window import Windows
    from modelshelf.worker.restraint import Restraint

ON_DEMAND = "on demand only"
AGAIN = timedelta(seconds=30)
"""How long a pause for the machine's sake lasts before anybody asks whether it is over."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the bulk reading of one folder is bound to. Rates are bytes a second; `readers` None: as many as prove useful.

    Outside its windows nothing is read, unless there is an `outside_rate` for that.
    """

    has_background: bool = True
    windows: Windows | None = None
    rate: float | None = None
    outside_rate: float | None = None
    readers: int | None = None


@dataclass(frozen=True, slots=True)
class _Outlook:
    """Whether windows are open from one moment up to another, None for good."""

    since: datetime
    is_open: bool
    until: datetime | None

    def covers(self, moment: datetime) -> bool:
        return self.since <= moment and (self.until is None or moment < self.until)


def _none(_: str = "") -> Collection[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Leave:
    """Says when bulk reading has leave. What was dropped, or a person asked for, needs none.

    It is asked before every piece of bulk work and all the while it goes on, so all answers are at hand; nothing is looked at
    while nobody asks. `folders_on` gives the folders of a device, `ordered` those that a job is to read whatever their
    `has_background` says. `is_missed_made_up`: a window that was slept through opens at once, for as long as it was.
    """

    terms: Mapping[str, Terms] = field(default_factory=dict)
    restraint: Restraint | None = None
    is_missed_made_up: bool = False
    folders_on: Callable[[str], Collection[str]] = _none
    ordered: Callable[[], Collection[str]] = _none
    _made_up: dict[Windows, datetime] = field(default_factory=dict)
    _outlooks: dict[Windows, _Outlook] = field(default_factory=dict)

    def held(self, folder_ids: Collection[str], now: datetime) -> dict[str, str]:
        """Give why, for each of these folders whose bulk reading must wait. `now` may be to come, as far as the calendar goes."""
        paused = self.restraint.reason() if self.restraint is not None else None
        return {each: reason for each in folder_ids if (reason := self._bar(each, now) or paused)}

    def free(self, folder_ids: Collection[str], now: datetime) -> list[str]:
        """Give those of these folders that may be read in bulk."""
        held = self.held(folder_ids, now)
        return [each for each in folder_ids if each not in held]

    def next_change(self, now: datetime) -> datetime | None:
        """Give when to ask `held` and `allowance` again, None for never; a job that orders a folder rings."""
        windows = {each.windows for each in self.terms.values() if each.windows is not None}
        moments = [self._outlook(each, now).until for each in windows]
        moments += [until for until in (*self._made_up.values(),) if until > now]
        if self.restraint is not None and self.restraint.reason() is not None:
            moments.append(now + AGAIN)
        return min((each for each in moments if each is not None), default=None)

    def allowance(self, device: str, now: datetime) -> float | None:
        """Give how many bytes a second may be read of `device` now, None for no limit; the strictest folder on it decides."""
        terms = [self._terms(each) for each in self.folders_on(device)]
        rates = [each.outside_rate if self._is_outside(each, now) else each.rate for each in terms]
        return min((each for each in rates if each is not None), default=None)

    def slots(self, device: str) -> int | None:
        """Give how many are to read of `device` at once, None where nobody said."""
        readers = [self._terms(each).readers for each in self.folders_on(device)]
        return max((each for each in readers if each is not None), default=None)

    def is_calm(self) -> bool:
        """Tell whether the machine has nothing against beginning what nobody waits for."""
        return self.restraint is None or self.restraint.is_calm()

    def make_up_for(self, since: datetime, until: datetime) -> None:
        """Take note that nobody was awake from one moment to another: what was missed is made up for, or not, as is wished."""
        if not self.is_missed_made_up:
            return
        for windows in {each.windows for each in self.terms.values() if each.windows is not None}:
            missed = windows.last_ended(until)
            if missed is not None and since <= missed[0]:
                self._made_up[windows] = until + (missed[1] - missed[0])

    def _terms(self, folder_id: str) -> Terms:
        return self.terms.get(folder_id, Terms())

    def _bar(self, folder_id: str, now: datetime) -> str | None:
        """Give what the configuration has against reading in a folder now."""
        terms = self._terms(folder_id)
        if not terms.has_background and folder_id not in self.ordered():
            return ON_DEMAND
        if terms.windows is None or terms.outside_rate is not None or not self._is_outside(terms, now):
            return None
        opens_at = self._outlook(terms.windows, now).until
        if opens_at is None:
            return "outside its window"
        return f"outside its window until {opens_at.astimezone(terms.windows.zone):%a %H:%M}"

    def _is_outside(self, terms: Terms, now: datetime) -> bool:
        if terms.windows is None or self._outlook(terms.windows, now).is_open:
            return False
        made_up_until = self._made_up.get(terms.windows)
        return made_up_until is None or now >= made_up_until

    def _outlook(self, windows: Windows, now: datetime) -> _Outlook:
        known = self._outlooks.get(windows)
        if known is None or not known.covers(now):
            known = _Outlook(now, windows.contains(now), windows.next_change(now))
            self._outlooks[windows] = known
        return known
