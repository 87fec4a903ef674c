"""Genuine answers as strange as real ones are: each is a mood that changes what the records say, not how it is sent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.fakes.civitai_moods import rewritten

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonValue
    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_wire import Reply

_ENUMS = {
    "baseModel": "Modell 9000 (preview)",
    "baseModelType": "Sideways",
    "availability": "OnTuesdays",
    "usageControl": "Telepathy",
    "uploadType": "Dreamt",
    "mode": "Levitating",
    "pickleScanResult": "Perhaps",
    "virusScanResult": "Perhaps",
}
_TYPES = {"LORA": "LoRAX", "Checkpoint": "Checkpointless", "Model": "Enhancement Quux"}


def unknown_enums(reply: Reply) -> Reply:
    """Give values of every enumeration that nobody has heard of: new ones come every month."""

    def change(key: str, value: JsonValue) -> JsonValue:
        if key == "type" and isinstance(value, str):
            return _TYPES.get(value, value)
        return _ENUMS.get(key, value)

    return rewritten(reply, change)


def hidden_downloads(reply: Reply) -> Reply:
    """Give no download counts, as since 2026-07 for creators who hide them."""
    return rewritten(reply, lambda key, value: None if key == "downloadCount" else value)


def legacy_autov3(reply: Reply) -> Reply:
    """Give AutoV3 with 64 digits, as records of 2023-11 to 2024-10 have it; it is looked up by the first twelve."""
    return rewritten(reply, lambda key, value: _lengthened(value) if key == "AutoV3" else value)


def _lengthened(digits: JsonValue) -> JsonValue:
    return digits.ljust(64, "0") if isinstance(digits, str) else digits


def drops_parents(one_in: int = 100) -> Mood:
    """Leave out every model whose id `one_in` divides from lists, without a word; asked for alone it is there."""

    def drop(reply: Reply) -> Reply:
        body = json.loads(reply.body)
        if reply.status != 200 or not isinstance(body, dict) or "items" not in body:
            return reply
        left = [each for each in body["items"] if each["id"] % one_in]
        return replace(reply, body=json.dumps({**body, "items": left}).encode())

    return lambda reply: drop(reply) if reply.content_type.startswith("application/json") else reply
