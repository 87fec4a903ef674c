"""The commands by name. None is imported before it is asked for, so that `--version` costs no library but click."""

from __future__ import annotations

import importlib
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

import click

from modelshelf import __version__
from modelshelf.cli.job_wish import JobWish
from modelshelf.cli.opening import Opening, global_options

if TYPE_CHECKING:
    from collections.abc import Mapping


class Entrance(NamedTuple):
    """Where a command is found, and the line that `--help` has for it."""

    module: str
    attribute: str
    summary: str


ENTRANCES: Mapping[str, Entrance] = {
    "run": Entrance("run", "run", "Watch the folders and keep them described."),
    "status": Entrance("status", "status", "Show folders, files by state, what is owed and what runs."),
    "list": Entrance("list", "list_files", "List files; search and filter them."),
    "why": Entrance("why", "why", "Show what is known of a file, from where, and what is owed."),
    "set": Entrance("set", "set_field", "Say what is true of a file: its name, its trigger words, ..."),
    "pin": Entrance("pin", "pin", "Say which version on Civitai a file is."),
    "ignore": Entrance("ignore", "ignore", "Never ask about a file, never write beside it."),
    "mute": Entrance("mute", "mute", "Tell no more of newer versions of a model."),
    "duplicates": Entrance("duplicates", "duplicates", "Show files that hold the same."),
    "scan": Entrance("scan", "scan", "Look through folders now."),
    "chunks": Entrance("chunks", "chunks", "Show in which chunks files are read deep, and how far they are."),
    "verify": Entrance("verify", "verify", "Read files again, and show what rotted."),
    "report": Entrance("report", "report", "Show what a run found."),
    "confirm-missing": Entrance(
        "confirm_missing", "confirm_missing", "Confirm that what vanished from a folder is really gone."
    ),
    "undo-sidecar": Entrance(
        "undo_sidecar", "undo_sidecar", "Bring a sidecar back to what it was before modelshelf changed it."
    ),
    "jobs": Entrance("jobs", "jobs", "List the jobs of the configuration."),
    "job": Entrance("job", "job", "Run a job now."),
    "failures": Entrance("failures", "failures", "Show what failed, why, and when it is tried again."),
    "retry": Entrance("retry", "retry", "Try again at once what failed."),
    "import": Entrance("import_stablequeue", "importing", "Take over what another program knows."),
    "doctor": Entrance("doctor", "doctor", "Examine the installation and say what to do about what is not well."),
    "backups": Entrance("backups", "backups", "List the backups of what is known."),
    "restore": Entrance("restore", "restore", "Put a backup in the place of what is known."),
    "hash": Entrance("hash", "hash_files", "Give the six hashes of any file, as Civitai has them."),
    "notify-test": Entrance("notify_test", "notify_test", "Send a sample message to everyone who is told."),
    "service": Entrance("installation", "service", "Install modelshelf as a service of systemd, or take it away."),
    "config": Entrance("config", "config", "Check or show the configuration, or its schema."),
}


class LazyGroup(click.Group):
    """A group whose commands are modules of this package, each imported when its name is typed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Give the names in the order in which a newcomer meets them."""
        return list(ENTRANCES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- click's signature
        """Import the command of this name; None if there is none."""
        entrance = ENTRANCES.get(cmd_name)
        if entrance is None:
            return None
        module = importlib.import_module(f"modelshelf.cli.{entrance.module}")
        command: click.Command = getattr(module, entrance.attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is asked for; a misspelt one is told the nearest name."""
        name = args[0]
        near = [] if name in ENTRANCES else get_close_matches(name, ENTRANCES, n=1)
        if near:
            raise click.UsageError(f"No such command {name!r}; did you mean {near[0]}?", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- click's signature
        """Write the list of `--help` from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entrance.summary) for name, entrance in ENTRANCES.items()])


@click.group(cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="modelshelf", message="%(prog)s %(version)s")
@global_options
@click.option("-j", "--job", "job_name", metavar="NAME", help="As `job NAME --wait`.")
@click.option("--all-jobs", is_flag=True, help="As `job --all --wait`.")
@click.option("--dry-run", is_flag=True, help="As `job --dry-run`: tell what would be new, write nothing.")
@click.option("--force-refresh", is_flag=True, help="As `job --force-refresh`: ask Civitai again.")
@click.pass_context
def modelshelf(
    context: click.Context, job_name: str | None, *, all_jobs: bool, dry_run: bool, force_refresh: bool
) -> int | None:
    """Keep folders of AI model files hashed, checked, identified, described and pictured.

    Start with `modelshelf config check`, then `modelshelf run`. Every command has its own --help; all that read have --json.
    """
    wish = JobWish(job_name, is_all=all_jobs, is_dry_run=dry_run, is_forced=force_refresh)
    if context.invoked_subcommand is not None:
        if any(wish):
            raise click.UsageError("-j, --all-jobs, --dry-run and --force-refresh stand alone, or after `job`.")
        return None
    if not any(wish):
        raise click.UsageError("Name a command; `modelshelf --help` lists them.")
    from modelshelf.cli.job import run_wish  # noqa: PLC0415 -- only for who uses these options

    return run_wish(context.ensure_object(Opening), wish)
