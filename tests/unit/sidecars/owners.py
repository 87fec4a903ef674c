"""What the tools that own a dialect take: each raises AssertionError where the tool would fail, or lose the model."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from modelshelf.domain.output import SidecarKind

if TYPE_CHECKING:
    from collections.abc import Callable

_SD_VERSIONS = {"Unknown", "SD1", "SD2", "SD3", "SDXL", "Flux", "Other", "", "unknown"}
_INT32 = range(-(2**31), 2**31)


def root_of(content: bytes) -> dict[str, Any]:
    """Parse as each of them does: UTF-8 without a byte order mark, an object, no NaN."""
    assert not content.startswith(b"\xef\xbb\xbf")
    root = json.loads(content.decode(), parse_constant=refuse)
    assert isinstance(root, dict)
    return root


def refuse(word: str) -> None:
    """Refuse what is no JSON."""
    raise AssertionError(word)


def forge(content: bytes) -> None:
    """A1111 and Forge: null or a list in a text ends the editor, and no other word than the enum's counts."""
    root = root_of(content)
    for key in ("description", "notes", "activation text", "negative text"):
        assert isinstance(root.get(key, ""), str), key
    assert isinstance(root.get("preferred weight", 0), int | float)
    assert root.get("sd version", "") in _SD_VERSIONS


def civitai_info(content: bytes) -> None:
    """Both Civitai Helpers: opened with the locale's encoding."""
    assert content.isascii()
    assert isinstance(root_of(content)["id"], int)


def civitscraper(content: bytes) -> None:
    """CivitScraper."""
    assert isinstance(root_of(content)["id"], int)


def lora_manager(content: bytes) -> None:
    """LoRA-Manager: a missing key makes the model disappear."""
    root = root_of(content)
    kinds: dict[str, Any] = {
        "file_name": str,
        "model_name": str,
        "file_path": str,
        "size": int,
        "modified": int | float,
        "sha256": str,
        "base_model": str,
        "preview_url": str,
    }
    for key, kind in kinds.items():
        assert isinstance(root[key], kind), key
    assert "/" not in root["file_name"]
    assert re.fullmatch("[0-9a-f]{64}", root["sha256"]) or root.get("hash_status") == "pending"
    assert isinstance(root.get("civitai", {}), dict)
    assert all(isinstance(each, str) for each in root.get("tags", []))
    assert isinstance(json.loads(root.get("usage_tips") or "{}"), dict)
    assert root.get("autov3") is None or re.fullmatch("(?!e3b0c44298fc)[0-9a-f]{12}", root["autov3"])
    assert root.get("sub_type", "checkpoint") in {"checkpoint", "diffusion_model", "embedding"}
    assert not [key for key in root if key.startswith("_")], "such keys are lost"


def stability_matrix(content: bytes) -> None:
    """Stability Matrix: one value of a wrong type, and the whole file is not read."""
    root = root_of(content)
    for key in ("ModelId", "VersionId", "RemoteFileId"):
        assert root.get(key) is None or (type(root[key]) is int and root[key] in _INT32), key
    for key in ("ModelName", "ModelDescription", "VersionName", "ModelType"):
        assert isinstance(root.get(key, ""), str), key
    for key in ("VersionDescription", "AuthorUsername", "BaseModel", "RemoteFileName"):
        assert isinstance(root.get(key), str | None), key
    assert isinstance(root.get("Nsfw", False), bool)
    for key in ("Tags", "TrainedWords"):
        assert all(isinstance(each, str) for each in root.get(key) or [])
    assert isinstance(root["Hashes"], dict)
    assert all(isinstance(each, str) for each in root["Hashes"].values())
    assert root.get("Source", 0) in range(4)
    assert type(root.get("Source", 0)) is int
    assert datetime.fromisoformat(root.get("ImportedAt", "2026-01-01T00:00:00+00:00")).tzinfo is not None
    assert set(root.get("FileMetadata", {})) <= {"fp", "size", "format"}


def swarm(content: bytes) -> None:
    """SwarmUI: text wherever it reads text, a list for tags, and a size that is one."""
    root = root_of(content)
    for key, value in root.items():
        if key == "modelspec.tags":
            assert all(isinstance(each, str) for each in value)
        elif key.startswith("modelspec."):
            assert isinstance(value, str), key
    assert re.fullmatch(r"\d+x\d+", root.get("modelspec.resolution", "1x1"))
    assert "modelspec.architecture" not in root


OWNERS: dict[SidecarKind, Callable[[bytes], None]] = {
    SidecarKind.FORGE: forge,
    SidecarKind.CIVITAI_INFO: civitai_info,
    SidecarKind.LORA_MANAGER: lora_manager,
    SidecarKind.STABILITY_MATRIX: stability_matrix,
    SidecarKind.SWARM: swarm,
}
"""By dialect, all that `output.sidecars` switches."""
