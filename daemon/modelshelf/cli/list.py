"""`modelshelf list`: the files of the catalog, searched and filtered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import json_option, show_json, show_line, show_table
from modelshelf.cli.wording import moment_json, path_json, size_text, value_text
from modelshelf.domain.display import readable
from modelshelf.domain.fact import Field
from modelshelf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.store.entries import Entry, EntryQuery
    from modelshelf.store.reports import FileState, Reports
    from modelshelf.store.store import Store

STATES = ("known", "pending", "waiting", "broken", "missing", "unidentified", "ignored")
NARROWABLE = frozenset(STATES) - {"known", "pending", "ignored"}
"""States by which the store can narrow a search; its answer is sorted out once more here."""
PAGE = 5000
COLUMNS = ("state", "folder", "path", "size", "name", "type", "base model")


@dataclass(frozen=True, slots=True)
class Search:
    """What was asked for; None where it does not matter."""

    words: tuple[str, ...]
    folder_id: str | None
    model_type: str | None
    base_model: str | None
    state: str | None
    limit: int
    offset: int


@dataclass(frozen=True, slots=True)
class Found:
    """One file of the answer."""

    entry: Entry
    state: FileState
    is_damaged: bool = False


@click.command(name="list")
@click.argument("words", nargs=-1)
@click.option("--folder", "folder_id", metavar="ID", help="Only this folder.")
@click.option("--type", "model_type", metavar="TYPE", help="Only this type: LORA, Checkpoint, ...")
@click.option("--base-model", metavar="NAME", help="Only this base model: SDXL 1.0, ...")
@click.option("--state", type=click.Choice(STATES), help="Only files in this state; missing ones are shown only so.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many files.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="Leave out the first so many.")
@json_option
@global_options
@click.pass_obj
def list_files(opening: Opening, /, *, is_json: bool, **options: Any) -> None:
    """List files by name. WORDS are searched in name, path, trained words, tags and creator; all of them must be there."""
    search = Search(**options)
    with opening.reading() as store:
        found = list(islice(find(store, search), search.offset, search.offset + search.limit + 1))
    shown, has_more = found[: search.limit], len(found) > search.limit
    if is_json:
        show_json({"files": [_document(each) for each in shown], "has_more": has_more})
        return
    if shown:
        show_table(COLUMNS, [_row(each) for each in shown])
    else:
        show_line("No such files.")
    if has_more:
        opening.note(
            f"There are more: --limit {search.limit * 10} or --offset {search.offset + search.limit} shows them."
        )


def find(store: Store, search: Search) -> Iterator[Found]:
    """Give what matches, by name; UsageError for a folder, type or base model that nothing has."""
    from modelshelf.store.entries import EntryQuery  # noqa: PLC0415 -- sqlite_utils comes with its package
    from modelshelf.store.reports import Reports  # noqa: PLC0415

    reports = Reports(store.database)
    if search.folder_id is not None:
        store.folders.state(search.folder_id)
    query = EntryQuery(
        text=" ".join(search.words),
        folder_id=search.folder_id,
        model_type=_spelling(reports, "model_type", search.model_type),
        base_model=_spelling(reports, "base_model", search.base_model),
        state=search.state if search.state in NARROWABLE else None,
        limit=min(PAGE, search.offset + search.limit + 1),
    )
    damaged = {rot.file_id for rot in store.rot.standing()}
    for entries in _pages(store, query):
        states = reports.states(entry.file_id for entry in entries)
        for entry in entries:
            state = states.get(entry.file_id)
            if state is not None and search.state in {None, state}:
                yield Found(entry, state, is_damaged=entry.file_id in damaged)


def _pages(store: Store, query: EntryQuery) -> Iterator[list[Entry]]:
    while entries := store.entries.search(query):
        yield entries
        query = replace(query, offset=query.offset + query.limit, limit=PAGE)


def _spelling(reports: Reports, column: str, word: str | None) -> str | None:
    if word is None:
        return None
    known = reports.spellings(column, word)
    if known and known[0].casefold() == word.casefold():
        return known[0]
    listed = f"there are: {', '.join(known)}" if known else "none is known yet"
    raise UsageError(f"no file has the {column.replace('_', ' ')} {word!r}; {listed}")


def _row(found: Found) -> tuple[str, ...]:
    entry = found.entry
    columns = ((Field.NAME, Field.TITLE), (Field.MODEL_TYPE,), (Field.BASE_MODEL, Field.ARCHITECTURE))
    known = [next((entry.values[name] for name in names if name in entry.values), "-") for names in columns]
    return (
        _standing(found),
        entry.folder_id,
        readable(entry.path),
        size_text(entry.size_bytes),
        *map(value_text, known),
    )


def _standing(found: Found) -> str:
    """Give the state in a word, whether it has rotted, and what a scan of its pickles found amiss."""
    pickles = (found.entry.pickle_verdict or "").replace("_", " ")
    doubts = ["DAMAGED"] if found.is_damaged else []
    doubts += [f"pickle {pickles}"] if pickles not in {"", "clean"} else []
    return "; ".join([found.state.value, *doubts])


def _document(found: Found) -> JsonObject:
    entry = found.entry
    return {
        "file_id": entry.file_id,
        "state": found.state.value,
        "is_damaged": found.is_damaged,
        "folder": entry.folder_id,
        **path_json(entry.path),
        "size_bytes": entry.size_bytes,
        "sha256": entry.sha256,
        "format": entry.format,
        "verdict": entry.verdict,
        "reason": entry.reason,
        "pickle_verdict": entry.pickle_verdict,
        "waiting_reason": entry.waiting_reason,
        "missing_since": moment_json(entry.missing_since),
        "first_seen_at": moment_json(entry.first_seen_at),
        "values": {field.value: value for field, value in entry.values.items()},
        "sources": {field.value: source.value for field, source in entry.sources.items()},
    }
