"""Reading StableQueue's database: whatever stands in it, and whatever it is."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelshelf.domain.fact import Field, Source, is_known
from modelshelf.errors import UsageError
from modelshelf.importing import stablequeue
from modelshelf.importing.stablequeue import ToldModel, read_models
from tests.unit.importing.stable_queue import SCHEMA, make_database

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.domain.jsontypes import JsonValue


def told(tmp_path: Path, **columns: object) -> ToldModel:
    (model,) = read_models(
        make_database(tmp_path / "sq.sqlite", {"local_path": "/m", "filename": "x.safetensors", **columns})
    )
    return model


def facts(model: ToldModel) -> dict[Field, JsonValue]:
    assert {fact.source for fact in model.facts} <= {Source.STABLEQUEUE}
    return {fact.field: fact.value for fact in model.facts}


def test_a_full_row_is_told_whole(tmp_path: Path) -> None:
    model = told(
        tmp_path,
        name="x.safetensors",
        type="lora",
        hash_autov2="abcdef0123",
        hash_sha256="ab" * 32,
        civitai_id="651553.0",
        civitai_version_id="728921",
        civitai_model_name="Ink",
        civitai_model_base="SDXL 1.0",
        civitai_model_type="LORA",
        civitai_model_version_name="v1",
        civitai_model_version_desc="<p>first</p>",
        civitai_model_version_date="2024-01-02T03:04:05.000Z",
        civitai_download_url="https://civitai.example/1",
        civitai_trained_words="ink, pen , ink",
        civitai_file_size_kb=0.5,
        metadata_source="forge",
        last_used="2025-06-20 10:00:00",
        created_at="2025-06-01 09:00:00",
    )
    last_used_at = datetime(2025, 6, 20, 10, tzinfo=UTC)
    assert (model.path, model.sha256, model.autov2) == (b"/m/x.safetensors", "AB" * 32, "ABCDEF0123")
    assert (model.told_at, model.last_used_at) == (last_used_at, last_used_at)
    assert model.created_at == datetime(2025, 6, 1, 9, tzinfo=UTC)
    assert model.civitai_size_bytes == 512
    assert facts(model) == {
        Field.NAME: "Ink",
        Field.VERSION_NAME: "v1",
        Field.MODEL_ID: 651553,
        Field.VERSION_ID: 728921,
        Field.MODEL_TYPE: "LORA",
        Field.BASE_MODEL: "SDXL 1.0",
        Field.VERSION_DESCRIPTION: "<p>first</p>",
        Field.PUBLISHED_AT: "2024-01-02T03:04:05.000Z",
        Field.DOWNLOAD_URL: "https://civitai.example/1",
        Field.TRAINED_WORDS: ["ink", "pen"],
    }


def test_names_and_types_that_may_come_from_the_file_name_are_no_facts(tmp_path: Path) -> None:
    assert facts(told(tmp_path, name="x.safetensors", type="lora", forge_format="x")) == {}


def test_what_forge_calls_sd_version_makes_no_base_model(tmp_path: Path) -> None:
    assert facts(told(tmp_path, civitai_model_base="SDXL")) == {Field.FORGE_SD_VERSION: "SDXL"}


def test_words_guessed_from_embedded_tags_are_left(tmp_path: Path) -> None:
    words: dict[str, object] = {"civitai_trained_words": "a, b", "metadata_source": "embedded"}
    assert facts(told(tmp_path, **words)) == {}
    assert facts(told(tmp_path, **words, civitai_version_id="7"))[Field.TRAINED_WORDS] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "words"),
    [('["a", "b, c", 3]', ["a", "b, c"]), ("[not json], b", ["[not json]", "b"]), ("[" * 9999, None), (" , ", None)],
)
def test_words_come_as_json_or_as_a_list_with_commas(tmp_path: Path, text: str, words: list[str] | None) -> None:
    found = facts(told(tmp_path, civitai_trained_words=text)).get(Field.TRAINED_WORDS)
    assert found == (["[" * 9999] if words is None and text.startswith("[") else words)


@pytest.mark.parametrize("value", ["", "null", "undefined", " ", "x" * 100_001, b"\x00", 7, None])
def test_what_javascript_made_of_nothing_is_no_fact(tmp_path: Path, value: object) -> None:
    model = told(
        tmp_path, civitai_model_name=value, civitai_download_url="javascript:x", civitai_model_version_date="soon"
    )
    assert facts(model) == ({Field.NAME: "7"} if value == 7 else {})  # SQLite makes text of a number in a TEXT column


@pytest.mark.parametrize("value", ["1.5", "-3", "0", "nan", "inf", "1e99", "x", b"7", 2**60])
def test_an_id_is_a_positive_whole_number(tmp_path: Path, value: object) -> None:
    assert facts(told(tmp_path, civitai_id=value)) == {}


@pytest.mark.parametrize("value", ["", "x" * 64, "ab" * 31, "ab" * 33, b"ab", None])
def test_what_is_no_hash_is_none(tmp_path: Path, value: object) -> None:
    model = told(tmp_path, hash_sha256=value, hash_autov2=value)
    assert (model.sha256, model.autov2) == (None, None)


@pytest.mark.parametrize("value", ["yesterday", "", 17, b"x", None, "1969-12-31 00:00:00", "0001-01-01"])
def test_what_is_no_time_is_none(tmp_path: Path, value: object) -> None:
    model = told(tmp_path, last_used=value, created_at=value)
    assert (model.told_at, model.last_used_at, model.created_at) == (None, None, None)


def test_times_of_javascript_are_read_too(tmp_path: Path) -> None:
    assert told(tmp_path, last_used="2025-06-20T10:00:00.000Z").last_used_at == datetime(2025, 6, 20, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("directory", "name"),
    [("/m", "a/b"), ("/m", ".."), ("/m", "."), ("/m", ""), ("/m", "a\0b"), (b"\xff", b"x"), ("/m", b"x")],
)
def test_a_row_without_a_sound_path_names_no_file(tmp_path: Path, directory: object, name: object) -> None:
    assert told(tmp_path, local_path=directory, filename=name).path is None


def test_a_path_keeps_its_bytes(tmp_path: Path) -> None:
    assert told(tmp_path, local_path="/m//sub/", filename="ä.safetensors").path == os.fsencode("/m/sub/ä.safetensors")
    path = make_database(tmp_path / "sq.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO models (local_path, filename) VALUES ('/m', CAST(x'ff' AS TEXT))")
        connection.commit()
    assert [model.path for model in read_models(path)] == [b"/m/\xff"]


def test_an_older_database_lacks_columns(tmp_path: Path) -> None:
    schema = "CREATE TABLE models (id INTEGER PRIMARY KEY, local_path TEXT, filename TEXT)"
    path = make_database(tmp_path / "sq.sqlite", {"local_path": "/m", "filename": "x.pt"}, schema=schema)
    assert read_models(path) == [ToldModel(b"/m/x.pt", None, None, None, None, None, None, ())]


@given(
    st.dictionaries(
        st.sampled_from([name for name in stablequeue._WANTED if name not in {"local_path", "filename"}]),
        st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text() | st.binary(),
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_no_value_of_any_type_stops_the_reading(tmp_path: Path, columns: dict[str, object]) -> None:
    safe = {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in columns.items()
    }
    model = told(tmp_path, **safe)
    assert all(is_known(fact.value) for fact in model.facts)


def test_nothing_is_written_beside_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    path = make_database(home / "sq.sqlite", {"local_path": "/m", "filename": "x.pt"})
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    before = path.read_bytes()
    assert len(read_models(path)) == 1
    assert os.listdir(home) == ["sq.sqlite"]
    assert path.read_bytes() == before


def test_rows_that_are_only_in_the_wal_are_read(tmp_path: Path) -> None:
    path = make_database(tmp_path / "sq.sqlite")
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("INSERT INTO models (local_path, filename) VALUES ('/m', 'x.pt')")
        writer.commit()
        assert [model.path for model in read_models(path)] == [b"/m/x.pt"]


def _other_tables(path: Path) -> None:
    make_database(path, schema="CREATE TABLE songs (id INTEGER)")


def _a_view(path: Path) -> None:
    make_database(path, schema="CREATE VIEW models AS SELECT 1 AS id, 'a' AS local_path, 'b' AS filename")


def _other_columns(path: Path) -> None:
    make_database(path, schema="CREATE TABLE models (id INTEGER, path TEXT)")


def _cut(path: Path) -> None:
    make_database(path, *({"local_path": "/m" * 200, "filename": f"{number}.pt"} for number in range(200)))
    path.write_bytes(path.read_bytes()[:20_000])


def _scrambled(path: Path) -> None:
    make_database(path, *({"local_path": "/m" * 200, "filename": f"{number}.pt"} for number in range(200)))
    content = bytearray(path.read_bytes())
    content[8192:60_000] = b"\xa5" * (60_000 - 8192)
    path.write_bytes(content)


def _too_long(path: Path) -> None:
    make_database(path, {"local_path": "/m", "filename": "x.pt", "civitai_model_version_desc": "x" * 5_000_000})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_bytes(b"not a database at all" * 99), "cannot be read: file is not a database"),
        (lambda path: path.write_bytes(b""), "is not StableQueue's"),
        (lambda path: path.mkdir(), "is no file"),
        (lambda path: None, "No such file|not there|gone"),
        (_other_tables, "is not StableQueue's"),
        (_a_view, "is not StableQueue's"),
        (_other_columns, "is not StableQueue's"),
        (_cut, "cannot be read: database disk image is malformed"),
        (_scrambled, "cannot be read: database disk image is malformed"),
        (_too_long, "cannot be read: string or blob too big"),
    ],
)
def test_what_is_no_sound_database_of_stable_queue_is_refused(tmp_path: Path, make: object, said: str) -> None:
    path = tmp_path / "sq.sqlite"
    make(path)  # type: ignore[operator]
    with pytest.raises(UsageError, match=said):
        read_models(path)


def test_a_reading_that_comes_to_no_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_database(
        tmp_path / "sq.sqlite", *({"local_path": "/m", "filename": f"{number}.pt"} for number in range(2000))
    )
    monkeypatch.setattr(stablequeue, "PATIENCE_SECONDS", -1.0)
    with pytest.raises(UsageError, match="interrupted"):
        read_models(path)


def test_more_rows_than_anybody_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ({"local_path": "/m", "filename": f"{number}.pt"} for number in range(3))
    path = make_database(tmp_path / "sq.sqlite", *rows)
    monkeypatch.setattr(stablequeue, "_MOST_ROWS", 2)
    with pytest.raises(UsageError, match="more than 2 models"):
        read_models(path)


def test_the_schema_of_the_tests_has_the_columns_that_are_read() -> None:
    assert all(name in SCHEMA for name in stablequeue._WANTED)
