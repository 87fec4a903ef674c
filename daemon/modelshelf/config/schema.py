"""The whole configuration file as one typed, frozen tree; `sections/` has its parts."""

import json
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from modelshelf.config.sections.api import Api
from modelshelf.config.sections.deep_scan import DeepScan
from modelshelf.config.sections.folders import InputPath, Scanner, Watch
from modelshelf.config.sections.jobs import JobEntry
from modelshelf.config.sections.logging import Logging
from modelshelf.config.sections.notifications import Notifications
from modelshelf.config.sections.organization import Organization
from modelshelf.config.sections.output import Output
from modelshelf.config.sections.section import Section
from modelshelf.config.sections.values import AbsolutePath, SizeBytes
from modelshelf.config.sections.verify import Verify

DEFAULT_JOB = "fetch-all"
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError("must be a time zone such as Europe/Berlin or UTC") from error
    return name


class Calendar(Section):
    """`schedule`: the calendar that the jobs' own `schedule` keys are read by."""

    timezone: Annotated[str, AfterValidator(_timezone)] | None = Field(
        default=None, description="Time zone of cron fields; default the machine's own"
    )


class StoreSection(Section):
    """`store`: where the daemon keeps what it knows and owes."""

    directory: AbsolutePath | None = Field(
        default=None,
        description="State directory, on a local disk; default `$STATE_DIRECTORY`, `$CONFIG_DATA_PATH`, or the user's own",
    )
    keep_days: int = Field(default=90, ge=1, description="Days that runs and events are kept")
    backups: int = Field(default=7, ge=1, description="Backups that are kept beside the store; one is made a day")


class Hashing(Section):
    """`hashing`."""

    max_size: SizeBytes = Field(
        default=None, description="Files above this size (`15GB`, `15 GiB`) are listed but not hashed; off by default"
    )


class ConfigFile(Section):
    """Everything that can stand in the file."""

    input_paths: dict[str, InputPath] = Field(
        default_factory=dict, description="The watched folders, keyed by their ids"
    )
    api: Api = Field(default_factory=Api, description="How Civitai is asked")
    offline: bool = Field(default=False, description="Make no outgoing request at all; lookups wait")
    dry_run: bool = Field(
        default=False,
        description="Kept, not done: write nothing. To look on only, let the daemon run as a user that may not write there",
    )
    scanner: Scanner = Field(
        default_factory=Scanner, description="What holds for every folder and job that says nothing else"
    )
    watch: Watch = Field(default_factory=Watch, description="How changes are noticed")
    hashing: Hashing = Field(default_factory=Hashing, description="What is hashed")
    deep_scan: DeepScan = Field(
        default_factory=DeepScan, description="When and how files are read that nobody waits for"
    )
    output: Output | None = Field(default=None, description="What is written for files that no job speaks for")
    organization: Organization | None = Field(default=None, description="Kept, not done: sorting of files")
    default_job: str | None = Field(
        default=None, description="The job whose `output` dropped files get first; default `fetch-all`"
    )
    jobs: dict[str, JobEntry] = Field(default_factory=dict, description="Jobs, keyed by their names")
    schedule: Calendar = Field(default_factory=Calendar, description="The calendar of all jobs")
    store: StoreSection = Field(default_factory=StoreSection, description="What the daemon keeps")
    logging: Logging = Field(default_factory=Logging, description="What is logged where")
    verify: Verify = Field(default_factory=Verify, description="How much is read again, to find rot")
    notifications: Notifications = Field(default_factory=Notifications, description="Who is told what happened")

    @property
    def default_job_name(self) -> str:
        """The job that is meant where none is named; there need not be one of that name."""
        return self.default_job or DEFAULT_JOB


def schema_json() -> str:
    """Give the JSON Schema of the file, for editors."""
    schema = {
        "$schema": SCHEMA_DIALECT,
        "$id": "modelshelf.schema.json",
        **ConfigFile.model_json_schema(),
        "title": "modelshelf configuration",
    }
    return json.dumps(schema, indent=2) + "\n"
