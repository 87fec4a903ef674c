"""A Header: what a model file says of itself. Read, never trusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelshelf.domain.jsontypes import JsonValue


class Format(StrEnum):
    """What a file really is, by its first bytes, whatever its name says."""

    SAFETENSORS = "safetensors"
    GGUF = "gguf"
    TORCH_ZIP = "torch_zip"
    PICKLE = "pickle"
    ONNX = "onnx"
    ARCHIVE = "archive"
    LFS_POINTER = "lfs_pointer"
    HTML = "html"
    JSON = "json"
    EMPTY = "empty"
    BLANK = "blank"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """Whether a file can be what it claims.

    `incomplete`: shorter than it declares, so it may still grow. `broken`: it never will be right. `unproven`: its format
    declares nothing that could be checked.
    """

    SOUND = "sound"
    UNPROVEN = "unproven"
    INCOMPLETE = "incomplete"
    BROKEN = "broken"


class PickleVerdict(StrEnum):
    """What reading the pickles in a file showed of their imports: whoever loads one calls whatever it names.

    `clean`: every pickle was followed to its end, and all that it imports is known to be harmless. `suspicious`: it imports
    what nobody has judged. `dangerous`: what can run any program. `not_scanned`: something could not be followed, so nothing
    is promised.
    """

    CLEAN = "clean"
    SUSPICIOUS = "suspicious"
    DANGEROUS = "dangerous"
    NOT_SCANNED = "not_scanned"


@dataclass(frozen=True, slots=True)
class Header:
    """Format, verdict and embedded metadata of one file.

    `declared_size_bytes` is the length the file claims for itself, None where its format has no such claim. `kind` is what
    its tensors show (LoRA, Checkpoint, VAE, ...), `architecture` the base they fit; both None where nothing shows.
    `dtypes` counts bytes per tensor type. `pickle_verdict` is None where there is no pickle; `pickle_findings` are the imports
    that it rests on, or why it is `not_scanned`.
    """

    format: Format
    verdict: Verdict
    reason: str | None = None
    declared_size_bytes: int | None = None
    tensor_count: int = 0
    dtypes: Mapping[str, int] = field(default_factory=dict)
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    kind: str | None = None
    architecture: str | None = None
    pickle_verdict: PickleVerdict | None = None
    pickle_findings: tuple[str, ...] = ()

    @property
    def is_readable(self) -> bool:
        """Whether the file can be used as a model as far as anyone can tell."""
        return self.verdict in {Verdict.SOUND, Verdict.UNPROVEN}
