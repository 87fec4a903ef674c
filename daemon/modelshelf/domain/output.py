"""Where sidecars, pictures and pages go: CivitScraper's `output` section as plain values, and its name templates."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PLACEHOLDERS = ("model_dir", "model_name", "model_type", "ext")


@dataclass(frozen=True, slots=True)
class MetadataOutput:
    """CivitScraper's `output.metadata`: its JSON beside (or away from) the model."""

    path: str = "{model_dir}"
    filename: str = "{model_name}.json"


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
    """What is written for the files of one Folder. `metadata` None: modelshelf's own default sidecars."""

    metadata: MetadataOutput | None = None
    html: HtmlOutput = field(default_factory=HtmlOutput)
    images: ImagesOutput = field(default_factory=ImagesOutput)
    base_directory: Path | None = None


def fill(template: str, model_path: Path, model_type: str | None, *, ext: str = "") -> str:
    """Fill `{model_dir}`, `{model_name}` (the file's stem), `{model_type}` and `{ext}` in; other braces stay as they are."""
    values = {
        "model_dir": str(model_path.parent),
        "model_name": os.path.splitext(model_path.name)[0],
        "model_type": model_type or "Other",
        "ext": ext,
    }
    for name in PLACEHOLDERS:
        template = template.replace("{" + name + "}", values[name])
    return template
