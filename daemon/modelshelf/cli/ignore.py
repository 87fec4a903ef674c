"""`modelshelf ignore`: a file that is a person's own business: never asked about, never written beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelshelf.cli.deciding import decided, deciding, owe_again, owe_lookup, report
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import json_option
from modelshelf.domain.decision import IGNORE
from modelshelf.domain.task import TaskKind
from modelshelf.errors import UsageError

if TYPE_CHECKING:
    from modelshelf.cli.deciding import Meant
    from modelshelf.store.store import Store


@click.command()
@click.argument("target", metavar="FILE")
@click.option("--clear", "is_cleared", is_flag=True, help="Attend to it again.")
@json_option
@global_options
@click.pass_obj
def ignore(opening: Opening, target: str, *, is_cleared: bool, is_json: bool) -> None:
    """Leave FILE alone, a path, a name or a hash: Civitai is never asked about it, and nothing is written beside it.

    It is still hashed, checked and shown in the gallery. What was written beside it already stays, and what is known of it, too.
    It holds for these very bytes, wherever they lie, until --clear takes it back.
    """
    with deciding(opening, target) as (store, meant):
        if is_cleared:
            said = _attend(store, meant)
        else:
            store.decisions.keep(meant.content.id, decided(IGNORE, value=True))
            owe_again(store, meant)
            said = f"{meant.name} is left alone from now on."
    report(opening, meant, said, {"is_ignored": not is_cleared}, is_json=is_json)


def _attend(store: Store, meant: Meant) -> str:
    if not store.decisions.take_back(meant.content.id, IGNORE):
        raise UsageError(f"{meant.name} is not ignored")
    owe_again(store, meant, TaskKind.WRITE_SIDECARS, TaskKind.FETCH_PREVIEWS)
    if meant.content.version_id is None:
        owe_lookup(store, meant)
    return f"{meant.name} is attended to again."
