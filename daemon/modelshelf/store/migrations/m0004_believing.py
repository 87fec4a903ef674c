"""What is believed of a file beyond its bytes: how it was matched, what else it could be, and what a person decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import StoreDamaged
from modelshelf.store.columns import unpack

if TYPE_CHECKING:
    from sqlite_utils import Database

_STATEMENTS = (
    # How a content was matched ('file': these very bytes, 'weights': the same tensors under another header), since when
    # Civitai no longer knows it, which version a person chose, and when it was asked for by its weights.
    "ALTER TABLE contents ADD COLUMN matched_by TEXT",
    "ALTER TABLE contents ADD COLUMN gone_since REAL",
    "ALTER TABLE contents ADD COLUMN pinned_version_id INTEGER",
    "ALTER TABLE contents ADD COLUMN weights_looked_up_at REAL",
    "UPDATE contents SET matched_by = 'file' WHERE version_id IS NOT NULL",
    # Civitai's models make room: `models` is what StableQueue's readers know, a row per file.
    "ALTER TABLE models RENAME TO civitai_models",
    # Paths as text fit for eyes, for readers that cannot make it from bytes.
    "ALTER TABLE folders ADD COLUMN shown_path TEXT NOT NULL DEFAULT ''",
    "UPDATE folders SET shown_path = readable(path)",
    "ALTER TABLE entries ADD COLUMN directory TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE entries ADD COLUMN filename TEXT NOT NULL DEFAULT ''",
    """UPDATE entries SET directory = readable(f.directory), filename = readable(f.name)
        FROM files f WHERE f.id = entries.file_id""",
    "CREATE INDEX entries_by_filename ON entries (filename)",
    "CREATE INDEX entries_by_version ON entries (CAST(json_extract(effective, '$.version_id[1]') AS TEXT))",
    # Whether a file's header has metadata of whatever kind: facts come from the tensors' names too.
    "ALTER TABLE headers ADD COLUMN has_metadata INTEGER NOT NULL DEFAULT 0",
    "UPDATE headers SET has_metadata = has_metadata_in(body)",
    # What reading its pickles showed, where it has some.
    "ALTER TABLE headers ADD COLUMN pickle_verdict TEXT",
    # Who told us a file's hash, where we did not read it ourselves.
    "ALTER TABLE files ADD COLUMN vouched_by TEXT",
    # What a file held before its bytes changed.
    "ALTER TABLE files ADD COLUMN former_content_id INTEGER",
    # What another program told of a file that is not read yet, and how the file looked when that was believed.
    """CREATE TABLE claims (folder_id TEXT NOT NULL, directory BLOB NOT NULL, name BLOB NOT NULL,
        size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT, autov1 TEXT, first_seen_at REAL,
        last_used_at REAL, facts TEXT NOT NULL, PRIMARY KEY (folder_id, directory, name)) WITHOUT ROWID""",
    # When a file was last used; known from what another program tells of it.
    """CREATE TABLE usage (file_id INTEGER PRIMARY KEY REFERENCES files (id) ON DELETE CASCADE,
        last_used_at REAL NOT NULL)""",
    # Hashes are asked for in either case.
    "CREATE INDEX contents_by_sha256_in_any_case ON contents (sha256 COLLATE NOCASE)",
    "CREATE INDEX contents_by_autov2_in_any_case ON contents (autov2 COLLATE NOCASE)",
    """CREATE VIEW models AS SELECT
        f.id AS id,
        e.name COLLATE NOCASE AS name,
        CASE WHEN lower(e.model_type) IN ('lora', 'locon', 'dora', 'lycoris') THEN 'lora'
            WHEN lower(e.model_type) = 'checkpoint' THEN 'checkpoint' END AS type,
        d.shown_path || CASE e.directory WHEN '' THEN '' ELSE '/' || e.directory END AS local_path,
        e.filename AS filename,
        CAST(json_extract(e.effective, '$.model_id[1]') AS TEXT) AS civitai_id,
        CAST(json_extract(e.effective, '$.version_id[1]') AS TEXT) AS civitai_version_id,
        CASE WHEN lower(e.model_type) = 'checkpoint' THEN
            CASE e.directory WHEN '' THEN '' ELSE e.directory || '/' END || e.filename
            || coalesce(' [' || lower(c.autov2) || ']', '') END AS forge_format,
        c.autov2 COLLATE NOCASE AS hash_autov2,
        c.sha256 COLLATE NOCASE AS hash_sha256,
        json_extract(e.effective, '$.name[1]') AS civitai_model_name,
        e.base_model AS civitai_model_base,
        e.model_type AS civitai_model_type,
        json_extract(e.effective, '$.version_name[1]') AS civitai_model_version_name,
        json_extract(e.effective, '$.version_description[1]') AS civitai_model_version_desc,
        json_extract(e.effective, '$.published_at[1]') AS civitai_model_version_date,
        json_extract(e.effective, '$.download_url[1]') AS civitai_download_url,
        (SELECT group_concat(value, ', ') FROM json_each(e.effective, '$.trained_words[1]')) AS civitai_trained_words,
        CASE WHEN c.version_id IS NOT NULL AND c.matched_by = 'file'
            THEN CAST(round(f.size_bytes / 1024.0) AS INTEGER) END AS civitai_file_size_kb,
        CASE WHEN e.effective = '{}' THEN 'none'
            WHEN e.model_type IS NOT NULL AND e.base_model IS NOT NULL
                AND json_type(e.effective, '$.name') IS NOT NULL
                AND json_type(e.effective, '$.model_id') IS NOT NULL
                AND json_type(e.effective, '$.version_id') IS NOT NULL THEN 'complete'
            ELSE 'partial' END AS metadata_status,
        CASE WHEN EXISTS (SELECT 1 FROM facts WHERE owner = 'file' AND owner_id = f.id AND source = 'forge') THEN 'forge'
            WHEN EXISTS (SELECT 1 FROM facts WHERE owner = 'file' AND owner_id = f.id
                    AND source IN ('civitai_json', 'tool_json', 'stablequeue'))
                OR EXISTS (SELECT 1 FROM facts WHERE owner = 'content' AND owner_id = f.content_id
                    AND source = 'civitai_api') THEN 'civitai'
            WHEN EXISTS (SELECT 1 FROM facts WHERE owner = 'file' AND owner_id = f.id AND source = 'embedded')
                THEN 'embedded'
            ELSE 'none' END AS metadata_source,
        coalesce(h.has_metadata, 0) AS has_embedded_metadata,
        datetime(u.last_used_at, 'unixepoch') AS last_used,
        datetime(f.first_seen_at, 'unixepoch') AS created_at
    FROM entries e
    JOIN files f ON f.id = e.file_id AND f.missing_since IS NULL AND f.hash_skipped_reason IS NOT 'not a model file'
    LEFT JOIN folders d ON d.id = f.folder_id
    LEFT JOIN contents c ON c.id = f.content_id
    LEFT JOIN headers h ON h.file_id = f.id
    LEFT JOIN usage u ON u.file_id = f.id""",
    # What people decided of a content, a row per matter; and which version a pinned one was before. What is to be ignored is
    # never looked up, whoever owes it.
    """CREATE TABLE decisions (content_id INTEGER NOT NULL REFERENCES contents (id), matter TEXT NOT NULL,
        value TEXT NOT NULL, decided_by TEXT NOT NULL, decided_at REAL NOT NULL, PRIMARY KEY (content_id, matter)
    ) WITHOUT ROWID""",
    "ALTER TABLE contents ADD COLUMN unpinned_version_id INTEGER",
    """CREATE TRIGGER contents_ignored_are_not_looked_up AFTER UPDATE OF next_lookup_at ON contents
        WHEN NEW.next_lookup_at IS NOT NULL
            AND EXISTS (SELECT 1 FROM decisions WHERE content_id = NEW.id AND matter = 'ignore') BEGIN
        UPDATE contents SET next_lookup_at = NULL WHERE id = NEW.id;
    END""",
    # Since when a known content is missing on Civitai without being gone yet, which version was not believed, and when the
    # weights are to be asked for. Known contents are asked for again, too: a month after the last time.
    "ALTER TABLE contents ADD COLUMN absent_since REAL",
    "ALTER TABLE contents ADD COLUMN questioned_version_id INTEGER",
    "ALTER TABLE contents ADD COLUMN next_weights_lookup_at REAL",
    # Where Civitai's answer contradicts a hash that another program told, the file is read after all.
    """CREATE TRIGGER contents_unmask_a_lie AFTER UPDATE OF questioned_version_id ON contents
        WHEN NEW.questioned_version_id IS NOT NULL BEGIN
        UPDATE files SET scan_phase = 0 WHERE content_id = NEW.id AND vouched_by IS NOT NULL;
    END""",
    """UPDATE contents SET next_lookup_at = coalesce(looked_up_at, hashed_at) + 2592000.0, lookup_priority = 10
        WHERE version_id IS NOT NULL AND next_lookup_at IS NULL""",
    """UPDATE contents SET next_weights_lookup_at = looked_up_at
        WHERE version_id IS NULL AND looked_up_at IS NOT NULL AND autov3 <> 'E3B0C44298FC'
            AND EXISTS (SELECT 1 FROM files f JOIN headers h ON h.file_id = f.id AND h.format = 'safetensors'
                WHERE f.content_id = contents.id)""",
    """CREATE INDEX contents_to_match ON contents (next_weights_lookup_at)
        WHERE next_weights_lookup_at IS NOT NULL""",
    """CREATE INDEX contents_asked_by_weights ON contents (weights_looked_up_at)
        WHERE weights_looked_up_at IS NOT NULL""",
    # Every version that Civitai lists for a content's hash.
    """CREATE TABLE alternates (content_id INTEGER NOT NULL REFERENCES contents (id), version_id INTEGER NOT NULL,
        model_id INTEGER, published_at TEXT, PRIMARY KEY (content_id, version_id)) WITHOUT ROWID""",
    # When a model is asked for again, and since when it is gone for certain.
    "ALTER TABLE civitai_models ADD COLUMN next_check_at REAL",
    "ALTER TABLE civitai_models ADD COLUMN gone_since REAL",
    "UPDATE civitai_models SET next_check_at = coalesce(absent_since, received_at) + 604800.0",
    "CREATE INDEX civitai_models_to_check ON civitai_models (next_check_at)",
    # Newer versions of what is on the shelf, those that came onto it meanwhile too, so that each is told of once; and which
    # of them nobody wants to hear of (version 0: none of the model's).
    """CREATE TABLE updates (version_id INTEGER PRIMARY KEY, model_id INTEGER NOT NULL, name TEXT, base_model TEXT,
        published_at TEXT NOT NULL, is_same_base INTEGER NOT NULL, access TEXT NOT NULL, noticed_at REAL NOT NULL,
        settled_at REAL)""",
    "CREATE INDEX updates_by_model ON updates (model_id)",
    """CREATE TABLE mutes (model_id INTEGER NOT NULL, version_id INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (model_id, version_id)) WITHOUT ROWID""",
    # JSON beside models that no model's name claims, and what each names: hashes, or "version 123".
    """CREATE TABLE strays (id INTEGER PRIMARY KEY, directory BLOB NOT NULL, name BLOB NOT NULL,
        size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, UNIQUE (directory, name))""",
    """CREATE TABLE stray_names (named TEXT NOT NULL, stray_id INTEGER NOT NULL REFERENCES strays (id) ON DELETE CASCADE,
        PRIMARY KEY (named, stray_id)) WITHOUT ROWID""",
    "CREATE INDEX stray_names_by_stray ON stray_names (stray_id)",
    # What stood in sidecars that we changed, and which of them a person wants left as they are.
    """CREATE TABLE former_sidecars (id INTEGER PRIMARY KEY AUTOINCREMENT, path BLOB NOT NULL, content BLOB NOT NULL,
        digest TEXT NOT NULL, replaced_at REAL NOT NULL)""",
    "CREATE INDEX former_sidecars_by_path ON former_sidecars (path, id)",
    """CREATE TABLE left_sidecars (path BLOB PRIMARY KEY, digest TEXT NOT NULL, put_aside TEXT NOT NULL,
        left_at REAL NOT NULL) WITHOUT ROWID""",
)


def apply(database: Database) -> None:
    """Create what is new, and fill in what earlier rows tell of it."""
    database.register_function(readable, deterministic=True)
    database.register_function(_has_metadata, name="has_metadata_in")
    for statement in _STATEMENTS:
        database.execute(statement)


def _has_metadata(packed: bytes) -> bool:
    """Tell whether a header, as it was kept until now, has metadata; one that is damaged is told of when it is next read."""
    try:
        return bool(unpack(packed).get("metadata"))
    except StoreDamaged:
        return False  # budget: an upgrade may not fail for a row that nobody asks for
