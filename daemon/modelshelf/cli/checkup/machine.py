"""The machine: limits of inotify and open files, the clock, and the libraries that go without saying."""

from __future__ import annotations

import errno
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tzlocal import get_localzone_name

from modelshelf.cli.checkup.finding import Finding, Level
from modelshelf.cli.checkup.premises import open_file_limit
from modelshelf.cli.wording import when_text
from modelshelf.config.sections.deep_scan import Engine
from modelshelf.domain.display import readable
from modelshelf.domain.folder import WatchMode
from modelshelf.watching.limits import explain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.cli.checkup.finding import Deadline
    from modelshelf.cli.checkup.patient import Patient

FEWEST_OPEN_FILES = 1024
SPARE_INSTANCES = 8
"""Other programs of the same user watch things, too."""

EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
"""This program is younger than any clock that says less."""

LATEST = datetime(2100, 1, 1, tzinfo=UTC)
AHEAD = timedelta(minutes=5)
TIMEDATECTL = ("timedatectl", "show", "--property=NTPSynchronized", "--value")
TIMEDATECTL_SECONDS = 3.0


def watches(patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
    """Tell whether the kernel allows enough watches for every directory; what the daemon could not watch it said itself."""
    with patient.store() as store:
        heard = store.watches.of_folders() if store is not None else {}
    wanted = sum(each.watched_count + each.unwatched_count for each in heard.values())
    for folder_id, coverage in heard.items():
        if coverage.problem is not None:
            text = f"{coverage.unwatched_count:,} directories are not watched: {readable(coverage.problem)}"
            yield Finding("watches", Level.WARNING, text, "raise the limit, or set watch: poll for it", folder_id)
    limits = patient.proc / "sys" / "fs" / "inotify"
    instances = sum(folder.watch is not WatchMode.POLL for folder in patient.folders)
    for name, number, needed in (
        ("max_user_watches", errno.ENOSPC, wanted),
        ("max_user_instances", errno.EMFILE, instances + SPARE_INSTANCES),
    ):
        try:
            most = int((limits / name).read_text())
        except (OSError, ValueError):
            continue  # another kernel, or hidden from us: what fails for it the daemon tells
        if most < needed:
            advice = explain(OSError(number, ""), needed, limits)
            yield Finding("watches", Level.WARNING, f"{name} is {most:,}, and {needed:,} are needed", advice)
        else:
            yield Finding("watches", Level.OK, f"{name} is {most:,}, {needed:,} needed")


def open_files(patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
    """Tell whether the daemon may have enough files open."""
    most = open_file_limit(patient) if patient.pid else None
    if most is None:
        return
    if most < FEWEST_OPEN_FILES:
        advice = "systemctl edit modelshelf: LimitNOFILE=65536, then restart it"
        yield Finding("open files", Level.WARNING, f"the daemon may have only {most:,} files open", advice)
    else:
        yield Finding("open files", Level.OK, f"the daemon may have {most:,} files open")


def clock(patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
    """Tell whether the time can be right: the year, what was recorded before, the time zone, and who keeps it."""
    now = patient.clock.now()
    advice = "set the clock: timedatectl set-ntp true; see the battery of the board"
    shown = now.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    if not EARLIEST <= now <= LATEST:
        yield Finding("clock", Level.WRONG, f"it cannot be {shown}", advice)
    else:
        yield Finding("clock", Level.OK, shown)
    with patient.store() as store:
        latest = store.events.latest(1) if store is not None else []
    if latest and latest[0].happened_at > now + AHEAD:
        text = f"something was recorded {when_text(latest[0].happened_at, now)}: the clock was set back"
        yield Finding("clock", Level.WARNING, text, "see which time is right; the daemon goes by the clock as it is")
    yield from _zone()
    yield from _synchronised()


def _zone() -> Iterator[Finding]:
    try:
        get_localzone_name()
    except (LookupError, ValueError, OSError) as error:
        text = f"the time zone cannot be told ({readable(str(error))}): schedules are in UTC"
        yield Finding("clock", Level.WARNING, text, "timedatectl set-timezone, or schedule.timezone")


def _synchronised() -> Iterator[Finding]:
    program = shutil.which(TIMEDATECTL[0])
    if program is None:
        return
    try:
        answer = subprocess.run(  # noqa: S603 -- the machine's own program
            [program, *TIMEDATECTL[1:]], capture_output=True, text=True, timeout=TIMEDATECTL_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return  # no systemd here, as in a container
    if answer.stdout.strip() == "no":
        yield Finding("clock", Level.WARNING, "nobody keeps it: NTP is not in step", "timedatectl set-ntp true")
    elif answer.stdout.strip() == "yes":
        yield Finding("clock", Level.OK, "kept by NTP")


def packages(patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
    """Tell which libraries are missing for what the configuration asks for."""
    file = patient.config.file if patient.config else None
    wanted = {"picklescan": ("pickles are not looked through for programs", "pip install picklescan")}
    if file is not None and file.notifications.target_texts:
        wanted["apprise"] = ("nobody can be notified", "pip install 'modelshelf[notify]'")
    if file is not None and file.deep_scan.engine is Engine.DASK:
        wanted["distributed"] = ("chunks cannot be read by other machines", "pip install 'modelshelf[cluster]'")
    missing = [name for name in wanted if find_spec(name) is None]
    for name in missing:
        text, advice = wanted[name]
        yield Finding("packages", Level.WRONG, f"{name} is missing: {text}", advice)
    if not missing:
        yield Finding("packages", Level.OK, f"there: {', '.join(wanted)}")
