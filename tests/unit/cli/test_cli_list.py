"""`modelshelf list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.cli import list as list_module
from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.domain.header import Format, Header, PickleVerdict, Verdict
from tests.unit.cli.cli_shelf import THEN, add, add_broken, add_read

if TYPE_CHECKING:
    from modelshelf.store.store import Store
    from tests.unit.cli.cli_shelf import CliShelf


def describe(store: Store, file_id: int, **values: str) -> None:
    facts = [Fact(Field(name), Source.FORGE, value) for name, value in values.items()]
    store.facts.replace_of_file(file_id, Source.FORGE, facts)
    store.entries.refresh([file_id])


@pytest.fixture
def filled(shelf: CliShelf) -> CliShelf:
    """Give a shelf with a file in every state."""
    with shelf.store() as store:
        ink, _ = add_read(store, b"style/ink.safetensors", 1)
        describe(store, ink, name="Ink wash", model_type="LORA", base_model="SDXL 1.0")
        oil, _ = add_read(store, b"oil.safetensors", 2, "checkpoints")
        describe(store, oil, name="Oil [red]", model_type="Checkpoint", base_model="Pony")
        add(store, b"new.safetensors")
        add(store, b"growing.safetensors", waiting_reason="its writer has it open")
        add_broken(store, b"broken.safetensors")
        _, missed = add_read(store, b"stranger.safetensors", 3)
        store.contents.record_miss(missed, THEN, THEN)
        store.files.mark_missing([add(store, b"gone.safetensors")], THEN)
    return shelf


def paths(shelf: CliShelf, *arguments: str) -> list[str]:
    return [each["path"] for each in shelf.run("list", *arguments, "--json").document["files"]]


def test_all_but_missing_files_are_listed_by_name(filled: CliShelf) -> None:
    assert paths(filled) == [
        "broken.safetensors",
        "growing.safetensors",
        "style/ink.safetensors",
        "new.safetensors",
        "oil.safetensors",
        "stranger.safetensors",
    ]


@pytest.mark.parametrize(
    ("state", "path"),
    [
        ("pending", "new.safetensors"),
        ("waiting", "growing.safetensors"),
        ("broken", "broken.safetensors"),
        ("missing", "gone.safetensors"),
        ("unidentified", "stranger.safetensors"),
    ],
)
def test_each_state_finds_its_file_alone(filled: CliShelf, state: str, path: str) -> None:
    assert paths(filled, "--state", state) == [path]


def test_files_that_are_ignored_are_found_by_that(filled: CliShelf) -> None:
    assert paths(filled, "--state", "ignored") == []
    filled.run("ignore", "oil.safetensors")
    assert paths(filled, "--state", "ignored") == ["oil.safetensors"]
    assert paths(filled, "--state", "known") == ["style/ink.safetensors"]


def test_files_that_are_known_are_found_by_that(filled: CliShelf) -> None:
    assert paths(filled, "--state", "known") == ["style/ink.safetensors", "oil.safetensors"]


def test_every_word_must_be_there(filled: CliShelf) -> None:
    assert paths(filled, "WASH", "style") == ["style/ink.safetensors"]
    assert paths(filled, "wash", "oil") == []


def test_type_and_base_model_are_found_in_any_case(filled: CliShelf) -> None:
    assert paths(filled, "--type", "lora") == ["style/ink.safetensors"]
    assert paths(filled, "--base-model", "pony") == ["oil.safetensors"]


def test_a_type_that_nothing_has_is_told_which_there_are(filled: CliShelf) -> None:
    answer = filled.run("list", "--type", "LoRa2")
    assert answer.code == 2
    assert answer.err == "Error: no file has the model type 'LoRa2'; there are: Checkpoint, LORA\n"


def test_where_no_base_model_is_known_yet_that_is_told(shelf: CliShelf) -> None:
    with shelf.store():
        pass
    assert "none is known yet" in shelf.run("list", "--base-model", "Pony").err


def test_one_folder_alone_is_listed_and_an_unknown_one_refused(filled: CliShelf) -> None:
    assert paths(filled, "--folder", "checkpoints") == ["oil.safetensors"]
    answer = filled.run("list", "--folder", "nowhere")
    assert answer.code == 2
    assert "nowhere" in answer.err


def test_a_limit_is_kept_and_what_it_hides_is_said(filled: CliShelf) -> None:
    answer = filled.run("list", "--limit", "2")
    assert len(answer.out.splitlines()) == 3
    assert "There are more" in answer.err
    assert filled.run("list", "--limit", "2", "--json").document["has_more"] is True
    assert filled.run("list", "--limit", "6", "--json").document["has_more"] is False
    assert paths(filled, "--limit", "2", "--offset", "1") == ["growing.safetensors", "style/ink.safetensors"]


def test_more_files_than_a_page_of_the_store_are_all_found(filled: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_module, "PAGE", 2)
    assert len(paths(filled)) == 6
    assert paths(filled, "--state", "unidentified") == ["stranger.safetensors"]


def test_a_row_has_state_folder_path_size_and_what_is_known(filled: CliShelf) -> None:
    row = next(line for line in filled.run("list").out.splitlines() if "oil" in line)
    assert row.split() == ["known", "checkpoints", "oil.safetensors", "1015", "B", "Oil", "[red]", "Checkpoint", "Pony"]


def test_markup_in_a_name_is_shown_as_it_is_on_a_terminal(filled: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    assert "Oil [red]" in filled.run("list").out


def test_a_document_tells_values_with_their_sources(filled: CliShelf) -> None:
    (ink,) = filled.run("list", "ink", "--json").document["files"]
    assert ink["values"] == {"name": "Ink wash", "model_type": "LORA", "base_model": "SDXL 1.0"}
    assert ink["sources"]["name"] == "forge"
    assert ink["sha256"] == f"{1:064X}"[::-1]


def test_finding_nothing_is_said(filled: CliShelf) -> None:
    answer = filled.run("list", "nothing-like-it")
    assert (answer.code, answer.out) == (0, "No such files.\n")


def test_before_anything_is_recorded_it_says_what_to_do(shelf: CliShelf) -> None:
    answer = shelf.run("list")
    assert answer.code == 1
    assert "nothing is recorded yet" in answer.err
    assert not shelf.state.exists()


@pytest.mark.parametrize(
    ("verdict", "shown"),
    [
        (PickleVerdict.DANGEROUS, "known; pickle dangerous"),
        (PickleVerdict.NOT_SCANNED, "known; pickle not scanned"),
        (PickleVerdict.CLEAN, "known "),
    ],
)
def test_what_loading_a_file_may_run_stands_beside_its_state(
    filled: CliShelf, verdict: PickleVerdict, shown: str
) -> None:
    with filled.store() as store:
        file = store.files.at("loras", b"style/ink.safetensors")
        assert file is not None
        store.files.record_header(file.id, Header(Format.PICKLE, Verdict.UNPROVEN, pickle_verdict=verdict))
        store.entries.refresh([file.id])
    assert shown in filled.run("list", "ink").out
    (found,) = filled.run("list", "ink", "--json").document["files"]
    assert found["pickle_verdict"] == verdict
