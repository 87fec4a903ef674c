"""Configuration, state directory, daemon: whether it is set up, and whether anybody answers."""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf import __version__
from modelshelf.cli.checkup.account import account_of
from modelshelf.cli.checkup.finding import Finding, Level
from modelshelf.cli.health import VERSION_STANDING, last_work, size_at, work_text
from modelshelf.cli.opening import STORE_NAME
from modelshelf.cli.unit_files import doubts
from modelshelf.cli.wording import count_text, size_text, span_text
from modelshelf.domain.display import readable
from modelshelf.errors import ModelshelfError
from modelshelf.shelf.devices import device_of
from modelshelf.shelf.room import room_at
from modelshelf.store.backups import SPARE_BYTES
from modelshelf.store.local_disk import MOUNTS, require_local_disk
from modelshelf.vitals import vitals_of
from modelshelf.watching.poke import is_answered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelshelf.cli.checkup.finding import Deadline
    from modelshelf.cli.checkup.patient import Patient

OTHERS_MAY_WRITE = 0o022
FULL_SHARE = 0.8
"""A daemon that has so many of the files open that it may have will soon be refused one."""

NAMES_SHOWN = 5


def configuration(patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
    """Tell whether it can be read, and every question about it."""
    config = patient.config
    if config is None:
        text = " ".join((patient.complaint or "").split())
        is_elsewhere = patient.state_directory is not None
        advice = "name it with --config FILE" if is_elsewhere else "modelshelf config check; or name --state DIR"
        level = Level.WARNING if is_elsewhere else Level.WRONG
        yield Finding("configuration", level, readable(text), advice)
        return
    origin = readable(config.path) if config.path else "the environment"
    folders = count_text(len(config.folders()), "folder", "folders")
    yield Finding("configuration", Level.OK, f"{origin}: {folders}, {count_text(len(config.jobs), 'job', 'jobs')}")
    for text in (*config.warnings, *config.not_done(), *doubts(config)):
        yield Finding("configuration", Level.WARNING, text, "mend it, then: modelshelf config check")


def state(patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
    """Tell whether the state directory is there, on a disk of this machine, with room, and its owner's alone."""
    directory = patient.state_directory
    if directory is None:
        yield Finding("state", Level.WRONG, "it is not known where the state is", "name it with --state DIR")
        return
    shown = readable(directory)
    try:
        status = directory.stat()
    except FileNotFoundError:
        if patient.is_state_named:
            yield Finding("state", Level.WRONG, f"{shown} is not there", "name the right directory with --state DIR")
            return
        advice = "start the daemon: systemctl start modelshelf, or modelshelf run"
        yield Finding("state", Level.WARNING, f"{shown} is not there: no daemon ever ran on it", advice)
        return
    if not stat.S_ISDIR(status.st_mode):
        advice = "move it away, or name another store.directory"
        yield Finding("state", Level.WRONG, f"{shown} is no directory", advice)
        return
    yield from _ground(directory)
    yield from _ownership(directory, status)
    yield from _room(directory)


def _ground(directory: Path) -> Iterator[Finding]:
    shown = readable(directory)
    try:
        require_local_disk(directory, MOUNTS)
    except ModelshelfError as error:
        yield Finding("state", Level.WRONG, str(error), "move it to a local disk and name that as store.directory")
        return
    yield Finding("state", Level.OK, f"{shown} on {device_of(directory).file_system}")
    if os.statvfs(directory).f_flag & os.ST_RDONLY:
        advice = "see dmesg for why the kernel made it so, then remount it"
        yield Finding("state", Level.WRONG, f"the file system of {shown} is read-only", advice)


def _ownership(directory: Path, status: os.stat_result) -> Iterator[Finding]:
    shown = readable(directory)
    owner = account_of(None, directory, directory)
    name = owner.name if owner else f"#{status.st_uid}"
    if status.st_mode & OTHERS_MAY_WRITE:
        yield Finding("state", Level.WARNING, f"others than {name} may write to {shown}", f"chmod go-w {shown}")
    if not os.access(directory, os.R_OK | os.X_OK):
        advice = f"sudo -u {name} modelshelf doctor"
        yield Finding("state", Level.WARNING, f"{shown} belongs to {name}: what is in it was not examined", advice)
        return
    strange = [readable(path.name) for path in sorted(directory.iterdir()) if path.lstat().st_uid != status.st_uid]
    if strange:
        names = ", ".join(strange[:NAMES_SHOWN])
        text = f"{shown} belongs to {name}, but not everything in it: {names}"
        yield Finding("state", Level.WRONG, text, f"chown -R {name.lstrip('#')} {shown}")


def _room(directory: Path) -> Iterator[Finding]:
    room, store_bytes = room_at(directory), size_at(directory / STORE_NAME)
    free = f"{size_text(room.free_bytes)} free"
    free += f" beside a store of {size_text(store_bytes)}" if store_bytes else ""
    if room.is_full:
        yield Finding("state", Level.WRONG, f"the disk is full, so work waits: {free}", "make room on it")
    elif room.free_bytes < store_bytes + SPARE_BYTES:
        advice = "make room: no backup of the store can be made, and no upgrade begins"
        yield Finding("state", Level.WARNING, f"the disk is nearly full: {free}", advice)
    else:
        yield Finding("state", Level.OK, free)
    inodes = os.statvfs(directory)
    if inodes.f_files and not inodes.f_favail:
        advice = "remove small files that nobody needs"
        yield Finding("state", Level.WRONG, "the disk has no inode left: no file can be made on it", advice)


def daemon(patient: Patient, deadline: Deadline) -> Iterator[Finding]:
    """Tell whether one runs and answers, of which version it is, and how it is doing."""
    directory = patient.state_directory
    if directory is None or not directory.is_dir() or not os.access(directory, os.R_OK | os.X_OK):
        return  # `state` tells of it
    if patient.pid is None:
        advice = "systemctl start modelshelf, or modelshelf run"
        yield Finding("daemon", Level.WARNING, "no daemon runs: nothing is watched", advice)
        return
    shown = f"pid {patient.pid or 'unknown'}"
    try:
        is_alive = is_answered(directory, deadline.left_seconds())
    except ModelshelfError as error:
        yield Finding("daemon", Level.WARNING, f"{shown} could not be asked: {error}", "run doctor as its user")
    else:
        if is_alive:
            yield Finding("daemon", Level.OK, f"{shown} answers")
        else:
            advice = "see its log for what holds it, then: systemctl restart modelshelf"
            yield Finding("daemon", Level.WRONG, f"{shown} holds the state and does not answer", advice)
    yield from _version(patient)
    yield from _vitals(patient)


def _version(patient: Patient) -> Iterator[Finding]:
    with patient.store() as store:
        running = store.standing.get(VERSION_STANDING) if store is not None else None
    if running is not None and running != __version__:
        text = f"it is modelshelf {readable(running)}, and this is {__version__}"
        yield Finding("daemon", Level.WARNING, text, "systemctl restart modelshelf")


def _vitals(patient: Patient) -> Iterator[Finding]:
    vitals = vitals_of(patient.pid, patient.proc) if patient.pid else None
    if vitals is None:
        return
    uptime = span_text(timedelta(seconds=vitals.uptime_seconds))
    yield Finding(
        "daemon",
        Level.OK,
        f"up for {uptime}, {size_text(vitals.memory_bytes)} of memory, {vitals.cpu_seconds:,.0f} s of processor, "
        f"{count_text(vitals.threads, 'thread', 'threads')}",
    )
    most = open_file_limit(patient)
    if most is not None and vitals.open_files is not None and vitals.open_files >= FULL_SHARE * most:
        text = f"{vitals.open_files:,} of the {most:,} files that it may have open are open"
        yield Finding("daemon", Level.WARNING, text, "systemctl edit modelshelf: LimitNOFILE=65536, then restart it")
    with patient.store() as store:
        work = last_work(store) if store is not None else None
    if work is not None:
        yield Finding("daemon", Level.OK, f"last work: {work_text(work, patient.clock.now())}")


def open_file_limit(patient: Patient) -> int | None:
    """Give how many files the daemon may have open, None where that cannot be told."""
    try:
        lines = (patient.proc / str(patient.pid) / "limits").read_text().splitlines()
        limit = next(line.split()[3] for line in lines if line.startswith("Max open files"))
        return int(limit)
    except (OSError, StopIteration, IndexError, ValueError):
        return None
