"""What makes a catalog of a million files answer at once: counts that are kept, and an index of every three letters.

`files.state` is the state a person sees, NULL for what is pending, as files are when they come; `file_states` counts them by
folder. Triggers keep both: each change of what a state hangs on looks at its own file again, some microseconds. Counting a
million rows whenever somebody asks took seconds. `tallies` adds up what would have to be read for its length alone.

`entry_trigrams` finds any part of a word of three letters or more; it takes about a tenth of what the entries take.

Nothing here fires when a file or an entry is added, which a first scan does by the hundred thousand and where a trigger costs
more than the row: files come without a state, and entries without the text they are searched in.
"""

from __future__ import annotations

_IS_KNOWN_BY_FACTS = """{0}.owner = 'file' AND {0}.source IN ('user', 'forge', 'civitai_json', 'tool_json', 'stablequeue')
        AND {0}.field IN ('name', 'model_id', 'version_id')"""
_STATE = f"""CASE
        WHEN f.hash_skipped_reason = 'not a model file' THEN iif(f.missing_since IS NULL, 'no model', 'missing, no model')
        WHEN f.missing_since IS NOT NULL THEN 'missing'
        WHEN f.waiting_reason IS NOT NULL THEN 'waiting'
        WHEN h.verdict IN ('broken', 'incomplete') THEN 'broken'
        WHEN f.scan_phase = 0 THEN NULL
        WHEN EXISTS (SELECT 1 FROM decisions d WHERE d.content_id = c.id AND d.matter = 'ignore') THEN 'ignored'
        WHEN c.version_id IS NOT NULL THEN 'known'
        WHEN EXISTS (SELECT 1 FROM decisions d WHERE d.content_id = c.id AND d.matter = 'name') THEN 'known'
        WHEN EXISTS (SELECT 1 FROM facts t WHERE t.owner_id = f.id AND {_IS_KNOWN_BY_FACTS.format("t")}) THEN 'known'
        WHEN c.next_lookup_at IS NOT NULL AND c.looked_up_at IS NULL THEN NULL
        ELSE 'unidentified' END"""  # noqa: S608 - constants only
_LOOK_AGAIN = f"""UPDATE files SET state = (
        SELECT {_STATE} FROM files f LEFT JOIN headers h ON h.file_id = f.id LEFT JOIN contents c ON c.id = f.content_id
        WHERE f.id = files.id) WHERE"""  # noqa: S608 - constants only
_OF_CONTENT = "content_id ="


def _trigger(name: str, when: str, which: str) -> str:
    """Give a trigger that looks again at the state of the files `which` names."""
    return f"CREATE TRIGGER files_state_{name} AFTER {when} BEGIN {_LOOK_AGAIN} {which}; END"


def _facts(name: str, event: str, row: str) -> str:
    when = f"{event} ON facts WHEN {_IS_KNOWN_BY_FACTS.format(row)}"
    return _trigger(name, when, f"id = {row}.owner_id")


def _counted(row: str, change: int) -> str:
    """Give what counts a file: one that moves and changes its state at once may be taken off before it is added."""
    return f"""INSERT INTO file_states SELECT {row}.folder_id, {row}.state, {change} WHERE {row}.state IS NOT NULL
        ON CONFLICT (folder_id, state) DO UPDATE SET count = count + {change}"""


def _answers(table: str) -> tuple[str, ...]:
    """Give the triggers by which the bytes of Civitai's answers in a table are added up."""
    add = "UPDATE tallies SET value = value + {} WHERE name = 'answer_bytes'"
    new, old = "coalesce(length(NEW.body), 0)", "coalesce(length(OLD.body), 0)"
    return (
        f"CREATE TRIGGER tallies_of_new_{table} AFTER INSERT ON {table} BEGIN {add.format(new)}; END",
        f"CREATE TRIGGER tallies_of_changed_{table} AFTER UPDATE OF body ON {table} BEGIN {add.format(f'{new} - {old}')}; END",
        f"CREATE TRIGGER tallies_of_dropped_{table} AFTER DELETE ON {table} BEGIN {add.format(f'-{old}')}; END",
    )


COUNTS: tuple[str, ...] = (
    "CREATE TABLE tallies (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    """INSERT INTO tallies SELECT 'answer_bytes', coalesce((SELECT sum(length(body)) FROM versions), 0)
        + coalesce((SELECT sum(length(body)) FROM civitai_models), 0)""",
    *_answers("versions"),
    *_answers("civitai_models"),
    "CREATE INDEX headers_broken ON headers (verdict) WHERE verdict IN ('broken', 'incomplete')",
    "CREATE INDEX files_waiting ON files (last_changed_at) WHERE waiting_reason IS NOT NULL",
    "ALTER TABLE files ADD COLUMN state TEXT",
    """CREATE TABLE file_states (folder_id TEXT NOT NULL, state TEXT NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY (folder_id, state)) WITHOUT ROWID""",
    f"{_LOOK_AGAIN} TRUE",
    """INSERT INTO file_states SELECT folder_id, state, count(*) FROM files WHERE state IS NOT NULL GROUP BY 1, 2""",
    f"""CREATE TRIGGER file_states_of_changed_files AFTER UPDATE OF state, folder_id ON files
        WHEN (OLD.state, OLD.folder_id) IS NOT (NEW.state, NEW.folder_id) BEGIN
        {_counted("OLD", -1)}; {_counted("NEW", 1)};
    END""",
    f"""CREATE TRIGGER file_states_of_dropped_files AFTER DELETE ON files WHEN OLD.state IS NOT NULL BEGIN
        {_counted("OLD", -1)};
    END""",
    _trigger(
        "of_changed_file",
        """UPDATE OF missing_since, waiting_reason, scan_phase, content_id, hash_skipped_reason ON files
            WHEN (OLD.missing_since, OLD.waiting_reason, OLD.scan_phase, OLD.content_id, OLD.hash_skipped_reason)
                IS NOT (NEW.missing_since, NEW.waiting_reason, NEW.scan_phase, NEW.content_id, NEW.hash_skipped_reason)""",
        "id = NEW.id",
    ),
    _trigger("by_new_header", "INSERT ON headers WHEN NEW.verdict IN ('broken', 'incomplete')", "id = NEW.file_id"),
    _trigger("by_changed_header", "UPDATE OF verdict ON headers WHEN OLD.verdict <> NEW.verdict", "id = NEW.file_id"),
    _trigger("by_dropped_header", "DELETE ON headers WHEN OLD.verdict IN ('broken', 'incomplete')", "id = OLD.file_id"),
    _trigger(
        "by_content",
        """UPDATE OF version_id, next_lookup_at, looked_up_at ON contents
            WHEN (OLD.version_id IS NULL, OLD.next_lookup_at IS NOT NULL AND OLD.looked_up_at IS NULL)
                IS NOT (NEW.version_id IS NULL, NEW.next_lookup_at IS NOT NULL AND NEW.looked_up_at IS NULL)""",
        f"{_OF_CONTENT} NEW.id",
    ),
    _trigger("by_decision", "INSERT ON decisions", f"{_OF_CONTENT} NEW.content_id"),
    _trigger("by_dropped_decision", "DELETE ON decisions", f"{_OF_CONTENT} OLD.content_id"),
    _facts("by_new_fact", "INSERT", "NEW"),
    _facts("by_dropped_fact", "DELETE", "OLD"),
)

SEARCH: tuple[str, ...] = (
    "UPDATE entries SET search_text = replace(search_text, char(0), ' ') WHERE instr(search_text, char(0))",
    """CREATE VIRTUAL TABLE entry_trigrams USING fts5 (search_text, content = 'entries', content_rowid = 'file_id',
        tokenize = 'trigram case_sensitive 1', detail = none, columnsize = 0)""",
    "INSERT INTO entry_trigrams (entry_trigrams) VALUES ('rebuild')",
    # Entries of files that nobody has read yet have no text of their own: they are searched by their paths. An empty text is in
    # no index, and to take out what is not in breaks one.
    "CREATE INDEX entries_without_text ON entries (file_id) WHERE search_text = ''",
    """CREATE TRIGGER entry_trigrams_of_changed AFTER UPDATE OF search_text ON entries
        WHEN OLD.search_text <> NEW.search_text BEGIN
        INSERT INTO entry_trigrams (entry_trigrams, rowid, search_text)
            SELECT 'delete', OLD.file_id, OLD.search_text WHERE OLD.search_text <> '';
        INSERT INTO entry_trigrams (rowid, search_text) SELECT NEW.file_id, NEW.search_text WHERE NEW.search_text <> '';
    END""",
    """CREATE TRIGGER entry_trigrams_of_dropped AFTER DELETE ON entries WHEN OLD.search_text <> '' BEGIN
        INSERT INTO entry_trigrams (entry_trigrams, rowid, search_text) VALUES ('delete', OLD.file_id, OLD.search_text);
    END""",
)
