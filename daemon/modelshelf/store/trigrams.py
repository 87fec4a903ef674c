"""Trigrams: by every three letters of what entries are searched in, those that can hold a word are found at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from modelshelf.store.columns import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.store.database import Database

MANY = 50_000
"""Where more entries than these may match, going through all of them by name finds a page of matches sooner."""

FEW = 2_000
"""Up to here they are looked at one by one, else by name until a page is full."""

HAS_WORDS = """NOT EXISTS (SELECT 1 FROM json_each(:words) WHERE instr(
            CASE e.search_text WHEN '' THEN lower(iif(e.directory = '', '', e.directory || '/') || e.filename)
                ELSE e.search_text END, value) = 0)"""
"""Whether an entry has all the words; one without a text, of a file that nobody has read yet, is searched by its path."""

_LENGTH, _QUOTE = 3, '"'
_MOST_PIECES = 24
"""So many trigrams are looked up at most; whether the words are there is seen in the entries anyway."""

_THOSE = f"""SELECT count(*), json_group_array(id) FROM (
    SELECT * FROM (SELECT rowid AS id FROM entry_trigrams WHERE entry_trigrams MATCH :match LIMIT :limit)
    UNION ALL
    SELECT * FROM (SELECT file_id FROM entries e INDEXED BY entries_without_text
        WHERE e.search_text = '' AND {HAS_WORDS} LIMIT :limit))"""  # noqa: S608 - constants only


class Those(NamedTuple):
    """So many files, and their ids as JSON: they go from one statement into the next."""

    number: int
    ids: str


def those_with(database: Database, words: Sequence[str]) -> Those | None:
    """Give the only files whose entries can hold all these words; None where those are many, or all words are too short."""
    pieces = list(dict.fromkeys(piece for word in words for piece in _pieces(word)))[:_MOST_PIECES]
    if not pieces:
        return None
    match = " ".join(f'"{piece.replace(_QUOTE, _QUOTE * 2)}"' for piece in pieces)
    found = Those(*database.rows(_THOSE, {"match": match, "words": to_json(words), "limit": MANY + 1})[0])
    return found if found.number <= MANY else None


def _pieces(word: str) -> list[str]:
    """Give every other trigram and the last: they hang together, and half of them need not be looked up."""
    last = len(word) - _LENGTH
    return [word[start : start + _LENGTH] for start in [*range(0, last, 2), last] if last >= 0]
