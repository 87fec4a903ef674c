"""A model and a record of it on Civitai in which every text is a stranger's."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from tests import builders
from tests.fakes.civitai_wire import Reply

if TYPE_CHECKING:
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.fakes.civitai_wire import RecordedRequest

CONTENT = builders.lora(7)


def version_of(text: str, *image_urls: str) -> dict[str, Any]:
    """Give a version in which `text` stands wherever a text may."""
    return {
        "id": 20,
        "modelId": 10,
        "name": text,
        "baseModel": text,
        "description": text,
        "trainedWords": [text],
        "air": text,
        "publishedAt": text,
        "downloadUrl": text,
        "model": {"name": text, "type": text, "nsfw": False, "mode": text},
        "files": [{"id": 1, "name": text, "type": text, "hashes": {"SHA256": sha256(CONTENT)}, "downloadUrl": text}],
        "images": [
            {"url": url, "type": "image", "nsfwLevel": 1, "meta": {"prompt": text, "negativePrompt": text}}
            for url in image_urls or (text,)
        ],
    }


def model_of(text: str) -> dict[str, Any]:
    """Give the model above it."""
    return {
        "id": 10,
        "name": text,
        "type": text,
        "description": text,
        "tags": [text],
        "mode": text,
        "allowCommercialUse": [text],
        "creator": {"username": text, "image": text},
        "modelVersions": [{"id": 20, "name": text}, {"id": 21, "name": text, "baseModel": text}],
    }


def sha256(content: bytes) -> str:
    """Give the hash by which Civitai knows bytes."""
    return hashlib.sha256(content).hexdigest().upper()


def speak(civitai: CivitaiStandIn, text: str, *image_urls: str) -> None:
    """Let the stand-in answer every question about models with `text`; pictures stay genuine."""

    def mood_for(request: RecordedRequest) -> Any:
        if request.route.startswith("/images"):
            return None
        body: Any = version_of(text, *image_urls)
        if "/models/" in request.route:
            body = model_of(text)
        elif request.method == "POST":
            body = [body]
        return lambda _: Reply(200, json.dumps(body).encode())

    civitai.mood_for = mood_for
