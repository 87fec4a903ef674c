"""`modelshelf backups`: the backups of the store, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import json_option, show_json, show_line, show_table
from modelshelf.cli.wording import moment_json, path_json, size_text, when_text
from modelshelf.clock import SystemClock
from modelshelf.domain.display import readable

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.store.backups import Backup

COLUMNS = ("backup", "made", "size")


@click.command()
@json_option
@global_options
@click.pass_obj
def backups(opening: Opening, *, is_json: bool) -> None:
    """List the backups of what modelshelf knows, newest first; `modelshelf restore` takes one."""
    from modelshelf.store.backups import backups_of  # noqa: PLC0415 -- sqlite_utils comes with its package

    now = SystemClock().now()
    found = backups_of(opening.store_path, now)
    if is_json:
        show_json({"backups": [_document(backup) for backup in found]})
    elif found:
        rows = [(backup.path.name, when_text(backup.made_at, now), size_text(backup.size_bytes)) for backup in found]
        show_table(COLUMNS, rows)
        opening.note(f"They are in {readable(found[0].path.parent)}.")
    else:
        show_line("There is no backup yet; the daemon makes one a day.")


def _document(backup: Backup) -> JsonObject:
    return {
        "backup": backup.path.name,
        **path_json(backup.path),
        "made_at": moment_json(backup.made_at),
        "size_bytes": backup.size_bytes,
    }
