"""How `why` gives what is known of a file as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from modelshelf.cli.known_lookups import is_ignored, match_text, reason_of_next
from modelshelf.cli.rotten import evidence_json
from modelshelf.cli.subjects import task_json
from modelshelf.cli.wording import moment_json, path_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.cli.known import Beside, Known
    from modelshelf.domain.decision import Decision
    from modelshelf.domain.fact import Fact
    from modelshelf.domain.header import Header
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.domain.update import Update
    from modelshelf.store.former_files import FormerFile
    from modelshelf.store.store import Store


def document(store: Store, known: Known) -> JsonObject:
    """Give everything as JSON."""
    file, header, content = known.file, known.header, known.content
    return {
        "file_id": file.id,
        **path_json(known.absolute),
        "folder": known.folder.id,
        "state": known.state.value,
        "size_bytes": file.fingerprint.size_bytes,
        "first_seen_at": moment_json(file.first_seen_at),
        "last_used_at": moment_json(known.last_used_at),
        "missing_since": moment_json(file.missing_since),
        "verified_at": moment_json(known.verified_at),
        "damage": [evidence_json(each) for each in known.rot],
        "waiting_reason": file.waiting_reason,
        "hash_skipped_reason": file.hash_skipped_reason,
        "header": None if header is None else _header_json(header),
        "hashes": asdict(content.hashes) if content else None,
        "hashes_vouched_by": file.vouched_by,
        "lookup": _lookup_json(known),
        "decisions": [_decision_json(each) for each in known.decisions],
        "is_ignored": is_ignored(known),
        "updates": [_update_json(each) for each in known.updates],
        "fields": [_field_json(facts) for facts in known.facts.values()],
        "beside": [_beside_json(each) for each in known.beside],
        "owed": [task_json(store, task) for task in known.tasks],
        "owed_without_task": known.derived.value if known.derived else None,
        "duplicates": [{"folder": each.folder_id, **path_json(each.path)} for each in known.duplicates],
        "former": [_former_json(each) for each in known.former],
        "events": [
            {"event": each.name, "at": moment_json(each.happened_at), "details": each.details} for each in known.events
        ],
        "offline_since": moment_json(known.folder.offline_since),
        "offline_reason": known.folder.offline_reason,
    }


def _header_json(header: Header) -> JsonObject:
    return {
        "format": header.format.value,
        "verdict": header.verdict.value,
        "reason": header.reason,
        "kind": header.kind,
        "architecture": header.architecture,
        "pickle_verdict": header.pickle_verdict.value if header.pickle_verdict else None,
        "pickle_findings": [*header.pickle_findings],
    }


def _lookup_json(known: Known) -> JsonObject | None:
    content, schedule = known.content, known.schedule
    if content is None:
        return None
    return {
        "version_id": content.version_id,
        "model_id": schedule.model_id,
        "matched_by": content.matched_by.value if content.matched_by else None,
        "pinned_version_id": content.pinned_version_id,
        "because": match_text(content),
        "alternates": [
            {"version_id": each.version_id, "model_id": each.model_id, "published_at": each.published_at}
            for each in known.alternates
        ],
        "questioned_version_id": content.questioned_version_id,
        "question": known.question,
        "looked_up_at": moment_json(content.looked_up_at),
        "lookup_count": content.lookup_count,
        "next_lookup_at": moment_json(content.next_lookup_at),
        "next_lookup_reason": reason_of_next(known),
        "absent_since": moment_json(content.absent_since),
        "gone_since": moment_json(content.gone_since),
        "weights_looked_up_at": moment_json(content.weights_looked_up_at),
        "next_weights_lookup_at": moment_json(schedule.next_weights_lookup_at),
        "version_received_at": moment_json(schedule.version_received_at),
        "model_received_at": moment_json(schedule.model_received_at),
        "model_absent_since": moment_json(schedule.model_absent_since),
        "model_gone_since": moment_json(schedule.model_gone_since),
        "next_model_check_at": moment_json(schedule.next_model_check_at),
    }


def _decision_json(decision: Decision) -> JsonObject:
    return {
        "matter": decision.matter,
        "value": decision.value,
        "decided_by": decision.decided_by,
        "decided_at": moment_json(decision.decided_at),
    }


def _update_json(update: Update) -> JsonObject:
    return {
        "version_id": update.version_id,
        "name": update.name,
        "base_model": update.base_model,
        "is_same_base": update.is_same_base,
        "access": update.access.value,
        "published_at": update.published_at,
        "noticed_at": moment_json(update.noticed_at),
        "is_muted": update.is_muted,
    }


def _beside_json(beside: Beside) -> JsonObject:
    return {
        **path_json(beside.path),
        "owner": beside.owner,
        "dialect": beside.dialect,
        "ours": [*beside.ours],
        "others": [*beside.others],
        "problem": beside.problem,
    }


def _former_json(former: FormerFile) -> JsonObject:
    return {
        "size_bytes": former.size_bytes,
        "sha256": former.sha256,
        "values": {field.value: value for field, value in former.values.items()},
        "first_seen_at": moment_json(former.first_seen_at),
        "superseded_at": moment_json(former.superseded_at),
    }


def _field_json(facts: Sequence[Fact]) -> JsonObject:
    chosen, *lost = facts
    return {
        "field": chosen.field.value,
        "value": chosen.value,
        "source": chosen.source.value,
        "others": [{"source": fact.source.value, "value": fact.value} for fact in lost],
    }
