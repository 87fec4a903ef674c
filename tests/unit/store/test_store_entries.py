from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.domain.header import Format, Header, Verdict
from modelshelf.domain.model_file import Fingerprint, ScanPhase
from modelshelf.errors import UsageError
from modelshelf.store import entries
from modelshelf.store.entries import Entry, EntryQuery
from modelshelf.store.files import NewFile
from tests.unit.store.store_builders import NOW, add_file, add_read_file, fingerprint, hashes

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelshelf.domain.jsontypes import JsonValue
    from modelshelf.store.store import Store


def tell(store: Store, file_id: int, values: dict[Field, JsonValue], source: Source = Source.FORGE) -> None:
    store.facts.replace_of_file(file_id, source, [Fact(field, source, value) for field, value in values.items()])
    store.entries.refresh([file_id])


def get(store: Store, file_id: int) -> Entry:
    entry = store.entries.get(file_id)
    assert entry is not None
    return entry


def found(store: Store, **asked: object) -> list[int]:
    return [entry.file_id for entry in store.entries.search(EntryQuery(**asked))]  # type: ignore[arg-type]


def test_an_entry_is_made_by_the_first_refresh(store: Store) -> None:
    file_id = add_file(store, b"d/x\xff.safetensors")
    assert store.entries.get(file_id) is None
    assert store.entries.refresh([file_id]) == [file_id]
    assert get(store, file_id) == Entry(
        file_id=file_id,
        folder_id="a",
        path=b"d/x\xff.safetensors",
        size_bytes=1000,
        mtime_ns=2_000 + sum(b"d/x\xff.safetensors"),
        scan_phase=ScanPhase.INDEXED,
        format=None,
        verdict=None,
        reason=None,
        sha256=None,
        values={},
        sources={},
        preview=None,
        has_page=False,
        waiting_reason=None,
        missing_since=None,
        first_seen_at=NOW,
    )


def test_the_strongest_source_wins_field_by_field(store: Store) -> None:
    file_id, content_id = add_read_file(store, b"x", 1)
    tell(store, file_id, {Field.NAME: "forge", Field.NOTES: "forge", Field.TAGS: []})
    tell(store, file_id, {Field.NAME: "json", Field.CREATOR: "json"}, Source.CIVITAI_JSON)
    api = [Fact(Field.TAGS, Source.CIVITAI_API, ["a"]), Fact(Field.NSFW, Source.CIVITAI_API, False)]
    store.facts.replace_of_content(content_id, Source.CIVITAI_API, api)
    store.facts.replace_of_content(content_id, Source.USER, [Fact(Field.NAME, Source.USER, "mine")])
    store.entries.refresh([file_id])
    entry = get(store, file_id)
    assert entry.values == {
        Field.NAME: "mine",
        Field.NOTES: "forge",
        Field.CREATOR: "json",
        Field.TAGS: ["a"],
        Field.NSFW: False,
    }
    assert entry.sources[Field.NAME] is Source.USER
    assert entry.sources[Field.TAGS] is Source.CIVITAI_API


def test_a_refresh_gives_the_files_that_changed_and_writes_only_those(store: Store) -> None:
    first, second = add_file(store, b"x"), add_file(store, b"y")
    assert store.entries.refresh([first, second, 999]) == [first, second]
    before = store.database._connection.total_changes
    assert store.entries.refresh([first, second]) == []
    assert store.database._connection.total_changes == before
    store.facts.replace_of_file(second, Source.FORGE, [Fact(Field.NOTES, Source.FORGE, "n")])
    assert store.entries.refresh(iter([first, second])) == [second]


def test_anything_shown_counts_as_a_change(store: Store) -> None:
    file_id = add_file(store, b"x")
    store.entries.refresh([file_id])
    content = store.contents.upsert(1, hashes(1), NOW)
    changes: list[Callable[[], object]] = [
        lambda: store.files.record_header(file_id, Header(Format.GGUF, Verdict.BROKEN, "short")),
        lambda: store.files.record_content(file_id, content.id),
        lambda: store.contents.record_hit(content.id, 5, NOW),
        lambda: store.files.settle_fingerprint(file_id, fingerprint(9)),
        lambda: store.files.set_waiting(file_id, "growing"),
        lambda: store.files.mark_missing([file_id], NOW),
        lambda: store.files.move(file_id, "b", b"y", fingerprint(9)),
    ]
    for change in changes:
        change()
        assert store.entries.refresh([file_id]) == [file_id]
        assert store.entries.refresh([file_id]) == []
    entry = get(store, file_id)
    assert (entry.format, entry.verdict, entry.reason) == ("gguf", "broken", "short")
    assert (entry.sha256, entry.scan_phase, entry.folder_id) == (content.hashes.sha256, ScanPhase.DEEP, "b")


def test_what_the_disk_says_is_read_live(store: Store) -> None:
    file_id = add_file(store, b"x")
    store.entries.refresh([file_id])
    store.files.mark_missing([file_id], NOW)
    assert get(store, file_id).missing_since == NOW


def test_hostile_values_can_be_shown(store: Store) -> None:
    file_id = store.files.add(NewFile("a", b"x\n\xff", Fingerprint(1, 10**24, 1, 2**64 - 1), NOW, 0))
    values: dict[Field, JsonValue] = {
        Field.NAME: "n\ud800\x00",
        Field.CREATOR: 7,
        Field.MODEL_TYPE: ["LORA"],
        Field.BASE_MODEL: {"a": "b"},
        Field.TRAINED_WORDS: [None, 1, {"x": "y"}, "w\udfff"],
        Field.TAGS: "no list",
    }
    tell(store, file_id, values)
    assert get(store, file_id).values == values
    assert get(store, file_id).mtime_ns == 10**24
    assert found(store, text="w\udfff no list 7") == [file_id]
    assert found(store, model_type="LORA") == []


def test_a_folder_gives_the_entries_that_are_there_by_path(store: Store) -> None:
    ids = {path: add_file(store, path) for path in (b"z", b"d/b", b"d/a", b"gone")}
    store.entries.refresh([*ids.values(), add_file(store, b"x", folder_id="b")])
    store.files.mark_missing([ids[b"gone"]], NOW)
    assert [entry.path for entry in store.entries.of_folder("a")] == [b"z", b"d/a", b"d/b"]


@pytest.mark.parametrize("page", [1, 2, 500])
def test_a_walk_gives_each_entry_that_is_there_once(store: Store, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr(entries, "_PAGE", page)
    paths = (b"z", b"d/b", b"d/a", b"d/\xff", b"gone", b"d e/a")
    ids = {path: add_file(store, path) for path in paths}
    store.entries.refresh([*ids.values(), add_file(store, b"x", folder_id="b")])
    store.files.mark_missing([ids[b"gone"]], NOW)
    assert list(store.entries.walk_folder("a")) == store.entries.of_folder("a")
    assert len(list(store.entries.walk_folder("a"))) == len(paths) - 1


def test_every_word_is_found_in_name_path_words_tags_or_creator_in_any_case(store: Store) -> None:
    first, second = add_file(store, b"Styles/Ink_v2.safetensors"), add_file(store, b"other.safetensors")
    tell(
        store,
        first,
        {
            Field.NAME: "Stra\u00dfe",
            Field.TRAINED_WORDS: ["mmInk"],
            Field.TAGS: ["Style"],
            Field.CREATOR: "Zo\u00eb",
            Field.NOTES: "secret",
        },
    )
    tell(store, second, {Field.NAME: "other"})
    for text in ("styles/INK_V2", "strasse", "STRA\u00dfE", "MMINK style", "zo\u00cb", "Zoe\u0308", "  ink \n v2 "):
        assert found(store, text=text) == [first]
    assert found(store, text="ink nothing") == []
    assert found(store, text="secret") == []
    assert sorted(found(store, text="safetensors")) == [first, second]
    assert sorted(found(store)) == [first, second]


def test_the_signs_of_like_and_glob_mean_themselves(store: Store) -> None:
    names = [b"100%.pt", b"a_b.pt", b"acb.pt", b"back\\slash.pt", b"star*[x].pt", b"quote'\".pt"]
    ids = {name: add_file(store, name) for name in names}
    store.entries.refresh(ids.values())
    assert found(store, text="%") == [ids[b"100%.pt"]]
    assert found(store, text="_") == [ids[b"a_b.pt"]]
    assert found(store, text="a_b") == [ids[b"a_b.pt"]]
    assert found(store, text="\\") == [ids[b"back\\slash.pt"]]
    assert found(store, text="*[x]") == [ids[b"star*[x].pt"]]
    assert found(store, text="'\"") == [ids[b"quote'\".pt"]]
    assert found(store, text="?") == []


def test_filters_must_all_hold(store: Store) -> None:
    ids = {}
    for folder_id in "ab":
        for model_type in ("LORA", "Checkpoint"):
            for base_model in ("SDXL 1.0", "Pony"):
                path = f"{model_type} {base_model}".encode()
                ids[folder_id, model_type, base_model] = file_id = add_file(store, path, folder_id=folder_id)
                tell(store, file_id, {Field.MODEL_TYPE: model_type, Field.BASE_MODEL: base_model})
    asked = {"folder_id": "b", "model_type": "LORA", "base_model": "Pony"}
    assert found(store, **asked) == [ids["b", "LORA", "Pony"]]
    assert len(found(store, folder_id="a")) == 4
    assert len(found(store, model_type="LORA", base_model="Pony")) == 2
    assert found(store, text="checkpoint", **asked) == []


def test_a_search_is_by_name_and_page_by_page(store: Store) -> None:
    ids = [add_file(store, name) for name in (b"b.pt", b"A.pt", b"c.pt", b"D.pt")]
    store.entries.refresh(ids)
    tell(store, ids[3], {Field.NAME: "aa"})
    expected = [ids[1], ids[3], ids[0], ids[2]]
    assert found(store) == expected
    assert found(store, limit=2) == expected[:2]
    assert found(store, limit=2, offset=2) == expected[2:]
    assert found(store, limit=0) == []


def test_each_state_gives_its_files(store: Store) -> None:
    ids = {name: add_file(store, name.encode()) for name in ("missing", "broken", "short", "growing", "waiting", "new")}
    for name, verdict in {
        "broken": "broken",
        "short": "incomplete",
        "growing": "incomplete",
        "missing": "broken",
    }.items():
        store.files.record_header(ids[name], Header(Format.GGUF, Verdict(verdict)))
    store.files.mark_missing([ids["missing"]], NOW)
    for name in ("growing", "waiting"):
        store.files.set_waiting(ids[name], "growing")
    ids["unknown"], _ = add_read_file(store, b"unknown", 1)
    ids["known"], content_id = add_read_file(store, b"known", 2)
    ids["skipped"] = add_file(store, b"skipped")
    store.files.record_unhashed(ids["skipped"], "too big")
    store.contents.record_hit(content_id, 5, NOW)
    store.entries.refresh(ids.values())
    names = {file_id: name for name, file_id in ids.items()}

    def of(state: str | None) -> set[str]:
        return {names[file_id] for file_id in found(store, state=state)}

    assert of("missing") == {"missing"}
    assert of("broken") == {"broken", "short"}
    assert of("waiting") == {"growing", "waiting"}
    assert of("unidentified") == {"unknown", "skipped"}
    assert of(None) == set(ids) - {"missing"}


def test_a_state_that_does_not_exist_is_a_mistake_of_the_one_who_asks(store: Store) -> None:
    with pytest.raises(UsageError, match="'lost': missing, broken, waiting, unidentified"):
        store.entries.search(EntryQuery(state="lost"))


def test_a_picture_and_a_page_can_be_kept_before_the_first_refresh(store: Store) -> None:
    first, second = add_file(store, b"x"), add_file(store, b"y")
    store.entries.set_preview(first, b"x.preview\xff.png")
    store.entries.set_page(second, has_page=True)
    store.entries.refresh([first])
    assert (get(store, first).preview, get(store, first).has_page) == (b"x.preview\xff.png", False)
    assert (get(store, second).preview, get(store, second).has_page) == (None, True)


def test_a_picture_and_a_page_outlive_a_refresh_and_can_be_taken_back(store: Store) -> None:
    file_id = add_file(store, b"x")
    store.entries.set_preview(file_id, b"x.png")
    store.entries.set_page(file_id, has_page=True)
    tell(store, file_id, {Field.NAME: "n"})
    assert (get(store, file_id).preview, get(store, file_id).has_page) == (b"x.png", True)
    store.entries.set_preview(file_id, None)
    store.entries.set_page(file_id, has_page=False)
    assert (get(store, file_id).preview, get(store, file_id).has_page) == (None, False)


def test_a_picture_of_no_file_is_not_kept_and_the_same_one_is_not_written(store: Store) -> None:
    store.entries.set_preview(999, b"x.png")
    assert store.entries.get(999) is None
    file_id = add_file(store, b"x")
    store.entries.set_preview(file_id, b"x.png")
    before = store.database._connection.total_changes
    store.entries.set_preview(file_id, b"x.png")
    assert store.database._connection.total_changes == before


def test_an_entry_goes_with_its_file(store: Store) -> None:
    moved, target = add_file(store, b"x"), add_file(store, b"y")
    store.entries.refresh([moved, target])
    store.files.move(moved, "a", b"y", fingerprint(1))
    assert store.entries.get(target) is None
    assert store.entries.get(moved) is not None
