"""`modelshelf hash`: the six hashes of any file, without catalog or configuration."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelshelf.cli.exits import Exit
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import json_option, show_json, show_line, show_pairs
from modelshelf.cli.wording import path_json, size_text
from modelshelf.domain.display import readable
from modelshelf.errors import ModelshelfError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.formats.hashes import HashedFile

NAMES = {
    "sha256": "SHA256",
    "blake3": "BLAKE3",
    "autov1": "AutoV1",
    "autov2": "AutoV2",
    "autov3": "AutoV3",
    "crc32": "CRC32",
}
"""Our names, and Civitai's."""


@click.command(name="hash")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
@global_options
@click.pass_obj
def hash_files(opening: Opening, files: tuple[Path, ...], *, is_json: bool) -> int:
    """Give the six hashes of each of FILES, as Civitai has them.

    Needs neither configuration nor catalog. A file that cannot be read is named on stderr; the others are hashed all the same.
    """
    documents: list[JsonObject] = []
    failed = 0
    for path in files:
        try:
            hashed = _hash(opening, path)
        except ModelshelfError as error:
            click.echo(f"Error: {error}", err=True)
            failed += 1
            continue
        if is_json:
            documents.append(_document(path, hashed))
        else:
            _show(path, hashed)
    if is_json:
        show_json({"files": [*documents]})
    return Exit.FAILED if failed else Exit.GOOD


def _hash(opening: Opening, path: Path) -> HashedFile:
    from modelshelf.formats.hashes import hash_file  # noqa: PLC0415 -- blake3, which --help can do without

    with _progress(path, is_shown=sys.stderr.isatty() and not opening.is_quiet) as advance:
        return hash_file(path, on_progress=advance)


@contextmanager
def _progress(path: Path, *, is_shown: bool) -> Iterator[Callable[[int], None] | None]:
    if not is_shown:
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 -- only terminals are worth the import
    from rich.markup import escape  # noqa: PLC0415
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(escape(readable(path.name)), total=None)

        def advance(done_bytes: int) -> None:
            if progress.tasks[0].total is None:
                progress.update(bar, total=path.stat().st_size)
            progress.update(bar, completed=done_bytes)

        yield advance


def _show(path: Path, hashed: HashedFile) -> None:
    show_line(f"{readable(path)} ({size_text(hashed.fingerprint.size_bytes)})")
    values = asdict(hashed.hashes)
    show_pairs([(f"  {shown}", values[name] or "-") for name, shown in NAMES.items()])


def _document(path: Path, hashed: HashedFile) -> JsonObject:
    return {**path_json(path), "size_bytes": hashed.fingerprint.size_bytes, **asdict(hashed.hashes)}
