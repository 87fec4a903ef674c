"""`jobs`: what is done on demand or by the calendar, in CivitScraper's flat form and in its list form."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from modelshelf.config.schedule import checked_schedule
from modelshelf.config.sections.deep_scan import Missed
from modelshelf.config.sections.organization import Organization
from modelshelf.config.sections.output import Output
from modelshelf.config.sections.section import Section
from modelshelf.config.sections.values import Texts
from modelshelf.domain.job import JobKind


def _without_organization(value: Any) -> Any:
    return {"enabled": value} if isinstance(value, bool) else value


class ActionEntry(Section):
    """`jobs.NAME.actions[]`, and the same keys in `jobs.NAME` itself."""

    type: JobKind = Field(
        default=JobKind.SCAN_PATHS,
        description="`scan-paths`, `deep-scan`, `verify`, `build-gallery`, `check-updates`; `sync-lora-triggers`: kept, not done",
    )
    paths: Texts = Field(
        default=(),
        description="Ids of `input_paths`, or `all`; without it all, but for `scan-paths` every folder of type LORA",
    )
    recursive: bool | None = Field(
        default=None,
        description="Whether directories inside count, whatever the folder says; the job that speaks for dropped files decides",
    )
    skip_existing: bool | None = Field(
        default=None,
        description="A file that a sidecar describes already is not looked up; default `scanner.skip_existing`",
    )
    verify_hashes: bool | None = Field(default=None, description="Kept, without effect: see `scanner.verify_hashes`")
    use_cached_metadata: bool = Field(
        default=False, description="Kept, not done: write from what is known without asking Civitai; see `offline`"
    )
    force_refresh: bool | None = Field(
        default=None, description="Ask again for what is known; default `scanner.force_refresh`"
    )
    organize: bool = Field(default=False, description="Kept, not done: sort files into directories")
    organization: Annotated[Organization | None, BeforeValidator(_without_organization)] = Field(
        default=None, description="Kept, not done: how files would be sorted"
    )
    output: Output | None = Field(
        default=None, description="What is written for the files of this job, dropped ones included; see `output`"
    )
    generate_gallery: bool | None = Field(default=None, description="Short for `output.metadata.html.generate_gallery`")
    gallery_path: str | None = Field(
        default=None, min_length=1, description="Short for `output.metadata.html.gallery_path`"
    )
    gallery_title: str | None = Field(default=None, description="Short for `output.metadata.html.gallery_title`")
    loras_file: str = Field(default="loras.json", description="Kept, not done: Krita's file of LoRAs")
    overwrite_triggers: bool = Field(default=True, description="Kept, not done: whether filled entries are replaced")


class JobEntry(ActionEntry):
    """`jobs.NAME`. Beside `actions`, its other keys are what an action has that does not say otherwise."""

    description: str | None = Field(default=None, description="What the job is for, in your words")
    schedule: Annotated[str, AfterValidator(checked_schedule)] | None = Field(
        default=None,
        description="When it runs by itself: five cron fields (`0 2 * * *`), `@daily`, `every 6h`, or `idle`",
    )
    missed: Missed = Field(
        default=Missed.RUN,
        description="A time that the machine slept through: `run` as soon as it wakes, or `skip` until the next",
    )
    actions: tuple[ActionEntry, ...] = Field(
        default=(), description="Several actions, done in this order; the list form"
    )
