"""`modelshelf duplicates`: which files hold the same, and what space that takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelshelf.cli.copies import duplicates_json, find_duplicates, group_lines, roots_of, summary_line
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import json_option, show_json, show_line
from modelshelf.cli.wording import count_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from modelshelf.domain.duplicate import DuplicateGroup


@click.command()
@json_option
@global_options
@click.pass_obj
def duplicates(opening: Opening, /, *, is_json: bool) -> None:
    """Show the files that hold the same bytes, and those that hold the same weights under another header.

    Hashes alone decide; names of one file (hard links) are no duplicates. Nothing is removed. Headers may differ in
    what a trainer noted: look at both files before one of them goes.
    """
    from modelshelf.store.duplicates import vouched_count  # noqa: PLC0415 -- sqlite_utils comes with its package

    with opening.reading() as store:
        groups, roots, unread = find_duplicates(store), roots_of(store), vouched_count(store.database)
    if is_json:
        show_json({**duplicates_json(groups, roots), "not_compared": unread})
    elif groups:
        _show(groups, roots)
    else:
        show_line("No duplicates.")
    if unread:
        opening.note(
            f"{count_text(unread, 'file is', 'files are')} not compared: their hashes are another program's word."
        )


def _show(groups: Sequence[DuplicateGroup], roots: dict[str, Path]) -> None:
    for group in groups:
        for line in group_lines(group, roots):
            show_line(line)
    show_line()
    show_line(f"{summary_line(groups)}.")
