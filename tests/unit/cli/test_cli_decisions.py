"""`modelshelf set`, `pin` and `ignore`: what a person decides."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.cli.field_values import FIELDS, Kind
from modelshelf.domain.decision import IGNORE, PIN
from modelshelf.domain.fact import Fact, Field, Source, choose
from modelshelf.domain.task import Priority, TaskKind
from tests.unit.cli.cli_shelf import CONFIGURATION, THEN, add, add_broken, add_read, hashes, tasks

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonValue
    from tests.unit.cli.cli_shelf import CliShelf

NAME = "ink.safetensors"


@pytest.fixture
def ids(shelf: CliShelf) -> tuple[int, int]:
    """Give the file and content of `ink.safetensors` in `loras`."""
    with shelf.store() as store:
        return add_read(store, NAME.encode(), 1)


def value(shelf: CliShelf, field: Field, file_id: int = 1) -> JsonValue:
    with shelf.store() as store:
        facts = choose(store.facts.of_file(file_id))
        return facts[field].value if field in facts else None


def owed(shelf: CliShelf) -> dict[TaskKind, set[str]]:
    found: dict[TaskKind, set[str]] = {}
    with shelf.store() as store:
        for task in tasks(store):
            assert task.priority == Priority.PERSON
            found.setdefault(task.kind, set()).add(task.subject)
    return found


KEPT: tuple[tuple[Field, list[str], JsonValue], ...] = (
    (Field.NAME, ["My Ink"], "My Ink"),
    (Field.DESCRIPTION, ["two\nlines"], "two\nlines"),
    (Field.TRAINED_WORDS, ["ink, style", " line art ", "line art"], ["ink, style", "line art"]),
    (Field.TRAINED_WORDS, ["ink style, line art,"], ["ink style", "line art"]),
    (Field.TAGS, ["style"], ["style"]),
    (Field.PREFERRED_WEIGHT, ["0.8"], 0.8),
    (Field.PREFERRED_WEIGHT, ["1.0"], 1),
    (Field.PREFERRED_WEIGHT, ["-1.5"], -1.5),
    (Field.NSFW, ["No"], False),
    (Field.NSFW, ["yes"], True),
    (Field.NSFW_LEVEL, ["pg-13"], 2),
    (Field.NSFW_LEVEL, ["XXX"], 16),
)


def test_a_value_is_kept_as_its_field_has_it(shelf: CliShelf, ids: tuple[int, int]) -> None:
    for field, words, kept in KEPT:
        answer = shelf.run("set", NAME, field.value, *words, "--json")
        assert answer.code == 0, answer.err
        assert (answer.document["field"], answer.document["value"]) == (field.value, kept)
        assert value(shelf, field, ids[0]) == kept


REFUSED = (
    (["nmae", "x"], "did you mean name?"),
    (["version_id", "7"], "modelshelf pin"),
    (["stats", "x"], "they are: name, version_name"),
    (["name"], "Give a VALUE, or --clear"),
    (["name", "x", "--clear"], "Give a VALUE, or --clear"),
    (["name", "two", "words"], "put it in quotes"),
    (["name", " "], "--clear takes back"),
    (["trained_words", "a", ""], "--clear takes back"),
    (["trained_words", ", ,"], "--clear takes back"),
    (["name", "two\nlines"], "one line"),
    (["notes", os.fsdecode(b"\xff")], "UTF-8"),
    (["preferred_weight", "strong"], "a number such as 0.8"),
    (["preferred_weight", "nan"], "a number such as 0.8"),
    (["preferred_weight", "1e999"], "a number such as 0.8"),
    (["nsfw", "perhaps"], "yes or no"),
    (["nsfw_level", "63"], "PG, PG13, R, X or XXX"),
    (["name", "--clear"], "nobody has set name"),
)


def test_what_a_field_cannot_take_is_told_and_nothing_is_kept(shelf: CliShelf, ids: tuple[int, int]) -> None:
    for arguments, complaint in REFUSED:
        answer = shelf.run("set", NAME, *arguments)
        assert answer.code == 2, arguments
        assert complaint in " ".join(answer.err.split())
    with shelf.store() as store:
        assert store.decisions.of_content(ids[1]) == []


def test_a_value_of_a_person_is_stronger_than_all_others_until_it_is_taken_back(
    shelf: CliShelf, ids: tuple[int, int]
) -> None:
    with shelf.store() as store:
        store.facts.replace_of_file(ids[0], Source.FORGE, [Fact(Field.NAME, Source.FORGE, "theirs")])
    assert shelf.run("set", NAME, "name", "mine").out.startswith("name of ink.safetensors is mine.")
    assert value(shelf, Field.NAME, ids[0]) == "mine"
    with shelf.store() as store:
        entry = store.entries.get(ids[0])
        assert entry is not None
        assert (entry.values[Field.NAME], entry.sources[Field.NAME]) == ("mine", Source.USER)
    assert "is taken back" in shelf.run("set", NAME, "name", "--clear").out
    assert value(shelf, Field.NAME, ids[0]) == "theirs"


def test_what_shows_the_file_follows_for_every_copy_that_is_there(shelf: CliShelf, ids: tuple[int, int]) -> None:
    with shelf.store() as store:
        copy, _ = add_read(store, b"copy.safetensors", 1, "checkpoints")
        gone, _ = add_read(store, b"gone.safetensors", 1)
        store.files.mark_missing([gone], THEN)
    answer = shelf.run("set", f"loras/{NAME}", "name", "mine")
    assert "The same holds for 1 copy of it." in answer.out
    assert "when the daemon runs" in answer.out
    assert owed(shelf) == {TaskKind.WRITE_SIDECARS: {str(ids[0]), str(copy)}}


def test_a_daemon_that_runs_is_poked(shelf: CliShelf, ids: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    poked: list[Any] = []

    def poke(*call: Any) -> bool:
        poked.append(call)
        return True

    monkeypatch.setattr("modelshelf.watching.poke.poke", poke)
    with shelf.daemon():
        answer = shelf.run("set", NAME, "name", "mine")
    assert answer.out == "name of ink.safetensors is mine.\n"
    assert len(poked) == 1


def test_a_type_or_base_model_is_spelled_as_it_is_known_already(shelf: CliShelf, ids: tuple[int, int]) -> None:
    with shelf.store() as store:
        other, _ = add_read(store, b"other.safetensors", 2)
        facts = [Fact(Field.BASE_MODEL, Source.FORGE, "SDXL 1.0"), Fact(Field.MODEL_TYPE, Source.FORGE, "LORA")]
        store.facts.replace_of_file(other, Source.FORGE, facts)
        store.entries.refresh([other])
    assert shelf.run("set", NAME, "base_model", "sdxl 1.0", "--json").document["value"] == "SDXL 1.0"
    assert shelf.run("set", NAME, "model_type", "lora", "--json").document["value"] == "LORA"
    assert shelf.run("set", NAME, "base_model", "My Own", "--json").document["value"] == "My Own"


@pytest.mark.parametrize("target", ["loras/ink.safetensors", hashes(1).sha256[:12], hashes(1).autov3])
def test_a_file_is_meant_by_path_or_hash(shelf: CliShelf, ids: tuple[int, int], target: str) -> None:
    assert shelf.run("set", target, "name", "mine", "--json").document["sha256"] == hashes(1).sha256


def test_a_missing_file_can_be_decided_about_too(shelf: CliShelf, ids: tuple[int, int]) -> None:
    with shelf.store() as store:
        store.files.mark_missing([ids[0]], THEN)
    assert shelf.run("set", NAME, "name", "mine").code == 0
    assert owed(shelf) == {}


@pytest.mark.parametrize("command", [["set", "name", "x"], ["pin", "7"], ["ignore"]])
def test_what_is_not_known_by_its_bytes_cannot_be_decided_about(shelf: CliShelf, command: list[str]) -> None:
    with shelf.store() as store:
        add(store, b"new.safetensors")
        add_broken(store, b"broken.safetensors")
    for name, reason in (("new", "it has not been hashed yet"), ("broken", "10 bytes are missing")):
        answer = shelf.run(command[0], f"{name}.safetensors", *command[1:])
        assert answer.code == 1
        assert reason in answer.err


def test_a_name_that_files_with_different_bytes_have_asks_for_more(shelf: CliShelf, ids: tuple[int, int]) -> None:
    with shelf.store() as store:
        add_read(store, NAME.encode(), 2, "checkpoints")
    answer = shelf.run("set", NAME, "name", "mine")
    assert answer.code == 2
    assert "different bytes" in answer.err
    assert "checkpoints: ink.safetensors" in answer.err


def test_before_anything_is_recorded_nothing_can_be_decided_and_no_store_is_made(shelf: CliShelf) -> None:
    answer = shelf.run("ignore", NAME)
    assert answer.code == 1
    assert "nothing is recorded yet" in answer.err
    assert not shelf.state.exists()


@pytest.mark.parametrize(("sudo_user", "name"), [("anna", "anna"), (None, "me")])
def test_who_decided_is_who_typed_it(
    shelf: CliShelf, ids: tuple[int, int], monkeypatch: pytest.MonkeyPatch, sudo_user: str | None, name: str
) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda _: type("Entry", (), {"pw_name": "me"}))
    if sudo_user:
        monkeypatch.setenv("SUDO_USER", sudo_user)
    shelf.run("set", NAME, "name", "mine")
    with shelf.store() as store:
        (decision,) = store.decisions.of_content(ids[1])
    assert decision.decided_by == name


def test_a_user_without_a_name_is_a_number(
    shelf: CliShelf, ids: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(_: int) -> None:
        raise KeyError

    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    shelf.run("ignore", NAME)
    with shelf.store() as store:
        (decision,) = store.decisions.of_content(ids[1])
    assert decision.decided_by == f"#{os.getuid()}"


def test_help_lists_every_field_with_what_it_takes(shelf: CliShelf) -> None:
    out = " ".join(shelf.run("set", "--help").out.split())
    for field, kind in FIELDS.items():
        assert f"{field} {kind}" in out
    assert set(FIELDS.values()) == set(Kind)


# ignore


def test_what_is_ignored_is_not_asked_about_any_more(shelf: CliShelf, ids: tuple[int, int]) -> None:
    with shelf.store() as store:
        store.contents.owe_lookup(ids[1], THEN)
    answer = shelf.run("ignore", NAME)
    assert answer.out.startswith("ink.safetensors is left alone from now on.")
    assert owed(shelf) == {}
    with shelf.store() as store:
        content = store.contents.get(ids[1])
        assert content is not None
        assert content.next_lookup_at is None


@pytest.mark.parametrize("is_identified", [False, True])
def test_what_is_attended_to_again_is_asked_about_unless_it_is_known(
    shelf: CliShelf, ids: tuple[int, int], *, is_identified: bool
) -> None:
    if is_identified:
        with shelf.store() as store:
            store.database.execute("UPDATE contents SET version_id = 7")
    shelf.run("ignore", NAME)
    answer = shelf.run("ignore", NAME, "--clear", "--json")
    assert answer.document["is_ignored"] is False
    lookups = {} if is_identified else {TaskKind.IDENTIFY_CONTENT: {str(ids[1])}}
    written = {kind: {str(ids[0])} for kind in (TaskKind.WRITE_SIDECARS, TaskKind.FETCH_PREVIEWS)}
    assert owed(shelf) == lookups | written


def test_what_is_not_ignored_cannot_be_attended_to_again(shelf: CliShelf, ids: tuple[int, int]) -> None:
    answer = shelf.run("ignore", NAME, "--clear")
    assert answer.code == 2
    assert "is not ignored" in answer.err


# pin


@pytest.mark.parametrize(
    "version",
    [
        "55",
        "https://civitai.com/models/7?modelVersionId=55",
        "https://civitai.red/models/7/ink?a=b&modelVersionId=55#gallery",
        "https://civitai.com/api/v1/model-versions/55",
    ],
)
def test_a_version_is_meant_by_its_id_or_its_address(shelf: CliShelf, ids: tuple[int, int], version: str) -> None:
    assert shelf.run("pin", NAME, version, "--json").document["pinned_version_id"] == 55
    with shelf.store() as store:
        (decision,) = store.decisions.of_content(ids[1])
    assert (decision.matter, decision.value) == (PIN, 55)
    assert owed(shelf) == {TaskKind.IDENTIFY_CONTENT: {str(ids[1])}}


def test_what_is_no_version_is_told(shelf: CliShelf, ids: tuple[int, int]) -> None:
    for version in ("0", "-5", "x", "https://civitai.com/models/7", "5" * 30, "2147483648"):
        answer = shelf.run("pin", NAME, "--", version)
        assert answer.code == 2, version
        assert "version's id" in answer.err


def test_a_pin_that_waits_for_civitai_says_so(shelf: CliShelf, ids: tuple[int, int]) -> None:
    shelf.config.write_text(CONFIGURATION + "offline: true\n")
    assert "the configuration says offline" in shelf.run("pin", NAME, "55").out


def test_what_is_ignored_cannot_be_pinned(shelf: CliShelf, ids: tuple[int, int]) -> None:
    shelf.run("ignore", NAME)
    answer = shelf.run("pin", NAME, "55")
    assert answer.code == 2
    assert "is ignored" in answer.err
    with shelf.store() as store:
        assert [each.matter for each in store.decisions.of_content(ids[1])] == [IGNORE]


@pytest.mark.parametrize("before", [None, 7])
def test_an_unpinned_file_is_what_it_was_before_and_asked_about(
    shelf: CliShelf, ids: tuple[int, int], before: int | None
) -> None:
    names = {7: "Before", 55: "Pinned"}
    with shelf.store() as store:
        for version_id, name in names.items():
            body: Any = {"id": version_id, "modelId": 1, "model": {"name": name}}
            store.remote.keep_version(version_id, 1, body, THEN)
        store.database.execute("UPDATE contents SET version_id = ?", (before,))
    shelf.run("pin", NAME, "55")
    with shelf.store() as store:
        store.database.execute("UPDATE contents SET version_id = 55")
        facts = [Fact(Field.NAME, Source.CIVITAI_API, "Pinned")]
        store.facts.replace_of_content(ids[1], Source.CIVITAI_API, facts)
    assert "is again what its hashes say" in shelf.run("pin", NAME, "--clear").out
    assert value(shelf, Field.NAME, ids[0]) == ("Before" if before else None)
    assert owed(shelf) == {
        TaskKind.IDENTIFY_CONTENT: {str(ids[1])},
        TaskKind.WRITE_SIDECARS: {str(ids[0])},
        TaskKind.FETCH_PREVIEWS: {str(ids[0])},
    }


def test_an_unpinned_file_that_is_ignored_is_not_asked_about(shelf: CliShelf, ids: tuple[int, int]) -> None:
    shelf.run("pin", NAME, "55")
    shelf.run("ignore", NAME)
    shelf.run("pin", NAME, "--clear")
    assert TaskKind.IDENTIFY_CONTENT not in owed(shelf)


@pytest.mark.parametrize("arguments", [[], ["55", "--clear"]])
def test_pin_takes_a_version_or_clear(shelf: CliShelf, ids: tuple[int, int], arguments: list[str]) -> None:
    assert shelf.run("pin", NAME, *arguments).code == 2


def test_what_is_not_pinned_cannot_be_unpinned(shelf: CliShelf, ids: tuple[int, int]) -> None:
    answer = shelf.run("pin", NAME, "--clear")
    assert answer.code == 2
    assert "is not pinned" in answer.err
