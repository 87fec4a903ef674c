"""`modelshelf why`: what is known of a file, which source each value came from, what is owed and when it is tried."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelshelf.cli.finding import spot_at
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import json_option, show_json
from modelshelf.domain.display import readable
from modelshelf.errors import ModelshelfError, UsageError

if TYPE_CHECKING:
    from modelshelf.cli.finding import Spot
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.store.store import Store

FEWEST_DIGITS = 6
MOST_FILES = 20


class NotOnShelf(ModelshelfError):
    """A path of ours that the catalog does not have; the text says why not."""


@click.command()
@click.argument("target", metavar="FILE")
@json_option
@global_options
@click.pass_obj
def why(opening: Opening, target: str, *, is_json: bool) -> None:
    """Show what is known of FILE: a path, a file's name, or the beginning of any of its hashes (6 digits or more).

    For each value it tells the source it came from and what other sources said, then what is owed and when the next try is.
    """
    from modelshelf.cli.known import know  # noqa: PLC0415 -- sqlite_utils comes with the store
    from modelshelf.cli.known_json import document  # noqa: PLC0415
    from modelshelf.cli.known_view import show_known  # noqa: PLC0415

    with opening.reading() as store:
        found = [know(store, file) for file in find_files(opening, store, target)]
        if is_json:
            show_json({"files": [document(store, each) for each in found]})
            return
        for each in found:
            show_known(opening, each)


def find_files(opening: Opening, store: Store, target: str) -> list[ModelFile]:
    """Give the files meant by a path, a name or a hash; NotOnShelf or UsageError where there is none."""
    spot = spot_at(opening.config.folders(), _absolute(target), os.path.realpath(os.fsencode(target)))
    found = _at(store, spot) or _in_any_folder(opening, store, os.fsencode(target)) or _by_name_or_hash(store, target)
    if len(found) > MOST_FILES:
        raise UsageError(f"{len(found)} files are meant by {readable(target)}; give more of the path or the hash")
    if found:
        return found
    if spot is not None:
        raise NotOnShelf(f"{readable(spot.absolute)} is not in the catalog: {reason_of_absence(spot)}")
    folders = ", ".join(f"{folder.id} ({readable(folder.path)})" for folder in opening.config.folders())
    raise UsageError(f"{readable(target)} is no file, name or hash in the catalog; the folders are: {folders}")


def _absolute(target: str) -> bytes:
    """Give the path with links above the file followed, but not the file itself: a link in a folder is a thing of its own."""
    path = os.path.abspath(os.fsencode(target))  # noqa: PTH100 -- resolve() follows the last link too
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def _at(store: Store, spot: Spot | None) -> list[ModelFile]:
    file = store.files.at(spot.folder.id, spot.path) if spot else None
    return [file] if file else []


def _in_any_folder(opening: Opening, store: Store, path: bytes) -> list[ModelFile]:
    """Give the files at this path relative to a folder."""
    found = [store.files.at(folder.id, os.path.normpath(path)) for folder in opening.config.folders()]
    return [file for file in found if file]


def _by_name_or_hash(store: Store, target: str) -> list[ModelFile]:
    from modelshelf.store.reports import Reports  # noqa: PLC0415 -- sqlite_utils comes with its package

    reports = Reports(store.database)
    named = [store.files.get(file_id) for file_id in reports.files_named(os.fsencode(target))]
    digits = target.removeprefix("sha256:").upper()
    is_hash = len(digits) >= FEWEST_DIGITS and set(digits) <= set("0123456789ABCDEF")
    hashed = (
        [file for content_id in reports.contents_like(digits) for file in _holders(store, content_id)]
        if is_hash
        else []
    )
    return [file for file in named if file] + hashed


def _holders(store: Store, content_id: int) -> list[ModelFile]:
    return store.files.of_content(content_id) or store.files.missing_with_content(content_id)


def reason_of_absence(spot: Spot) -> str:
    """Tell why a path in a folder is not in the catalog."""
    from modelshelf.shelf.intake import Intake  # noqa: PLC0415 -- only for files that are not there

    intake, path = Intake(spot.folder), Path(os.fsdecode(spot.absolute))
    directory, name = os.path.split(spot.path)
    hints = "see patterns and exclude_patterns in config show"
    reasons = (
        (not os.path.lexists(path), "nothing is there, and nothing was"),
        (
            path.is_symlink(),
            f"it is a symbolic link, and links are not followed; it leads to {readable(os.path.realpath(path))}",
        ),
        (path.is_dir(), "it is a directory; name a file in it"),
        (not path.is_file(), "it is no regular file"),
        (intake.is_excluded_directory(directory), f"it lies in a directory that is hidden or excluded; {hints}"),
        (intake.is_partial(name), "by its name it is not finished"),
        (not intake.is_model_name(spot.path), f"its name is none of a model here; {hints}"),
        (
            bool(directory) and not spot.folder.is_recursive,
            "it lies in a directory inside, and the folder is not recursive",
        ),
    )
    return next((reason for is_so, reason in reasons if is_so), "it was not noticed yet; modelshelf scan looks")
