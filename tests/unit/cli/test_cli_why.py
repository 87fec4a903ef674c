"""`modelshelf why`."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.cli import why
from modelshelf.domain.civitai import Alternate
from modelshelf.domain.decision import Decision
from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.domain.failure import FailureKind
from modelshelf.domain.header import Format, Header, PickleVerdict, Verdict
from modelshelf.domain.model_file import Fingerprint
from modelshelf.domain.task import Lane, NewTask, TaskKind
from modelshelf.domain.update import Access, Update
from modelshelf.formats.picture_mark import marked as marked_picture
from modelshelf.sidecars.mark import digest, marked
from modelshelf.store.ledger import Writing
from tests import builders
from tests.unit.cli.cli_shelf import CONFIGURATION, DAY, THEN, add, add_broken, add_read, hashes

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.domain.jsontypes import JsonValue
    from modelshelf.store.store import Store
    from tests.unit.cli.cli_shelf import CliShelf


def ask(shelf: CliShelf, target: str) -> Any:
    (file,) = shelf.run("why", target, "--json").document["files"]
    return file


@pytest.mark.parametrize(
    "target",
    [
        "loras/style/ink.safetensors",
        "style/ink.safetensors",
        "ink.safetensors",
        hashes(1).sha256,
        hashes(1).sha256[:8].lower(),
        f"sha256:{hashes(1).sha256}",
        hashes(1).crc32,
    ],
)
def test_a_file_is_found_by_path_name_or_any_hash(shelf: CliShelf, target: str) -> None:
    with shelf.store() as store:
        add_read(store, b"style/ink.safetensors", 1)
    assert ask(shelf, target)["path"] == str(shelf.root / "loras/style/ink.safetensors")


def test_a_path_is_found_through_a_link_above_it(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add_read(store, b"ink.safetensors", 1)
    (shelf.root / "link").symlink_to(shelf.root / "loras")
    assert ask(shelf, "link/ink.safetensors")["folder"] == "loras"


def test_a_name_that_is_not_utf_8_is_found(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add(store, b"\xff.safetensors")
    found = ask(shelf, os.fsdecode(b"\xff.safetensors"))
    assert found["path"].endswith(r"\xff.safetensors")
    assert found["path_bytes"]


def test_a_missing_file_is_found_by_its_hash_all_the_same(shelf: CliShelf) -> None:
    with shelf.store() as store:
        file_id, _ = add_read(store, b"ink.safetensors", 1)
        store.files.mark_missing([file_id], THEN)
    assert ask(shelf, hashes(1).sha256)["state"] == "missing"
    assert "missing since" in shelf.run("why", "ink.safetensors").out


def test_every_field_shows_its_source_and_what_others_said(shelf: CliShelf) -> None:
    with shelf.store() as store:
        file_id, content_id = add_read(store, b"ink.safetensors", 1)
        for source, value in ((Source.CIVITAI_API, "Ink XL"), (Source.FORGE, "My ink")):
            facts = [Fact(Field.NAME, source, value)]
            if source is Source.FORGE:
                store.facts.replace_of_file(file_id, source, facts)
            else:
                store.facts.replace_of_content(content_id, source, [*facts, Fact(Field.TAGS, source, ["a", "b"])])
    out = [" ".join(line.split()) for line in shelf.run("why", "ink.safetensors").out.splitlines()]
    assert "name My ink forge civitai_api: Ink XL" in out
    assert "tags a, b civitai_api -" in out
    assert ask(shelf, "ink.safetensors")["fields"] == [
        {
            "field": "name",
            "value": "My ink",
            "source": "forge",
            "others": [{"source": "civitai_api", "value": "Ink XL"}],
        },
        {"field": "tags", "value": ["a", "b"], "source": "civitai_api", "others": []},
    ]


def test_header_and_all_six_hashes_are_shown(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add_read(store, b"ink.safetensors", 1)
    out = shelf.run("why", "ink.safetensors").out
    assert "safetensors, sound" in out
    assert "LoRA for SDXL" in out
    for each in (hashes(1).sha256, hashes(1).blake3, hashes(1).autov3, hashes(1).crc32):
        assert (each or "?") in out
    assert ask(shelf, "ink.safetensors")["header"]["architecture"] == "SDXL"


def write(store: Store, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    status = path.stat()
    store.ledger.intend(Writing(os.fsencode(path), None, "forge", status.st_size, status.st_mtime_ns, {}))


def test_what_lies_beside_it_is_told_by_whose_it_is(shelf: CliShelf) -> None:
    model = shelf.put("ink.safetensors")
    shelf.put("ink.png")
    with shelf.store() as store:
        add_read(store, b"ink.safetensors", 1)
        write(store, model.with_suffix(".json"), b"{}")
        write(store, model.with_suffix(".txt"), b"ours")
        model.with_suffix(".txt").write_bytes(b"somebody's")
        shelf.put("other.safetensors")
        shelf.put("other.json")
    beside = {os.path.basename(each["path"]): each["owner"] for each in ask(shelf, "ink.safetensors")["beside"]}
    assert beside == {
        "ink.json": "ours",
        "ink.png": "not ours",
        "ink.txt": "ours, changed since by somebody else",
    }
    assert "ink.json" in shelf.run("why", "ink.safetensors").out


@pytest.mark.parametrize(
    ("page", "owner"),
    [(b'<meta name="generator" content="modelshelf 9.9">', "ours"), (b"<h1>made by hand</h1>", "not ours")],
)
def test_a_page_is_ours_by_its_mark(shelf: CliShelf, page: bytes, owner: str) -> None:
    model = shelf.put("ink.safetensors")
    with shelf.store() as store:
        add_read(store, b"ink.safetensors", 1)
    model.with_suffix(".html").write_bytes(page)
    assert [each["owner"] for each in ask(shelf, "ink.safetensors")["beside"]] == [owner]


def test_a_page_that_is_no_file_is_not_ours(shelf: CliShelf) -> None:
    model = shelf.put("ink.safetensors")
    with shelf.store() as store:
        add_read(store, b"ink.safetensors", 1)
    model.with_suffix(".html").mkdir()
    assert [each["owner"] for each in ask(shelf, "ink.safetensors")["beside"]] == ["not ours"]


def test_a_sidecar_that_vanishes_while_it_is_looked_at_does_no_harm(
    shelf: CliShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.put("ink.safetensors")
    lstat = os.lstat

    def vanish(path: Any, **options: Any) -> os.stat_result:
        if os.fsencode(path).endswith(b"ink.json"):
            raise FileNotFoundError(2, "No such file or directory")
        return lstat(path, **options)

    with shelf.store() as store:
        add_read(store, b"ink.safetensors", 1)
        write(store, shelf.root / "loras" / "ink.json", b"{}")
    monkeypatch.setattr("os.lstat", vanish)
    assert [each["owner"] for each in ask(shelf, "ink.safetensors")["beside"]] == ["ours"]


def test_where_the_directory_is_away_nothing_stands_beside_the_file(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add_read(store, b"gone/ink.safetensors", 1)
    assert ask(shelf, "ink.safetensors")["beside"] == []


def test_what_is_owed_is_shown_with_tries_error_and_next_try(shelf: CliShelf) -> None:
    with shelf.store() as store:
        file_id, _ = add_read(store, b"ink.safetensors", 1)
        store.journal.add([NewTask(TaskKind.WRITE_SIDECARS, str(file_id))], THEN)
        (task,) = store.journal.claim(Lane.DESK, THEN)
        store.journal.retry_at(task, THEN + DAY, "disk is full", FailureKind.ACCESS, THEN)
        store.journal.add([NewTask(TaskKind.FETCH_PREVIEWS, str(file_id))], THEN)
        store.journal.claim(Lane.NETWORK, THEN)
        store.journal.add([NewTask(TaskKind.RENDER_PAGE, str(file_id))], THEN)
        (page,) = store.journal.claim(Lane.DESK, THEN)
        store.journal.fail(page, "no space", FailureKind.ACCESS, THEN)
    out = shelf.run("why", "ink.safetensors").out
    assert "disk is full" in out
    assert "given up" in out
    owed = {each["step"]: each for each in ask(shelf, "ink.safetensors")["owed"]}
    assert owed["write_sidecars"]["next_try_at"] == "2026-03-05T05:06:07.000Z"
    assert owed["write_sidecars"]["attempts"] == 1
    assert owed["fetch_previews"]["state"] == "running"
    assert owed["render_page"]["next_try_at"] is None


@pytest.mark.parametrize(("is_inspected", "step"), [(False, "inspect_file"), (True, "hash_file")])
def test_reading_that_is_owed_without_a_task_is_told(shelf: CliShelf, step: str, *, is_inspected: bool) -> None:
    with shelf.store() as store:
        file_id, _ = add_read(store, b"ink.safetensors", 1)
        store.files.reset_deep([file_id], 0)
        if is_inspected:
            header = store.files.header(file_id)
            assert header is not None
            store.files.record_header(file_id, header)
    assert ask(shelf, "ink.safetensors")["owed_without_task"] == step
    assert step in shelf.run("why", "ink.safetensors").out


def test_reading_in_hand_is_not_owed_twice(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add(store, b"ink.safetensors")
        store.journal.claim(Lane.DESK, THEN)
    found = ask(shelf, "ink.safetensors")
    assert found["owed_without_task"] is None
    assert [each["step"] for each in found["owed"]] == ["inspect_file"]


def test_the_next_lookup_is_told_as_long_as_civitai_does_not_know_it(shelf: CliShelf) -> None:
    with shelf.store() as store:
        _, content_id = add_read(store, b"ink.safetensors", 1)
        assert "not asked yet" in shelf.run("why", "ink.safetensors").out
        store.contents.record_miss(content_id, THEN, THEN + DAY)
        assert "not known there, asked" in shelf.run("why", "ink.safetensors").out
        assert ask(shelf, "ink.safetensors")["lookup"]["next_lookup_at"] == "2026-03-05T05:06:07.000Z"
        assert "asked next" in shelf.run("why", "ink.safetensors").out
        store.contents.record_hit(content_id, 77, THEN)
        assert "version 77, asked" in shelf.run("why", "ink.safetensors").out


def test_a_file_that_is_not_whole_or_broken_or_not_hashed_says_why(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add(store, b"growing.safetensors", waiting_reason="its writer has it open")
        add_broken(store, b"broken.safetensors")
    assert "its writer has it open" in shelf.run("why", "growing.safetensors").out
    out = shelf.run("why", "broken.safetensors").out
    assert "safetensors, incomplete: 10 bytes are missing" in out
    assert "not hashed" in out


def test_what_keeps_work_from_being_done_is_told(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add(store, b"ink.safetensors")
        store.folders.set_offline("loras", "not mounted?", THEN)
    shelf.config.write_text(CONFIGURATION + "offline: true\n")
    out = shelf.run("why", "ink.safetensors").out
    assert "Folder loras is offline since" in out
    assert "the configuration says offline" in out
    assert "The daemon does not run." in out


def test_a_folder_that_is_no_longer_configured_is_told(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add(store, b"ink.safetensors")
        store.folders.sync(shelf.folders[1:])
    shelf.config.write_text("input_paths: {checkpoints: {path: checkpoints}}\nstore: {directory: state}\n")
    with shelf.daemon():
        out = shelf.run("why", "ink.safetensors").out
    assert "Folder loras is not configured any more." in out
    assert "daemon does not run" not in out


def test_files_with_the_same_bytes_and_what_happened_are_shown(shelf: CliShelf) -> None:
    with shelf.store() as store:
        file_id, _ = add_read(store, b"ink.safetensors", 1)
        add_read(store, b"copy.safetensors", 1, "checkpoints")
        store.events.add("file_moved", THEN, file_id=file_id, details={"before": "old", "now": "new"})
        store.events.add("file_returned", THEN, file_id=file_id)
    out = shelf.run("why", "ink.safetensors").out
    assert "The same bytes in 1 other file" in out
    assert "checkpoints: copy.safetensors" in out
    assert "file_moved" in out
    found = ask(shelf, "ink.safetensors")
    assert found["duplicates"] == [{"folder": "checkpoints", "path": "copy.safetensors"}]
    assert [each["event"] for each in found["events"]] == ["file_returned", "file_moved"]


def test_what_lay_at_the_path_before_is_shown(shelf: CliShelf) -> None:
    with shelf.store() as store:
        moved, _ = add_read(store, b"ink.safetensors", 1)
        over, _ = add_read(store, b"over.safetensors", 2)
        store.facts.replace_of_file(over, Source.FORGE, [Fact(Field.NAME, Source.FORGE, "Old name")])
        store.entries.refresh([over])
        store.files.move(moved, "loras", b"over.safetensors", Fingerprint(1, 2, 3, 4), THEN)
    out = shelf.run("why", "over.safetensors").out
    assert "What lay here before" in out
    assert "Old name" in out
    (former,) = ask(shelf, "over.safetensors")["former"]
    assert (former["values"]["name"], former["superseded_at"]) == ("Old name", "2026-03-04T05:06:07.000Z")
    assert former["sha256"] not in {None, ask(shelf, "over.safetensors")["hashes"]["sha256"]}


def test_a_file_about_which_nothing_is_owed_says_so(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add_read(store, b"ink.safetensors", 1)
    assert "\nOwed\nnothing\n" in shelf.run("why", "ink.safetensors").out


def test_what_is_not_in_the_catalog_is_told_why(shelf: CliShelf) -> None:
    shelf.config.write_text(CONFIGURATION.replace("path: checkpoints,", "path: checkpoints, recursive: false,"))
    with shelf.store():
        pass
    for name in ("new.safetensors", "notes.txt", "half.safetensors.part", ".cache/a.safetensors"):
        shelf.put(name)
    shelf.put("sub/deep.safetensors", folder_id="checkpoints")
    (shelf.root / "loras/link.safetensors").symlink_to("new.safetensors")
    os.mkfifo(shelf.root / "loras/pipe.safetensors")
    reasons = {
        "loras/new.safetensors": "it was not noticed yet",
        "loras/notes.txt": "its name is none of a model here",
        "loras/half.safetensors.part": "by its name it is not finished",
        "loras/.cache/a.safetensors": "hidden or excluded",
        "loras/.cache": "it is a directory",
        "loras/nothing.safetensors": "nothing is there, and nothing was",
        "loras/link.safetensors": "it is a symbolic link",
        "loras/pipe.safetensors": "it is no regular file",
        "checkpoints/sub/deep.safetensors": "the folder is not recursive",
    }
    for path, reason in reasons.items():
        answer = shelf.run("why", path)
        assert answer.code == 1
        assert reason in answer.err


def test_what_is_neither_here_nor_known_is_a_usage_error_with_the_folders(shelf: CliShelf) -> None:
    with shelf.store():
        pass
    answer = shelf.run("why", "/etc/passwd")
    assert answer.code == 2
    assert "loras (" in answer.err


def test_too_short_a_hash_finds_nothing(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add_read(store, b"ink.safetensors", 1)
    assert shelf.run("why", hashes(1).sha256[:5]).code == 2


def test_a_name_that_too_many_files_have_asks_for_more(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(why, "MOST_FILES", 1)
    with shelf.store() as store:
        add(store, b"a/ink.safetensors")
        add(store, b"b/ink.safetensors")
    answer = shelf.run("why", "ink.safetensors")
    assert answer.code == 2
    assert "2 files are meant" in answer.err


def test_a_folder_that_does_not_answer_holds_up_no_question_about_another(
    shelf: CliShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shelf.store() as store:
        add_read(store, b"ink.safetensors", 1)
    let_go, genuine = threading.Event(), os.path.realpath

    def realpath(path: bytes, **options: bool) -> bytes:
        if path == os.fsencode(shelf.root / "checkpoints"):
            let_go.wait()
        return genuine(path, **options)

    monkeypatch.setattr(os.path, "realpath", realpath)
    try:
        assert ask(shelf, "ink.safetensors")["folder"] == "loras"
    finally:
        let_go.set()


# what is believed, and why


def pairs(shelf: CliShelf) -> str:
    """Give the answer with every run of blanks as one."""
    return " ".join(shelf.run("why", "ink.safetensors").out.split())


def content_columns(store: Store, content_id: int, **columns: object) -> None:
    names = ", ".join(f"{name} = :{name}" for name in columns)
    store.database.execute(f"UPDATE contents SET {names} WHERE id = :id", {"id": content_id, **columns})


@pytest.mark.parametrize(
    ("columns", "because"),
    [
        ({"version_id": 7, "matched_by": "file"}, "it lists these very bytes"),
        ({"version_id": 7, "matched_by": "weights"}, "it lists the same weights under another header"),
        ({"version_id": 7, "pinned_version_id": 7}, "a person said so"),
        ({"version_id": 7}, "an earlier answer said so"),
        ({}, None),
    ],
)
def test_why_a_version_is_believed_is_told(shelf: CliShelf, columns: dict[str, object], because: str | None) -> None:
    with shelf.store() as store:
        _, content_id = add_read(store, b"ink.safetensors", 1)
        if columns:
            content_columns(store, content_id, **columns)
    assert ask(shelf, "ink.safetensors")["lookup"]["because"] == because
    assert because is None or f"because {because}" in pairs(shelf)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({}, "it was not asked yet"),
        ({"looked_up_at": 1.0, "lookup_count": 1}, "it did not know it"),
        ({"looked_up_at": 1.0, "lookup_count": 3}, "it did not know it 3 times"),
        ({"looked_up_at": 1.0, "version_id": 7}, "to see whether it is still there"),
        ({"looked_up_at": 1.0, "version_id": 7, "absent_since": 1.0}, "a second look tells whether it is gone"),
        ({"looked_up_at": 1.0, "version_id": 7, "absent_since": 1.0, "gone_since": 1.0}, "to see whether it is back"),
        ({"looked_up_at": 1.0, "version_id": 7, "pinned_version_id": 8}, "version 8, to which it is pinned"),
    ],
)
def test_why_it_is_asked_about_next_is_told(shelf: CliShelf, columns: dict[str, object], reason: str) -> None:
    with shelf.store() as store:
        _, content_id = add_read(store, b"ink.safetensors", 1)
        content_columns(store, content_id, next_lookup_at=THEN.timestamp(), **columns)
    assert reason in ask(shelf, "ink.safetensors")["lookup"]["next_lookup_reason"]
    assert reason in pairs(shelf)


def test_what_people_decided_is_told_with_who_and_when(shelf: CliShelf) -> None:
    with shelf.store() as store:
        _, content_id = add_read(store, b"ink.safetensors", 1)
        values: dict[str, JsonValue] = {"trained_words": ["a", "b"], "pin": 8, "ignore": True}
        for matter, value in values.items():
            store.decisions.keep(content_id, Decision(matter, value, "anna", THEN))
    out = pairs(shelf)
    assert "trained_words a, b anna 2026-03-04" in out
    assert "pinned to version 8; its record has not come yet" in out
    assert "asked next never: it is ignored" in out
    found = ask(shelf, "ink.safetensors")
    assert found["is_ignored"] is True
    assert found["lookup"]["pinned_version_id"] == 8
    assert found["decisions"][-1] == {
        "matter": "trained_words",
        "value": ["a", "b"],
        "decided_by": "anna",
        "decided_at": "2026-03-04T05:06:07.000Z",
    }
    assert found["fields"][0] == {"field": "trained_words", "value": ["a", "b"], "source": "user", "others": []}


def test_an_answer_that_is_not_believed_is_told_with_its_reason(shelf: CliShelf) -> None:
    with shelf.store() as store:
        file_id, content_id = add_read(store, b"ink.safetensors", 1)
        content_columns(store, content_id, questioned_version_id=9)
        assert "not believed version 9: its size is another" in pairs(shelf)
        store.events.add("match_questioned", THEN, file_id=file_id, details={"reason": "it lists 5 bytes"})
    assert "not believed version 9: it lists 5 bytes" in pairs(shelf)
    assert ask(shelf, "ink.safetensors")["lookup"]["question"] == "it lists 5 bytes"


def test_other_versions_with_the_same_bytes_are_told(shelf: CliShelf) -> None:
    with shelf.store() as store:
        _, content_id = add_read(store, b"ink.safetensors", 1)
        store.alternates.replace(content_id, [Alternate(5, 6, "2024-01-01"), Alternate(7, None, None)])
    assert "could be too version 5, version 7" in pairs(shelf)
    assert ask(shelf, "ink.safetensors")["lookup"]["alternates"][0] == {
        "version_id": 5,
        "model_id": 6,
        "published_at": "2024-01-01",
    }


def test_newer_versions_are_told_with_what_they_cost_and_whether_anybody_wants_to_know(shelf: CliShelf) -> None:
    newer = [
        Update(6, 8, "v2", "SDXL 1.0", "2024-02-01", is_same_base=True, access=Access.EARLY),
        Update(6, 9, None, "Pony", "2024-01-01", is_same_base=False, access=Access.FREE),
    ]
    with shelf.store() as store:
        _, content_id = add_read(store, b"ink.safetensors", 1)
        store.remote.keep_version(7, 6, {"id": 7}, THEN)
        content_columns(store, content_id, version_id=7)
        store.updates.replace(6, newer, THEN)
        store.updates.mute(6, 9)
    out = pairs(shelf)
    assert "newer version 8 v2, the same base model, early access" in out
    assert "newer version 9, base model Pony, free, muted" in out
    assert [each["is_muted"] for each in ask(shelf, "ink.safetensors")["updates"]] == [False, True]


def test_what_is_gone_from_civitai_is_told_with_its_model(shelf: CliShelf) -> None:
    with shelf.store() as store:
        _, content_id = add_read(store, b"ink.safetensors", 1)
        store.remote.keep_version(7, 6, {"id": 7}, THEN)
        store.remote.keep_model(6, {"id": 6}, THEN)
        content_columns(store, content_id, version_id=7, absent_since=1.0, next_weights_lookup_at=5.0)
        store.remote.mark_model_absent(6, THEN, THEN + DAY)
        out = pairs(shelf)
        assert "missing there since 1970" in out
        assert "its model not shown since 2026-03-04" in out
        assert "asked by its weights 1970" in out
        content_columns(store, content_id, gone_since=1.0, next_weights_lookup_at=None, weights_looked_up_at=86_400.0)
        store.remote.mark_model_absent(6, THEN + DAY, THEN + DAY)
        out = pairs(shelf)
    assert "gone since 1970" in out
    assert "its model gone since 2026-03-0" in out
    assert "its model asked next" in out
    assert "asked by its weights 1970-01-02" in out
    found = ask(shelf, "ink.safetensors")["lookup"]
    assert (found["model_id"], found["gone_since"]) == (6, "1970-01-01T00:00:01.000Z")


def test_what_loading_its_pickles_would_run_is_told(shelf: CliShelf) -> None:
    with shelf.store() as store:
        file_id, _ = add_read(store, b"ink.safetensors", 1)
        verdict, findings = PickleVerdict.NOT_SCANNED, ("os.system",)
        header = Header(Format.PICKLE, Verdict.UNPROVEN, pickle_verdict=verdict, pickle_findings=findings)
        store.files.record_header(file_id, header)
    assert "pickles not scanned: os.system" in pairs(shelf)
    assert ask(shelf, "ink.safetensors")["header"]["pickle_findings"] == ["os.system"]


def test_whose_the_values_in_a_sidecar_are_is_told_key_by_key(shelf: CliShelf) -> None:
    model = shelf.put("ink.safetensors")
    sidecar = model.with_suffix(".json")
    ours = {"sd version": "SDXL", "activation text": "ink"}
    with shelf.store() as store:
        add_read(store, b"ink.safetensors", 1)
        sidecar.write_text(json.dumps(marked({**ours, "notes": "mine"}, {key: digest(ours[key]) for key in ours})))
    (beside,) = ask(shelf, "ink.safetensors")["beside"]
    assert beside["owner"] == "ours and somebody else's"
    assert (beside["dialect"], beside["ours"], beside["others"]) == ("forge", [*ours], ["notes"])
    assert "sd version, activation text notes" in pairs(shelf)


def test_a_sidecar_that_cannot_be_read_says_why(shelf: CliShelf) -> None:
    model = shelf.put("ink.safetensors")
    model.with_suffix(".json").write_text("{broken")
    with shelf.store() as store:
        add_read(store, b"ink.safetensors", 1)
    (beside,) = ask(shelf, "ink.safetensors")["beside"]
    assert beside["owner"] == "not ours"
    assert "cannot be read" in beside["problem"]
    assert "cannot be read" in pairs(shelf)


@pytest.mark.parametrize(
    ("picture", "owner"), [(marked_picture(builders.png(), "version 7"), "ours"), (b"?", "not ours")]
)
def test_a_picture_is_ours_by_its_mark_where_the_ledger_forgot_it(shelf: CliShelf, picture: bytes, owner: str) -> None:
    shelf.put("ink.safetensors")
    shelf.put("ink.preview.png", picture)
    with shelf.store() as store:
        add_read(store, b"ink.safetensors", 1)
    assert [each["owner"] for each in ask(shelf, "ink.safetensors")["beside"]] == [owner]
