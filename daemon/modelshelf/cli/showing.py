"""How a command answers: tables on a terminal, plain columns on a pipe, one JSON document with `--json`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from modelshelf.domain.jsontypes import JsonValue

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

json_option: Decorator = click.option("--json", "is_json", is_flag=True, help="Answer with one JSON document.")
"""The option of every command that reads."""

_GAP = "  "


def show_json(document: JsonValue) -> None:
    """Print one document, in ASCII so that any terminal and any pipe can take it."""
    show_line(json.dumps(document, indent=2))


def show_line(text: str = "") -> None:
    """Print one line of the answer."""
    click.echo(text)


def show_heading(text: str) -> None:
    """Print the title of a part, bold where that is possible, with an empty line before it."""
    click.echo()
    click.secho(text, bold=True)


def show_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Print names with their values, a line each."""
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        show_line(f"{name:<{width}}{_GAP}{value}".rstrip())


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: framed on a terminal and as wide as that is, else in plain columns where nothing is ever cut."""
    if sys.stdout.isatty():
        _show_framed(columns, rows)
        return
    lines = [[column.upper() for column in columns], *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    for line in lines:
        show_line(_GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _show_framed(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box  # noqa: PLC0415 -- only terminals are worth the import
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(file=sys.stdout, highlight=False).print(table)
