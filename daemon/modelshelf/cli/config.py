"""`modelshelf config`: is the configuration right, what does it come to, and what may stand in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelshelf.cli.exits import Exit
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import json_option, show_json, show_line
from modelshelf.cli.wording import count_text, path_json
from modelshelf.domain.display import readable
from modelshelf.errors import ConfigError

if TYPE_CHECKING:
    from modelshelf.config import Config
    from modelshelf.domain.jsontypes import JsonObject


@click.group()
@global_options
def config() -> None:
    """Check or show the configuration, or its schema."""


@config.command()
@json_option
@global_options
@click.pass_obj
def check(opening: Opening, *, is_json: bool) -> int:
    """Read the configuration and name everything that is wrong in it; exit 78 if anything is."""
    if is_json:
        return _check_as_json(opening)
    loaded = opening.config
    for text in _remarks(loaded):
        opening.note(f"note: {text}")
    origin = readable(loaded.path) if loaded.path else "the environment"
    show_line(
        f"{origin}: good. {count_text(len(loaded.folders()), 'folder', 'folders')}, "
        f"{count_text(len(loaded.jobs), 'job', 'jobs')}, state in {readable(loaded.state_directory)}"
    )
    return 0


def _check_as_json(opening: Opening) -> int:
    try:
        loaded = opening.config
    except ConfigError as error:
        show_json({"is_good": False, "problems": [*str(error).splitlines()], "notes": []})
        return Exit.CONFIGURATION
    document: JsonObject = {"is_good": True, "problems": [], "notes": [*_remarks(loaded)]}
    show_json({**document, **path_json(loaded.state_directory, "state_directory")})
    return 0


def _remarks(loaded: Config) -> list[str]:
    from modelshelf.cli.unit_files import doubts  # noqa: PLC0415 -- pydantic, which --help can do without

    return [*loaded.warnings, *loaded.not_done(), *doubts(loaded)]


@config.command()
@json_option
@global_options
@click.pass_obj
def show(opening: Opening, *, is_json: bool) -> None:
    """Print the effective configuration as YAML, every default written out and secrets as `***`."""
    text = opening.config.show()
    if not is_json:
        show_line(text.rstrip("\n"))
        return
    import yaml  # noqa: PLC0415 -- only where it is asked for

    show_json(yaml.safe_load(text))


@config.command()
@global_options
def schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    from modelshelf.config import schema_json  # noqa: PLC0415 -- pydantic, which --help can do without

    show_line(schema_json().rstrip("\n"))
