"""The view `models`: StableQueue's columns over our catalog, for readers that know SQLite and not us."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.cli.list import Search, find
from modelshelf.domain.display import readable
from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.domain.header import Format, Header, Verdict
from modelshelf.domain.model_file import NOT_A_MODEL
from modelshelf.store.columns import pack
from modelshelf.store.database import Database
from modelshelf.store.migrations import MIGRATIONS
from modelshelf.store.store import Store
from tests.unit.store.store_builders import NOW, add_file, add_read_file, folder, hashes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.domain.jsontypes import JsonValue

COLUMNS = """id name type local_path filename civitai_id civitai_version_id forge_format hash_autov2 hash_sha256
    civitai_model_name civitai_model_base civitai_model_type civitai_model_version_name civitai_model_version_desc
    civitai_model_version_date civitai_download_url civitai_trained_words civitai_file_size_kb metadata_status
    metadata_source has_embedded_metadata last_used created_at""".split()  # noqa: SIM905 - as the issue lists them

ALL: dict[Field, JsonValue] = {
    Field.NAME: "Detailer",
    Field.MODEL_TYPE: "LORA",
    Field.BASE_MODEL: "SDXL 1.0",
    Field.MODEL_ID: 122359,
    Field.VERSION_ID: 135867,
    Field.VERSION_NAME: "v2",
    Field.VERSION_DESCRIPTION: "<p>more</p>",
    Field.PUBLISHED_AT: "2023-08-05T12:00:00.000Z",
    Field.DOWNLOAD_URL: "https://civitai.example/135867",
    Field.TRAINED_WORDS: ["detail", "sharp"],
}


def rows(store: Store, where: str = "", parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
    """Ask as a stranger does: without our functions, by its own connection."""
    with closing(sqlite3.connect(f"file:{store.database.path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM models {where}", parameters)]


def tell(store: Store, file_id: int, source: Source, values: dict[Field, JsonValue]) -> None:
    facts = [Fact(field, source, value) for field, value in values.items()]
    store.facts.replace_of_file(file_id, source, facts)
    store.entries.refresh([file_id])


def known_file(store: Store, path: bytes = b"sub/detail.safetensors") -> int:
    file_id, content_id = add_read_file(store, path, 1)
    store.contents.record_hit(content_id, 135867, NOW)
    store.database.execute("UPDATE contents SET matched_by = 'file'")
    tell(store, file_id, Source.CIVITAI_JSON, ALL)
    return file_id


def test_the_columns_are_stable_queues_in_its_order(store: Store) -> None:
    known_file(store)
    assert list(rows(store)[0]) == COLUMNS


def test_a_file_of_which_all_is_known_is_told_in_stable_queues_types(store: Store) -> None:
    file_id = known_file(store)
    store.database.execute("INSERT INTO usage VALUES (?, ?)", (file_id, NOW.timestamp() + 60))
    told = hashes(1)
    assert rows(store) == [
        {
            "id": file_id,
            "name": "Detailer",
            "type": "lora",
            "local_path": "/models/a/sub",
            "filename": "detail.safetensors",
            "civitai_id": "122359",
            "civitai_version_id": "135867",
            "forge_format": None,
            "hash_autov2": told.autov2,
            "hash_sha256": told.sha256,
            "civitai_model_name": "Detailer",
            "civitai_model_base": "SDXL 1.0",
            "civitai_model_type": "LORA",
            "civitai_model_version_name": "v2",
            "civitai_model_version_desc": "<p>more</p>",
            "civitai_model_version_date": "2023-08-05T12:00:00.000Z",
            "civitai_download_url": "https://civitai.example/135867",
            "civitai_trained_words": "detail, sharp",
            "civitai_file_size_kb": 1,
            "metadata_status": "complete",
            "metadata_source": "civitai",
            "has_embedded_metadata": 0,
            "last_used": "2026-03-04 05:07:07",
            "created_at": "2026-03-04 05:06:07",
        }
    ]


def test_a_file_of_which_nothing_is_known_has_its_place_and_nothing_else(store: Store) -> None:
    store.entries.refresh([add_file(store, b"raw.safetensors")])
    (row,) = rows(store)
    told = {name: value for name, value in row.items() if value is not None}
    assert told == {
        "id": row["id"],
        "name": "raw",
        "local_path": "/models/a",
        "filename": "raw.safetensors",
        "metadata_status": "none",
        "metadata_source": "none",
        "has_embedded_metadata": 0,
        "created_at": "2026-03-04 05:06:07",
    }


@pytest.mark.parametrize(
    ("model_type", "told"),
    [("LORA", "lora"), ("LoCon", "lora"), ("DoRA", "lora"), ("Checkpoint", "checkpoint"), ("VAE", None)],
)
def test_a_type_is_one_of_the_two_that_stable_queue_takes(store: Store, model_type: str, told: str | None) -> None:
    tell(store, add_file(store, b"x.safetensors"), Source.FORGE, {Field.MODEL_TYPE: model_type})
    assert [(row["type"], row["civitai_model_type"]) for row in rows(store)] == [(told, model_type)]


def test_a_checkpoint_has_the_title_that_forge_gives_it(store: Store) -> None:
    file_id, _ = add_read_file(store, b"sdxl/base.safetensors", 1)
    tell(store, file_id, Source.FORGE, {Field.MODEL_TYPE: "Checkpoint"})
    tell(store, add_file(store, b"unread.safetensors"), Source.FORGE, {Field.MODEL_TYPE: "Checkpoint"})
    short = hashes(1).autov2.lower()
    assert {row["forge_format"] for row in rows(store)} == {f"sdxl/base.safetensors [{short}]", "unread.safetensors"}


@pytest.mark.parametrize("missing", [Field.NAME, Field.MODEL_TYPE, Field.BASE_MODEL, Field.MODEL_ID, Field.VERSION_ID])
def test_what_lacks_a_name_type_base_or_id_is_partial(store: Store, missing: Field) -> None:
    values = {field: value for field, value in ALL.items() if field is not missing}
    tell(store, add_file(store, b"x.safetensors"), Source.FORGE, values)
    assert [row["metadata_status"] for row in rows(store)] == ["partial"]


def test_the_source_is_forge_before_civitai_before_embedded(store: Store) -> None:
    file_id, content_id = add_read_file(store, b"x.safetensors", 1)
    told = [rows_source(store, file_id)]
    tell(store, file_id, Source.EMBEDDED, {Field.TITLE: "x"})
    told.append(rows_source(store, file_id))
    store.facts.replace_of_content(content_id, Source.CIVITAI_API, [Fact(Field.NAME, Source.CIVITAI_API, "x")])
    told.append(rows_source(store, file_id))
    tell(store, file_id, Source.FORGE, {Field.NOTES: "x"})
    told.append(rows_source(store, file_id))
    assert told == ["none", "embedded", "civitai", "forge"]


def rows_source(store: Store, file_id: int) -> str:
    store.entries.refresh([file_id])
    return str(rows(store)[0]["metadata_source"])


def test_embedded_metadata_is_what_stands_in_the_header(store: Store) -> None:
    for path, metadata in ((b"a.safetensors", {}), (b"b.safetensors", {"ss_network_dim": "8"})):
        file_id = add_file(store, path)
        store.files.record_header(file_id, Header(Format.SAFETENSORS, Verdict.SOUND, metadata=metadata))
        tell(store, file_id, Source.EMBEDDED, {Field.ARCHITECTURE: "sdxl"})
    told = {row["filename"]: (row["has_embedded_metadata"], row["metadata_source"]) for row in rows(store)}
    assert told == {"a.safetensors": (0, "embedded"), "b.safetensors": (1, "embedded")}


def test_a_match_by_weights_has_no_size_of_civitai(store: Store) -> None:
    known_file(store)
    store.database.execute("UPDATE contents SET matched_by = 'weights'")
    assert [row["civitai_file_size_kb"] for row in rows(store)] == [None]


def test_files_that_are_gone_or_no_models_are_left_out(store: Store) -> None:
    gone, other = add_file(store, b"gone.safetensors"), add_file(store, b"firmware.bin")
    store.files.mark_missing([gone], NOW)
    store.files.record_unhashed(other, NOT_A_MODEL)
    store.entries.refresh([gone, other])
    assert rows(store) == []


def test_names_that_are_no_text_are_fit_for_eyes(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "modelshelf.db")
    root = Path(os.fsdecode(b"/models/\xff"))
    odd = folder("a")
    store.folders.sync([type(odd)(odd.id, root, "LORA", ("*.safetensors",), ())])
    store.entries.refresh([add_file(store, b"d\x1b[31m\xfe/x\n\xfd.safetensors")])
    (row,) = rows(store)
    assert (row["local_path"], row["filename"]) == (r"/models/\xff/d\x1b[31m\xfe", r"x\n\xfd.safetensors")
    store.close()


def test_a_file_that_moved_is_told_at_its_new_place(store: Store) -> None:
    file_id = known_file(store)
    file = store.files.get(file_id)
    assert file is not None
    store.files.move(file_id, "b", b"new/name.safetensors", file.fingerprint, NOW)
    store.entries.refresh([file_id])
    assert [(row["local_path"], row["filename"]) for row in rows(store)] == [("/models/b/new", "name.safetensors")]


def test_hashes_and_names_are_found_in_either_case(store: Store) -> None:
    known_file(store)
    told = hashes(1)
    for column, value in (("hash_sha256", told.sha256), ("hash_autov2", told.autov2), ("name", "Detailer")):
        assert len(rows(store, f"WHERE {column} = ?", [value.lower()])) == 1
        assert len(rows(store, f"WHERE {column} = ?", [value.upper()])) == 1


@pytest.mark.parametrize(
    "question",
    [
        "WHERE id = 1",
        "WHERE name = 'x'",
        "WHERE filename = 'x' AND local_path = 'y'",
        "WHERE hash_autov2 = 'x'",
        "WHERE hash_sha256 = 'x'",
        "WHERE civitai_version_id = '1'",
        "WHERE civitai_version_id = '1' AND type = 'lora' LIMIT 1",
    ],
)
def test_what_stable_queue_asks_is_answered_by_an_index(store: Store, question: str) -> None:
    plan = store.database.rows(f"EXPLAIN QUERY PLAN SELECT * FROM models {question}")
    walked = [row["detail"] for row in plan if re.match(r"SCAN (?!json_each)", row["detail"])]
    assert walked == []


def test_the_first_rows_by_name_need_no_sorting(store: Store) -> None:
    plan = store.database.rows("EXPLAIN QUERY PLAN SELECT * FROM models ORDER BY name LIMIT 50")
    assert not [row["detail"] for row in plan if "TEMP B-TREE" in row["detail"]]


def test_a_thousand_rows_say_what_list_says(store: Store) -> None:
    types = ["LORA", "Checkpoint", "TextualInversion"]
    for number in range(1000):
        file_id, _ = add_read_file(
            store, b"d%d/m%04d.safetensors" % (number % 7, number), number, folder_id="ab"[number % 2]
        )
        source = list(Source)[number % 5]
        values: dict[Field, JsonValue] = {field: ALL[field] for field in list(ALL)[number % 6 :]}
        if number % 3:
            values[Field.MODEL_TYPE] = types[number % 3]
            values[Field.NAME] = f"Model {number}"
            values[Field.VERSION_ID] = number
        tell(store, file_id, source, values)
    told = {row["id"]: row for row in rows(store)}
    listed = list(find(store, Search((), None, None, None, None, 1, 0)))
    assert len(listed) == len(told) == 1000
    roots = {state.id: state.path for state in store.folders.states()}
    for each in listed:
        entry, row = each.entry, told[each.entry.file_id]
        assert f"{row['local_path']}/{row['filename']}" == f"{roots[entry.folder_id]}/{readable(entry.path)}"
        assert row["hash_sha256"] == entry.sha256
        assert row["civitai_model_name"] == entry.values.get(Field.NAME)
        assert row["civitai_model_type"] == entry.values.get(Field.MODEL_TYPE)
        assert row["civitai_model_base"] == entry.values.get(Field.BASE_MODEL)
        version = entry.values.get(Field.VERSION_ID)
        assert row["civitai_version_id"] == (None if version is None else str(version))
        words = entry.values.get(Field.TRAINED_WORDS)
        assert row["civitai_trained_words"] == (", ".join(map(str, words)) if isinstance(words, list) else None)


def test_an_upgrade_fills_in_what_earlier_rows_tell(tmp_path: Path) -> None:
    path = tmp_path / "modelshelf.db"
    Database.open(path, MIGRATIONS[:3]).close()
    with closing(sqlite3.connect(path)) as old:
        old.execute("INSERT INTO folders (id, path) VALUES ('a', ?)", (b"/models/\xff",))
        old.execute(
            """INSERT INTO files (id, folder_id, directory, name, size_bytes, mtime_ns, ctime_ns, inode, priority,
                first_seen_at, last_changed_at) VALUES (1, 'a', ?, ?, 1, 1, 1, 1, 1, 0, 0)""",
            (b"d\xff", b"x\n.safetensors"),
        )
        old.execute("INSERT INTO entries (file_id, name, search_text, effective, digest) VALUES (1, 'x', '', '{}', '')")
        body = pack({"metadata": {"format": "pt"}})
        old.execute("INSERT INTO headers (file_id, format, verdict, body) VALUES (1, 'safetensors', 'ok', ?)", (body,))
        old.execute("INSERT INTO models (id, body) VALUES (7, ?)", (pack({"id": 7}),))
        old.commit()
    store = Store.open(path)
    (row,) = rows(store)
    assert (row["local_path"], row["filename"]) == (r"/models/\xff/d\xff", r"x\n.safetensors")
    assert row["has_embedded_metadata"] == 1
    assert store.remote.model_body(7) == {"id": 7}
    store.close()


def test_a_damaged_header_hinders_no_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "modelshelf.db"
    Database.open(path, MIGRATIONS[:3]).close()
    with closing(sqlite3.connect(path)) as old:
        old.execute("PRAGMA foreign_keys = OFF")
        old.execute("INSERT INTO headers (file_id, format, verdict, body) VALUES (1, 'safetensors', 'sound', x'00')")
        old.commit()
    with closing(Database.open(path)) as database:
        assert database.rows("SELECT has_metadata FROM headers")[0][0] == 0


def test_last_use_goes_with_its_file(store: Store) -> None:
    file_id = known_file(store)
    store.database.execute("INSERT INTO usage VALUES (?, ?)", (file_id, (NOW + timedelta(days=1)).timestamp()))
    store.database.execute("DELETE FROM files WHERE id = ?", (file_id,))
    assert store.database.rows("SELECT * FROM usage") == []
