"""Rot as a person is told of it: what the file should be, what it is, and where a good copy is."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from modelshelf.cli.showing import show_heading, show_line
from modelshelf.cli.wording import count_text, moment_json, path_json, when_text
from modelshelf.domain.display import readable
from modelshelf.domain.run_report import Damage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from modelshelf.domain.hashes import Hashes
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.domain.rot import Rescue, Rot
    from modelshelf.store.store import Store


SHOWN = 10


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one rot."""

    rot: Rot
    file: ModelFile
    path: bytes
    expected: Hashes | None
    rescue: Rescue


def standing_evidence(store: Store) -> list[Evidence]:
    """Give the evidence of all rot that stands, dismissed or not, the oldest first."""
    found = ((rot, store.files.get(rot.file_id)) for rot in store.rot.standing())
    return [evidence_of(store, file, rot) for rot, file in found if file is not None]


def evidence_of(store: Store, file: ModelFile, rot: Rot) -> Evidence:
    """Give the evidence of one rot of a file."""
    from modelshelf.steps.rescuing import rescue_of  # noqa: PLC0415 -- Civitai's records, only where something rotted

    content = store.contents.get(rot.content_id)
    path = os.path.join(os.fsencode(store.folders.state(file.folder_id).path), file.path)
    return Evidence(rot, file, path, content.hashes if content else None, rescue_of(store, file))


def evidence_lines(evidence: Evidence, now: datetime) -> list[str]:
    """Give it for eyes, the file first."""
    from modelshelf.steps.rescuing import rescue_lines  # noqa: PLC0415 -- likewise

    rot, expected = evidence.rot, evidence.expected
    return [
        f"{'was damaged' if rot.ended_at else 'DAMAGED'}: {readable(evidence.path)}{_decision_text(rot, now)}",
        f"  should be  SHA256 {expected.sha256 if expected else '?'}, read so {when_text(rot.sound_at, now)}",
        f"             BLAKE3 {expected.blake3 if expected else '?'}",
        f"  now is     SHA256 {rot.sha256}, first {when_text(rot.found_at, now)}, last {when_text(rot.seen_at, now)}",
        f"             BLAKE3 {rot.blake3}",
        *(f"  {line}" for line in rescue_lines(evidence.rescue) if rot.ended_at is None),
    ]


def _decision_text(rot: Rot, now: datetime) -> str:
    if rot.ended_at is not None:
        return f" ({rot.end}, {when_text(rot.ended_at, now)})"
    return f" (dismissed {when_text(rot.dismissed_at, now)})" if rot.dismissed_at else ""


def show_damage(damaged: Sequence[Evidence], now: datetime) -> None:
    """Say what a person still has to decide about, as a part of something longer; nothing where that is nothing."""
    from modelshelf.steps.rescuing import rescue_lines  # noqa: PLC0415 -- likewise

    told = [each for each in damaged if each.rot.is_told]
    if not told:
        return
    show_heading("DAMAGED")
    for each in told[:SHOWN]:
        show_line(
            f"{readable(each.path)}, since {when_text(each.rot.found_at, now)}; {'; '.join(rescue_lines(each.rescue))}"
        )
    show_line(f"{count_text(len(told), 'file has', 'files have')} rotted: see modelshelf verify --list")


def show_all_damage(damage: Sequence[Evidence], now: datetime) -> None:
    """Show the whole evidence of everything that ever rotted of a file; nothing where nothing did."""
    if damage:
        show_heading("Damage")
    for line in [line for each in damage for line in evidence_lines(each, now)]:
        show_line(line)


def damage_text(evidence: Evidence) -> Damage:
    """Give it as a run's report tells it."""
    from modelshelf.steps.rescuing import rescue_lines  # noqa: PLC0415 -- likewise

    rot, expected = evidence.rot, evidence.expected
    sha256 = expected.sha256 if expected else None
    return Damage.of(readable(evidence.path), sha256, rot, rescue_lines(evidence.rescue))


def evidence_json(evidence: Evidence) -> JsonObject:
    """Give it for scripts."""
    rot, rescue = evidence.rot, evidence.rescue
    return {
        "file_id": evidence.file.id,
        "folder": evidence.file.folder_id,
        **path_json(evidence.path),
        "size_bytes": evidence.file.fingerprint.size_bytes,
        "expected": asdict(evidence.expected) if evidence.expected else None,
        "found": {"sha256": rot.sha256, "blake3": rot.blake3},
        "sound_at": moment_json(rot.sound_at),
        "found_at": moment_json(rot.found_at),
        "seen_at": moment_json(rot.seen_at),
        "dismissed_at": moment_json(rot.dismissed_at),
        "ended_at": moment_json(rot.ended_at),
        "end": rot.end.value if rot.end else None,
        "good_copies": [
            {
                "folder": each.folder_id,
                **path_json(each.path),
                "sound_at": moment_json(each.sound_at),
                "is_offline": each.is_offline,
            }
            for each in rescue.copies
        ],
        "download_url": rescue.download_url,
        "gone_since": moment_json(rescue.gone_since),
    }
