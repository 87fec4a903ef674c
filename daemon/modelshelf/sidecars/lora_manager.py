"""`<stem>.metadata.json` as ComfyUI LoRA-Manager keeps it.

A model whose file lacks one of the required keys disappears from LoRA-Manager's library, so all of them are always written
(`py/utils/models.py`). It corrects `file_path`, `file_name` and `preview_url` by itself where it sees the folder under another
path: what it has changed is its own from then on, or two programs would rewrite one file for ever.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from modelshelf.domain.fact import Fact, Field, Source, is_known
from modelshelf.domain.hashes import EMPTY_AUTOV3
from modelshelf.sidecars.answer import answer_of
from modelshelf.sidecars.classify import Dialect
from modelshelf.sidecars.mark import is_ours
from modelshelf.sidecars.telling import Telling, known, weight
from modelshelf.sidecars.values import storable, storable_object
from modelshelf.sidecars.writer import Layout, Planned, Wanted, merged_into

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.domain.description import Description
    from modelshelf.domain.hashes import Hashes
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.sidecars.mark import Digests
    from modelshelf.sidecars.reading import FoundSidecar

UNKNOWN_BASE = "Unknown"
_LAYOUT = Layout(indent=2, is_ascii=False)
_DIALECTS = frozenset({Dialect.LORA_MANAGER, Dialect.EMPTY})
_SUB_TYPES = {"Checkpoint": "checkpoint", "TextualInversion": "embedding"}
_NO_TIPS = "{}"
_LONGEST_TIPS_CHARACTERS = 10_000
_FROM_CIVITAI = frozenset({"civitai", "modelDescription", "metadata_source"})
_FILLABLE = _FROM_CIVITAI | {"base_model", "tags", "usage_tips", "autov3"}
_ANSWERED = _FROM_CIVITAI | {"from_civitai", "model_name", "base_model", "tags", "usage_tips"}
_SETTLED = frozenset({"file_path", "file_name"})


def compose(description: Description, existing: FoundSidecar | None, ours: Digests) -> Planned:
    """Plan the file of a model that has been hashed; one that speaks of other bytes or another version is left alone."""
    if description.hashes is None or description.path is None:
        return Planned()
    if existing is not None and (reason := _other_subject(existing.content, description, ours)):
        return Planned(refusal=f"the file there speaks of {reason}: it was left alone")
    required = _required(description, description.hashes, description.path)
    values = required | _optional(description, description.hashes)
    kept = _kept(existing.content, description, ours) if existing is not None else frozenset()
    wanted = Wanted(
        storable_object({key: value for key, value in values.items() if key not in kept}),
        _LAYOUT,
        description.weights,
        required=required.keys(),
        settled=_SETTLED,
        says_nothing=_says_nothing,
    )
    return merged_into(existing, wanted, _DIALECTS, ours)


def facts(content: JsonObject) -> list[Fact]:
    """Give what a person has told LoRA-Manager: notes, and the strength among the tips, which are JSON in a text."""
    notes, tips = content.get("notes"), content.get("usage_tips")
    found: dict[Field, JsonValue] = {
        Field.NOTES: notes if isinstance(notes, str) else None,
        Field.PREFERRED_WEIGHT: weight(_strength(tips)) if isinstance(tips, str) else None,
    }
    return [Fact(field, Source.TOOL_JSON, storable(value)) for field, value in found.items() if is_known(value)]


def _strength(tips: str) -> JsonValue:
    try:
        parsed = json.loads(tips) if len(tips) <= _LONGEST_TIPS_CHARACTERS else None
    except (ValueError, RecursionError):
        return None
    return parsed.get("strength") if isinstance(parsed, dict) else None


def _other_subject(content: JsonObject, description: Description, ours: Digests) -> str | None:
    told = content.get("sha256")
    own = description.hashes.sha256 if description.hashes else None
    if isinstance(told, str) and told and told.upper() != own and not is_ours(content, "sha256", ours):
        return "other bytes"
    inner = content.get("civitai")
    linked = inner.get("id") if isinstance(inner, dict) else None
    version = description.version
    if linked is not None and version and linked != version.id and not is_ours(content, "civitai", ours):
        return "another version"
    return None


def _kept(content: JsonObject, description: Description, ours: Digests) -> frozenset[str]:
    """Give the keys that are left as they are.

    Nothing is said of Civitai where LoRA-Manager has found that the model is not there, nor of a hash that is still missing.
    What we said with Civitai's answer stays where we have no answer any more, as with an empty store.
    """
    is_elsewhere = content.get("from_civitai") is False and not is_ours(content, "from_civitai", ours)
    is_forgotten = description.version is None and bool(content.get("civitai")) and is_ours(content, "civitai", ours)
    is_unhashed = "sha256" in content and not content["sha256"]
    kept = _FROM_CIVITAI if is_elsewhere else frozenset()
    kept |= _ANSWERED & content.keys() if is_forgotten else frozenset()
    return kept | {"hash_status"} if is_unhashed else kept


def _required(description: Description, hashes: Hashes, path: Path) -> JsonObject:
    telling = Telling(description)
    stem = os.path.splitext(path.name)[0]
    return {
        "file_name": stem,
        "model_name": telling.text(Field.NAME) or telling.text(Field.TITLE) or stem,
        "file_path": path.as_posix(),
        "size": description.file.fingerprint.size_bytes,
        "modified": description.file.fingerprint.mtime_ns / 1e9,
        "sha256": hashes.sha256.lower(),
        "base_model": telling.text(Field.BASE_MODEL) or UNKNOWN_BASE,
        "preview_url": "",
    }


def _optional(description: Description, hashes: Hashes) -> JsonObject:
    telling = Telling(description, frozenset({Source.TOOL_JSON}))
    version = description.version
    preferred = telling.weight()
    values: JsonObject = {
        "modelDescription": telling.text(Field.DESCRIPTION),
        "metadata_source": "civitai_api" if version else None,
        "autov3": hashes.autov3.lower() if hashes.autov3 not in {None, EMPTY_AUTOV3} and hashes.autov3 else None,
        "hash_status": "completed",
        "sub_type": _SUB_TYPES.get(telling.text(Field.MODEL_TYPE) or ""),
    }
    return {
        "from_civitai": version is not None,
        "civitai": answer_of(version, description.model) if version else {},
        "tags": telling.words(Field.TAGS),
        "usage_tips": json.dumps({"strength": preferred}) if preferred else _NO_TIPS,
        **known(values),
    }


def _says_nothing(key: str, value: JsonValue) -> bool:
    """Tell what LoRA-Manager writes where it knows nothing; an empty `sha256` says that it is still hashing, and stays."""
    return key in _FILLABLE and (not is_known(value) or value in (UNKNOWN_BASE, _NO_TIPS))
