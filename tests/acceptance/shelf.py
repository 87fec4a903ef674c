"""What the acceptance tests drop and how they look at what came of it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.process import DaemonProcess
    from tests.fakes.civitai_server import CivitaiStandIn


def introduce(civitai: CivitaiStandIn, content: bytes, name: str) -> int:
    """Let the stand-in know these bytes; gives the version's id."""
    return civitai.add_file(
        hashlib.sha256(content).hexdigest().upper(),
        len(content),
        name=name,
        trained_words=[f"{name} word"],
        tags=["tag of " + name],
        creator="somebody",
    )


def is_described(model: Path) -> bool:
    """Tell whether a file has everything that an identified one gets, the parent model's facts included."""
    stem = model.with_suffix("")
    info = stem.with_name(stem.name + ".civitai.info")
    wanted = [info, stem.with_name(stem.name + ".json"), stem.with_name(stem.name + ".preview.png")]
    if not all(path.exists() for path in [*wanted, stem.with_name(stem.name + ".html")]):
        return False
    return "tags" in json.loads(info.read_bytes())["model"]


def events(daemon: DaemonProcess, name: str, model: str | None = None) -> list[dict[str, object]]:
    """Give the log lines of one event, of one file if `model` is its name."""
    lines = [json.loads(line) for line in daemon.log.read_text(errors="replace").splitlines() if line.startswith("{")]
    found = [line for line in lines if line.get("event") == name]
    return [line for line in found if model is None or str(line.get("path", "")).endswith(model)]
