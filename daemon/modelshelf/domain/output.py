"""Where sidecars, pictures and pages go: CivitScraper's `output` section as plain values, and its name templates."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACEHOLDERS = ("model_dir", "model_name", "model_type", "ext")


@dataclass(frozen=True, slots=True)
class MetadataOutput:
    """CivitScraper's `output.metadata`: its JSON beside (or away from) the model."""

    path: str = "{model_dir}"
    filename: str = "{model_name}.json"


class SidecarKind(StrEnum):
    """The files of other tools that may be written beside a model, by their keys in `output.sidecars`."""

    CIVITAI_INFO = "civitai_info"
    FORGE = "forge"
    LORA_MANAGER = "lora_manager"
    STABILITY_MATRIX = "stability_matrix"
    SWARM = "swarm"

    @property
    def suffix(self) -> str:
        """What its tool puts after the model's stem, always beside the model."""
        return _SUFFIXES[self]


_SUFFIXES = {
    SidecarKind.CIVITAI_INFO: ".civitai.info",
    SidecarKind.FORGE: ".json",
    SidecarKind.LORA_MANAGER: ".metadata.json",
    SidecarKind.STABILITY_MATRIX: ".cm-info.json",
    SidecarKind.SWARM: ".swarm.json",
}
_BY_DEFAULT = frozenset({SidecarKind.CIVITAI_INFO, SidecarKind.FORGE})


@dataclass(frozen=True, slots=True)
class HtmlOutput:
    """`output.metadata.html`: the page of each model and the gallery of each folder."""

    is_enabled: bool = True
    path: str = "{model_dir}"
    filename: str = "{model_name}.html"
    is_existing_skipped: bool = False
    is_gallery_generated: bool = True
    gallery_path: str = "gallery.html"
    gallery_title: str | None = None


@dataclass(frozen=True, slots=True)
class ImagesOutput:
    """`output.images`. `is_numbered`: CivitScraper's names (preview1.jpeg, ...); else one real PNG `<stem>.preview.png`."""

    is_saved: bool = True
    path: str = "{model_dir}"
    max_count: int | None = 1
    filename: str = "{model_name}.preview{ext}"
    is_numbered: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """What is written for the files of one Folder.

    `metadata` None: CivitScraper's JSON is not written. `sidecars` None: nobody has chosen, so Civitai Helper's and Forge's are
    written where CivitScraper's is not.
    """

    metadata: MetadataOutput | None = None
    sidecars: frozenset[SidecarKind] | None = None
    html: HtmlOutput = field(default_factory=HtmlOutput)
    images: ImagesOutput = field(default_factory=ImagesOutput)
    base_directory: Path | None = None

    @property
    def kinds(self) -> frozenset[SidecarKind]:
        """Which tools' files are written beside a model."""
        if self.sidecars is not None:
            return self.sidecars
        return _BY_DEFAULT if self.metadata is None else frozenset()


_UNFIT_IN_TYPE = re.compile(r"[^\w .+-]")


@dataclass(frozen=True, slots=True)
class Spot:
    """One model's place among the templates: its path, the type of its folder, and the base directory if there is one."""

    model_path: Path
    model_type: str | None = None
    base_directory: Path | None = None

    def place(self, directory: str, filename: str, *, ext: str = "") -> Path:
        """Fill both templates in; with a base directory, `{model_dir}` is `<base directory>/<model type>`.

        A relative path starts at the model. The type is cut down to what cannot leave its directory.
        """
        model_type = _UNFIT_IN_TYPE.sub("", self.model_type or "").strip(" .") or "Other"
        parent = self.model_path.parent if self.base_directory is None else self.base_directory / model_type
        values = {
            "model_dir": str(parent),
            "model_name": os.path.splitext(self.model_path.name)[0],
            "model_type": model_type,
            "ext": ext,
        }
        return parent / fill(directory, values) / fill(filename, values)


def namesake(output: Output) -> SidecarKind | None:
    """Give whose file has the very name of CivitScraper's, which then is not written; None where each has its own."""
    if output.metadata is None:
        return None
    spot = Spot(Path("/model_dir/model_name.ext"), None, output.base_directory)
    path = spot.place(output.metadata.path, output.metadata.filename)
    taken = {spot.model_path.with_suffix(kind.suffix): kind for kind in output.kinds}
    return taken.get(path)


def fill(template: str, values: Mapping[str, str]) -> str:
    """Fill placeholders in; other braces stay as they are, and what was filled in is not looked at again."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), template)
