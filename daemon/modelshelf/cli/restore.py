"""`modelshelf restore`: a backup takes the place of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import json_option, show_json, show_line
from modelshelf.cli.wording import moment_json, when_text
from modelshelf.clock import SystemClock
from modelshelf.domain.display import readable
from modelshelf.errors import StoreError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from modelshelf.store.backups import Backup


@click.command()
@click.argument("backup", required=False, type=click.Path())
@json_option
@global_options
@click.pass_obj
def restore(opening: Opening, backup: str | None, *, is_json: bool) -> None:
    """Put BACKUP, as `modelshelf backups` names it, in the place of the store; the newest good one without a name.

    The daemon must be stopped. The present store is set aside beside it. What changed since the backup is found again by
    a scan of every folder, which is owed at once.
    """
    from modelshelf.store.healing import REPLACED, first_good, put_in_place  # noqa: PLC0415 -- sqlite_utils comes along

    now = SystemClock().now()
    candidates = _candidates(opening, backup, now)
    opening.demand_access(is_writing=True)
    with opening.locked():
        taken, passed_over = first_good(candidates)
        if taken is None:
            raise StoreError("\n".join(["no backup is good:", *passed_over]))
        aside = put_in_place(opening.store_path, taken, REPLACED, now)
    for reason in passed_over:
        opening.note(f"Passed over: {reason}")
    if is_json:
        set_aside = aside.name if aside else None
        show_json({"backup": taken.path.name, "made_at": moment_json(taken.made_at), "set_aside": set_aside})
        return
    show_line(f"{taken.path.name} is in place, made {when_text(taken.made_at, now)}.")
    if aside is not None:
        opening.note(f"What stood there is kept as {readable(aside)}.")
    opening.note("Every folder is scanned when the daemon runs again.")


def _candidates(opening: Opening, name: str | None, now: datetime) -> list[Backup]:
    from modelshelf.store.backups import backups_of  # noqa: PLC0415 -- likewise

    found = backups_of(opening.store_path, now)
    if name is None:
        if not found:
            raise UsageError("there is no backup yet; the daemon makes one a day")
        return found
    chosen = [backup for backup in found if backup.path.name == name]
    if not chosen:
        raise UsageError(f"there is no backup {readable(name)}; see modelshelf backups")
    return chosen
