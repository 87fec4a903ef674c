"""How bulk work goes, in words and as JSON."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.cli.wording import count_text, moment_json, size_text, span_text
from modelshelf.domain.progress import LONGEST, Phase, Tally, stalled_since

if TYPE_CHECKING:
    from datetime import datetime

    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.domain.progress import DeviceProgress, FileInHand, Progress

NIGHTS_FROM = 2
"""In one stretch no nights are told, but the time."""

REASONS_SHOWN = 2


def reading_text(tally: Tally, progress: Progress | None, now: datetime, waits: str | None = None) -> str | None:
    """Give how walking and reading go in one sentence; None where all is read and nothing goes on.

    `waits` is what owed reading waits for where nobody tells of any work.
    """
    told = [walk_text(progress)] if progress is not None and progress.seen_files else []
    told += [_owed_text(tally, progress, now)] if tally.owed_files else []
    told += ["Verifying"] if not told and progress is not None and progress.phase is Phase.VERIFYING else []
    if not told:
        return None
    asides = _asides(progress, now) if progress is not None else [waits] if waits is not None else []
    return "; ".join([*told, *asides])


def _owed_text(tally: Tally, progress: Progress | None, now: datetime) -> str:
    done_bytes = progress.done_bytes if progress is not None else tally.read_bytes
    sizes = f"{size_text(min(done_bytes, tally.size_bytes))} of {size_text(tally.size_bytes)}"
    told = f"Deep scan: {tally.read_files:,} of {count_text(tally.files, 'model', 'models')}, {sizes}"
    left = left_text(progress, now)
    return f"{told}, {left}" if left is not None else told


def walk_text(progress: Progress | None) -> str:
    """Give how far a walk has come: a count alone, for nobody knows how much there is."""
    seen = progress.seen_files if progress is not None else 0
    return f"Looking through folders: {count_text(seen, 'file', 'files')} seen" if seen else "Looking through folders"


def left_text(progress: Progress | None, now: datetime) -> str | None:
    """Give how much time is left, None where nobody can tell."""
    forecast = progress.forecast if progress is not None else None
    if forecast is None:
        return None
    if forecast.finish_at is None:
        return "more than a month left"
    if forecast.spans >= NIGHTS_FROM:
        return f"about {forecast.spans} nights left"
    return f"about {span_text(max(timedelta(seconds=1), forecast.finish_at - now))} left"


def _asides(progress: Progress, now: datetime) -> list[str]:
    """Give what a person should know beside how far it is: that it stands still, and why it waits."""
    stalled = progress.stalled_since(now)
    told = [f"stalled since {clock_text(stalled, now)}"] if stalled is not None else []
    reasons = [*dict.fromkeys(progress.held.values())]
    if progress.phase is Phase.PAUSED:
        return [*told, f"paused: {', '.join(reasons[:REASONS_SHOWN])}"]
    return [*told, *(f"{folder_id} waits: {reason}" for folder_id, reason in [*progress.held.items()][:REASONS_SHOWN])]


def clock_text(moment: datetime, now: datetime) -> str:
    """Give the time of day where the reader is, with the day where that is another one."""
    local, today = moment.astimezone(), now.astimezone().date()
    return f"{local:%H:%M}" if local.date() == today else f"{local:%Y-%m-%d %H:%M}"


def device_text(device: DeviceProgress, now: datetime) -> str:
    """Give how the reading of one device goes: its rate, and the files in hand."""
    rate = f"{size_text(round(device.bytes_per_second))}/s" if device.bytes_per_second else "rate unknown"
    stalled = stalled_since(device.moved_at, now) if device.files else None
    files = [file_text(each) for each in device.files]
    return "; ".join([rate, *([f"STALLED since {clock_text(stalled, now)}"] if stalled else []), *files])


def file_text(file: FileInHand) -> str:
    """Give how far a file is read: ``loras: big.safetensors, 4.1 of 24.0 GiB, 2 min left``."""
    told = [f"{file.folder_id}: {file.path}", f"{size_text(file.done_bytes)} of {size_text(file.size_bytes)}"]
    if file.time_left is not None and file.time_left <= LONGEST:
        told.append(f"{span_text(file.time_left)} left")
    return ", ".join(told)


def tally_json(tally: Tally) -> JsonObject:
    """Give what is read and what is owed."""
    return {name: getattr(tally, name) for name in tally.__slots__}


def progress_json(progress: Progress | None, now: datetime) -> JsonObject | None:
    """Give all that the daemon tells of its bulk work, None while there is none."""
    if progress is None:
        return None
    forecast = progress.forecast
    return {
        "phase": progress.phase.value,
        "told_at": moment_json(progress.told_at),
        "seen_files": progress.seen_files,
        "done_bytes": progress.done_bytes,
        "stalled_since": moment_json(progress.stalled_since(now)),
        "finish_at": moment_json(forecast.finish_at) if forecast is not None else None,
        "is_beyond_a_month": forecast is not None and forecast.finish_at is None,
        "stretches": forecast.spans if forecast is not None else None,
        "held": dict(progress.held),
        "held_until": moment_json(progress.held_until),
        "questions": progress.questions,
        "asked": progress.asked,
        "devices": [_device_json(each, now) for each in progress.devices],
    }


def _device_json(device: DeviceProgress, now: datetime) -> JsonObject:
    return {
        "device": device.device,
        "owed_bytes": device.owed_bytes,
        "bytes_per_second": round(device.bytes_per_second) if device.bytes_per_second else None,
        "stalled_since": moment_json(stalled_since(device.moved_at, now)) if device.files else None,
        "files": [_file_json(each) for each in device.files],
    }


def _file_json(file: FileInHand) -> JsonObject:
    return {
        "file_id": file.file_id,
        "folder": file.folder_id,
        "path": file.path,
        "size_bytes": file.size_bytes,
        "done_bytes": file.done_bytes,
        "is_verified": file.is_verified,
        "seconds_left": round(file.time_left.total_seconds()) if file.time_left is not None else None,
    }
