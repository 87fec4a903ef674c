"""`output`: what is written for a model, and where. Each part that is written here takes CivitScraper's meaning."""

from typing import Literal

from pydantic import Field

from modelshelf.config.sections.section import Section
from modelshelf.config.sections.values import AbsolutePath, NameTemplate, PathTemplate
from modelshelf.domain.output import HtmlOutput, ImagesOutput, MetadataOutput
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
    images: Images | None = Field(default=None, description="Pictures")


def to_domain(output: Output) -> DomainOutput:
    """Give the plain values that steps need."""
    return DomainOutput(
        metadata=_metadata(output.metadata),
        html=_html(output.metadata or Metadata()),
        images=_images(output.images),
        base_directory=output.base_dir,
    )


def _metadata(metadata: Metadata | None) -> MetadataOutput | None:
    return MetadataOutput(metadata.path, metadata.filename) if metadata else None


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
