"""`output`: what is written for a model, and where. Each part that is written here takes CivitScraper's meaning."""

from typing import Literal

from pydantic import Field

from modelshelf.config.sections.section import Section
from modelshelf.config.sections.values import AbsolutePath, NameTemplate, PathTemplate
from modelshelf.domain.output import HtmlOutput, ImagesOutput, MetadataOutput, SidecarKind
from modelshelf.domain.output import Output as DomainOutput


class Html(Section):
    """`output.metadata.html`."""

    enabled: bool = Field(default=True, description="Write a page for each model")
    path: PathTemplate | None = Field(default=None, description="Directory of the page; default `output.metadata.path`")
    filename: NameTemplate = Field(default="{model_name}.html", description="Name of the page")
    skip_existing_html: bool = Field(
        default=False,
        description="Never write a page again. Ours are kept current by default; a stranger's is never touched",
    )
    generate_gallery: bool = Field(default=True, description="Write a gallery of each folder")
    gallery_path: str = Field(
        default="gallery.html", min_length=1, description="Name of the gallery; relative to the folder"
    )
    gallery_title: str | None = Field(default=None, description="Title of the gallery; default the folder's name")
    include_existing_in_gallery: bool = Field(
        default=True, description="Kept, without effect: a gallery shows the whole folder"
    )


class Metadata(Section):
    """`output.metadata`. Written out, it gives CivitScraper's JSON; left out, the sidecars of modelshelf."""

    format: Literal["json"] = Field(default="json", description="JSON is the only one")
    path: PathTemplate = Field(default="{model_dir}", description="Directory of the JSON file")
    filename: NameTemplate = Field(default="{model_name}.json", description="Name of the JSON file")
    html: Html = Field(default_factory=Html, description="Pages and galleries")


class Sidecars(Section):
    """`output.sidecars`: one switch per tool. What another tool has written is merged key by key, or left alone."""

    civitai_info: bool | None = Field(
        default=None, description="Civitai Helper's `.civitai.info`; default on where CivitScraper's JSON is off"
    )
    forge: bool | None = Field(
        default=None, description="A1111's and Forge's `.json`; default on where CivitScraper's JSON is off"
    )
    civitscraper: bool | None = Field(
        default=None, description="CivitScraper's JSON; default on where `output.metadata` is written out"
    )
    lora_manager: bool = Field(default=False, description="ComfyUI LoRA-Manager's `.metadata.json`")
    stability_matrix: bool = Field(default=False, description="Stability Matrix's `.cm-info.json`")
    swarm: bool = Field(default=False, description="SwarmUI's `.swarm.json`")


class Filenames(Section):
    """`output.images.filenames`."""

    preview: NameTemplate = Field(
        default="{model_name}.preview{ext}", description="Name of a picture; its number goes before `{ext}`"
    )


class Images(Section):
    """`output.images`. Written out, it gives CivitScraper's numbered pictures; left out, one real PNG per model."""

    save: bool = Field(default=True, description="Fetch pictures")
    enabled: bool | None = Field(default=None, description="Another word for `save`; `false` in either wins")
    path: PathTemplate = Field(default="{model_dir}", description="Directory of the pictures")
    max_count: int | None = Field(
        default=None, ge=0, description="Most pictures per model; empty: all that Civitai lists"
    )
    filenames: Filenames = Field(default_factory=Filenames, description="Names of pictures")


class Output(Section):
    """`output`, at the top or in a job; a job's keys go before those at the top."""

    base_dir: AbsolutePath | None = Field(
        default=None,
        description="Write everything to `base_dir/TYPE/`; models with equal names get in each other's way",
    )
    metadata: Metadata | None = Field(default=None, description="JSON and pages")
    sidecars: Sidecars | None = Field(default=None, description="Which tools' files are written")
    images: Images | None = Field(default=None, description="Pictures")


def to_domain(output: Output) -> DomainOutput:
    """Give the plain values that steps need."""
    return DomainOutput(
        metadata=_metadata(output),
        sidecars=_kinds(output),
        html=_html(output.metadata or Metadata()),
        images=_images(output.images),
        base_directory=output.base_dir,
    )


def _metadata(output: Output) -> MetadataOutput | None:
    is_chosen = output.sidecars.civitscraper if output.sidecars else None
    if not (output.metadata is not None if is_chosen is None else is_chosen):
        return None
    metadata = output.metadata or Metadata()
    return MetadataOutput(metadata.path, metadata.filename)


def _kinds(output: Output) -> frozenset[SidecarKind] | None:
    chosen = output.sidecars
    if chosen is None:
        return None
    by_default = DomainOutput(metadata=_metadata(output)).kinds
    switches = {
        SidecarKind.CIVITAI_INFO: chosen.civitai_info,
        SidecarKind.FORGE: chosen.forge,
        SidecarKind.LORA_MANAGER: chosen.lora_manager,
        SidecarKind.STABILITY_MATRIX: chosen.stability_matrix,
        SidecarKind.SWARM: chosen.swarm,
    }
    return frozenset(kind for kind, is_on in switches.items() if (kind in by_default if is_on is None else is_on))


def _html(metadata: Metadata) -> HtmlOutput:
    html = metadata.html
    return HtmlOutput(
        is_enabled=html.enabled,
        path=html.path or metadata.path,
        filename=html.filename,
        is_existing_skipped=html.skip_existing_html,
        is_gallery_generated=html.generate_gallery,
        gallery_path=html.gallery_path,
        gallery_title=html.gallery_title,
    )


def _images(images: Images | None) -> ImagesOutput:
    if images is None:
        return ImagesOutput()
    return ImagesOutput(
        is_saved=images.save and images.enabled is not False,
        path=images.path,
        max_count=images.max_count,
        filename=images.filenames.preview,
        is_numbered=True,
    )
