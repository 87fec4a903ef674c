"""Move, rename, replace, delete, come back; and folders or directories of which nothing can be said."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.formats.hashes import hash_file
from tests import builders
from tests.unit.steps.step_shelf import introduce

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from modelshelf.domain.model_file import ModelFile
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf

CONTENT = builders.lora(50)
SET = {"safetensors", "civitai.info", "json", "preview.png", "html"}


@pytest.fixture
def settled(shelf: StepShelf, civitai: CivitaiStandIn) -> ModelFile:
    """Give a file that is on the shelf and described, as the catalog knows it."""
    introduce(civitai, CONTENT, "Settled")
    shelf.put("here.safetensors", CONTENT)
    shelf.look_through()
    return shelf.file("here.safetensors")


def hashed(shelf: StepShelf) -> int:
    """Count the contents: as many as have ever been hashed."""
    return len(shelf.store.database.rows("SELECT id FROM contents"))


def family(shelf: StepShelf, stem: str, folder_id: str = "loras") -> set[str]:
    """Give the endings of what bears a stem."""
    return {name.removeprefix(f"{stem}.") for name in shelf.names(folder_id) if name.startswith(f"{stem}.")}


def forbid_hashing(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every hash from here on a failure of the test."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("hashed again")

    monkeypatch.setattr("modelshelf.steps.hash_file.hash_file", refuse)


@pytest.mark.parametrize("target", ["there.safetensors", "below/there.safetensors", "there.sft.safetensors"])
def test_a_moved_file_keeps_its_identity_and_takes_its_sidecars_along(
    target: str, shelf: StepShelf, settled: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_hashing(shelf, monkeypatch)
    path = shelf.path(target)
    path.parent.mkdir(exist_ok=True)
    shelf.path("here.safetensors").rename(path)
    shelf.look_through()
    assert shelf.file(target).id == settled.id
    assert shelf.content(target).id == settled.content_id
    assert not family(shelf, "here")
    stem = path.name.removesuffix(".safetensors")
    assert {each.name.removeprefix(f"{stem}.") for each in path.parent.iterdir() if each.name.startswith(stem)} == SET
    assert f"{stem}.preview.png" in shelf.path("gallery.html").read_text()
    before = shelf.snapshot()
    shelf.look_through()
    assert shelf.snapshot() == before


def test_a_file_moved_to_another_folder_is_the_same_file(
    shelf: StepShelf, settled: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.add_folder("more")
    forbid_hashing(shelf, monkeypatch)
    shelf.path("here.safetensors").rename(shelf.path("here.safetensors", "more"))
    shelf.look_through("more")
    assert shelf.file("here.safetensors", "more").id == settled.id
    assert family(shelf, "here", "more") == SET
    assert not family(shelf, "here")
    assert "here.html" not in shelf.path("gallery.html").read_text()


def test_a_file_moved_over_another_one_keeps_its_identity(
    shelf: StepShelf, settled: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.put("old.safetensors", builders.lora(51))
    shelf.look_through()
    forbid_hashing(shelf, monkeypatch)
    shelf.path("here.safetensors").replace(shelf.path("old.safetensors"))
    shelf.look_through()
    assert shelf.file("old.safetensors").id == settled.id
    assert shelf.json("old.civitai.info")["model"]["name"] == "Settled"


def test_sidecars_are_never_carried_over_a_file(shelf: StepShelf, settled: ModelFile) -> None:
    mine = shelf.put("there.json", '{"notes": "mine"}')
    shelf.path("here.safetensors").rename(shelf.path("there.safetensors"))
    shelf.look_through()
    assert '"mine"' in mine.read_text()
    assert family(shelf, "here") == {"json"}
    assert family(shelf, "there") == SET


def test_sidecars_stay_where_a_weight_file_that_is_not_ours_has_the_stem(shelf: StepShelf, settled: ModelFile) -> None:
    shelf.put("here.onnx", builders.torch_zip(52))
    shelf.path("here.safetensors").rename(shelf.path("there.safetensors"))
    shelf.look_through()
    assert family(shelf, "here") >= {"json", "civitai.info", "preview.png"}
    assert family(shelf, "there") >= {"json", "civitai.info"}


@pytest.mark.parametrize("other", ["here.ckpt", "here.gguf"])
def test_what_we_said_of_a_moved_model_is_not_left_to_its_heir(
    other: str, shelf: StepShelf, settled: ModelFile
) -> None:
    shelf.put(other, builders.torch_zip(52))
    shelf.path("here.txt").write_text("a person's words")
    shelf.path("here.safetensors").rename(shelf.path("there.safetensors"))
    shelf.look_through()
    assert family(shelf, "here") & {"json", "civitai.info", "txt"} == {"txt"}
    assert family(shelf, "there") >= {"json", "civitai.info"}


def test_sidecars_of_a_longer_stem_stay(shelf: StepShelf, settled: ModelFile) -> None:
    shelf.put("here.v2.safetensors", builders.lora(53))
    shelf.put("here.v2.txt", "of the second version")
    shelf.path("here.safetensors").rename(shelf.path("there.safetensors"))
    shelf.look_through()
    assert shelf.path("here.v2.txt").exists()


def test_sidecars_that_the_person_moves_too_are_left_to_the_person(shelf: StepShelf, settled: ModelFile) -> None:
    for ending in SET:
        shelf.path(f"here.{ending}").rename(shelf.path(f"there.{ending}"))
    shelf.look_through()
    assert family(shelf, "there") == SET
    assert not shelf.events("sidecar_not_written")


def test_a_copy_beside_is_another_file_of_the_same_content(shelf: StepShelf, settled: ModelFile) -> None:
    os.link(shelf.path("here.safetensors"), shelf.path("linked.safetensors"))
    shelf.look_through()
    assert shelf.file("linked.safetensors").id != settled.id
    assert shelf.content("linked.safetensors").id == settled.content_id
    assert shelf.file("here.safetensors").missing_since is None


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the names of what is hashed from here on."""
    names: list[str] = []

    def hash_and_note(path: Path, **options: Any) -> Any:
        names.append(path.name)
        return hash_file(path, **options)

    monkeypatch.setattr("modelshelf.steps.hash_file.hash_file", hash_and_note)
    return names


def test_a_hard_link_costs_one_more_look_at_the_bytes_and_never_the_identity(
    shelf: StepShelf, settled: ModelFile, read: list[str]
) -> None:
    for name in ("one.safetensors", "two.safetensors"):
        os.link(shelf.path("here.safetensors"), shelf.path(name))
        shelf.look_through(path=name)
    assert read == ["one.safetensors", "two.safetensors"]  # each link gives the file another ctime
    assert shelf.file("here.safetensors").content_id == settled.content_id
    read.clear()
    shelf.look_through()
    assert read == []
    contents = {shelf.file(name).content_id for name in ("here.safetensors", "one.safetensors", "two.safetensors")}
    assert contents == {settled.content_id}


def test_what_only_the_catalog_takes_for_a_hard_link_is_read(
    shelf: StepShelf, settled: ModelFile, read: list[str]
) -> None:
    path = shelf.path("one.safetensors")
    path.write_bytes(CONTENT)
    shelf.scan()
    seen = shelf.file("one.safetensors").fingerprint
    shelf.store.files.settle_fingerprint(settled.id, seen)
    shelf.do(TaskKind.INSPECT_FILE, "one.safetensors")
    shelf.do(TaskKind.HASH_FILE, "one.safetensors")
    assert read == ["one.safetensors"]


def test_other_rights_cost_a_file_a_look_and_not_its_identity(
    shelf: StepShelf, settled: ModelFile, read: list[str]
) -> None:
    shelf.path("here.safetensors").chmod(0o640)
    shelf.scan()
    assert shelf.file("here.safetensors").content_id == settled.content_id
    assert read == []
    before = shelf.path("here.html").stat().st_mtime_ns
    shelf.look_through()
    assert read == []  # its probe is as it was
    shelf.path("here.safetensors").chmod(0o600)
    shelf.look_through(path="here.safetensors")
    assert read == ["here.safetensors"]  # an event may tell of a write
    assert shelf.file("here.safetensors").content_id == settled.content_id
    assert shelf.path("here.html").stat().st_mtime_ns == before


def test_two_names_that_take_the_place_of_one_are_both_known(shelf: StepShelf, settled: ModelFile) -> None:
    path = shelf.path("here.safetensors")
    os.link(path, shelf.path("one.safetensors"))
    path.rename(shelf.path("two.safetensors"))
    shelf.look_through()
    ids = {shelf.file(name).id for name in ("one.safetensors", "two.safetensors")}
    assert settled.id in ids
    assert len(ids) == 2


def test_a_deleted_file_is_missing_and_its_record_kept(shelf: StepShelf, settled: ModelFile) -> None:
    shelf.path("here.safetensors").unlink()
    shelf.look_through()
    gone = shelf.store.files.get(settled.id)
    assert gone is not None
    assert gone.missing_since is not None
    assert gone.content_id == settled.content_id
    assert "here.html" not in shelf.path("gallery.html").read_text()
    assert family(shelf, "here") == SET - {"safetensors"}


def test_a_deleted_directory_is_missing_with_all_that_was_in_it(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    for name in ("a/one.safetensors", "a/b/two.safetensors", "ab/three.safetensors"):
        shelf.put(name, builders.lora(sum(name.encode())))
    shelf.look_through()
    for name in ("a/b/two.safetensors", "a/one.safetensors"):
        shelf.path(name).unlink()
    for directory in ("a/b", "a"):
        for left in shelf.path(directory).iterdir():
            left.unlink()
        shelf.path(directory).rmdir()
    shelf.look_through(path="a")
    assert shelf.file("a/one.safetensors").missing_since is not None
    assert shelf.file("a/b/two.safetensors").missing_since is not None
    assert shelf.file("ab/three.safetensors").missing_since is None


def test_a_file_that_comes_back_is_not_hashed_again(
    shelf: StepShelf, settled: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = shelf.root / "away"
    shelf.path("here.safetensors").rename(away)
    shelf.look_through()
    forbid_hashing(shelf, monkeypatch)
    away.rename(shelf.path("here.safetensors"))
    shelf.look_through()
    assert shelf.file("here.safetensors").id == settled.id
    assert shelf.file("here.safetensors").missing_since is None
    assert "here.html" in shelf.path("gallery.html").read_text()


def test_a_file_that_was_still_waiting_when_it_went_is_read_when_it_comes_back(shelf: StepShelf) -> None:
    shelf.put("late.safetensors", CONTENT)
    shelf.put("stays.safetensors", builders.lora(59))
    control = shelf.put("late.safetensors.aria2", b"\0")
    shelf.scan()
    assert "being downloaded" in str(shelf.file("late.safetensors").waiting_reason)
    away = shelf.root / "away"
    shelf.path("late.safetensors").rename(away)
    shelf.scan()
    control.unlink()
    away.rename(shelf.path("late.safetensors"))
    shelf.look_through()
    assert shelf.file("late.safetensors").missing_since is None
    assert shelf.file("late.safetensors").content_id is not None


def test_replaced_bytes_are_hashed_again_and_described_anew(
    shelf: StepShelf, civitai: CivitaiStandIn, settled: ModelFile
) -> None:
    successor = builders.lora(54)
    introduce(civitai, successor, "Successor")
    shelf.put("here.safetensors", successor, age_seconds=100)
    shelf.look_through()
    assert shelf.content("here.safetensors").id != settled.content_id
    assert shelf.json("here.civitai.info")["model"]["name"] == "Successor"
    assert "Settled" not in shelf.path("here.html").read_text()


def empty_folder(shelf: StepShelf) -> None:
    """Leave an empty directory where the folder was, as an unmounted one does."""
    shelf.path("").rename(shelf.root / "unmounted")
    shelf.path("").mkdir()


def remove_folder(shelf: StepShelf) -> None:
    """Leave nothing where the folder was."""
    shelf.path("").rename(shelf.root / "unmounted")


@pytest.mark.parametrize("vanish", [empty_folder, remove_folder])
def test_a_folder_that_is_gone_or_suddenly_empty_is_offline_and_nothing_in_it_missing(
    vanish: Callable[[StepShelf], None], shelf: StepShelf, settled: ModelFile
) -> None:
    vanish(shelf)
    shelf.store.journal.add([_page(settled)], shelf.clock.now())
    shelf.look_through()
    assert shelf.file("here.safetensors").missing_since is None
    assert shelf.store.folders.state("loras").offline_since is not None
    assert len(shelf.events("folder_went_offline")) == 1
    assert not shelf.path("").exists() or not shelf.names()
    shelf.clock.advance(100_000)
    assert shelf.drain() == 0


def _page(file: ModelFile) -> Any:
    from modelshelf.domain.task import NewTask  # noqa: PLC0415

    return NewTask(TaskKind.WRITE_SIDECARS, str(file.id))


@pytest.mark.parametrize("subject", ["folder", "path"])
def test_an_unreadable_directory_is_never_judged(
    subject: str, shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.put("dark/one.safetensors", CONTENT)
    shelf.put("dark/deeper/two.safetensors", builders.lora(55))
    shelf.put("light/three.safetensors", builders.lora(56))
    shelf.look_through()
    dark = shelf.path("dark")
    _make_unreadable(dark, monkeypatch)
    shelf.path("light/three.safetensors").unlink()
    shelf.look_through(path="dark" if subject == "path" else "")
    assert shelf.file("dark/one.safetensors").missing_since is None
    assert shelf.file("dark/deeper/two.safetensors").missing_since is None
    assert (shelf.file("light/three.safetensors").missing_since is not None) is (subject == "folder")
    (unseen,) = shelf.store.failures.all()
    assert (unseen.path, "Permission denied" in unseen.reason) == (b"dark", True)
    monkeypatch.undo()
    shelf.look_through(path="dark" if subject == "path" else "")
    assert shelf.store.failures.all() == []


def _make_unreadable(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = os.scandir

    def scandir(path: Any) -> Any:
        if os.fsencode(path) == os.fsencode(directory):
            raise PermissionError(13, "Permission denied")
        return genuine(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_a_file_that_cannot_be_looked_at_is_never_judged(
    shelf: StepShelf, settled: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = os.lstat

    def lstat(path: Any) -> Any:
        if os.fsencode(path).endswith(b"here.safetensors"):
            raise OSError(5, "Input/output error")
        return genuine(path)

    shelf.path("here.safetensors").unlink()
    monkeypatch.setattr(os, "lstat", lstat)
    shelf.scan()
    assert shelf.file("here.safetensors").missing_since is None


def test_an_entry_that_the_walk_could_not_look_at_is_never_judged(
    shelf: StepShelf, settled: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modelshelf.shelf.walk import Listing, Problem  # noqa: PLC0415

    shelf.path("here.safetensors").unlink()
    problem = Listing(b"", problems=(Problem(b"here.safetensors", "Stale file handle", 116),))
    monkeypatch.setattr("modelshelf.steps.scan_folder.walk", lambda *_, **__: iter([problem]))
    shelf.scan()
    assert shelf.file("here.safetensors").missing_since is None


def test_sidecars_touched_just_before_a_rename_follow_whole(shelf: StepShelf, settled: ModelFile) -> None:
    notes = shelf.json("here.json") | {"notes": "typed"}
    shelf.path("here.json").write_text(json.dumps(notes))
    shelf.path("here.safetensors").rename(shelf.path("there.safetensors"))
    shelf.store.journal.add(
        [
            NewTask(TaskKind.SCAN_FOLDER, "loras", path=b"there.safetensors"),
            NewTask(TaskKind.WRITE_SIDECARS, str(settled.id)),
            NewTask(TaskKind.RENDER_PAGE, str(settled.id)),
        ],
        shelf.clock.now(),
    )
    shelf.drain()
    assert family(shelf, "here") == set()
    assert family(shelf, "there") == SET
    assert shelf.json("there.json")["notes"] == "typed"


@pytest.mark.parametrize("stray", [".keep", "README.txt", "gallery.html", "@eaDir/x.txt"])
def test_a_bare_mount_point_with_a_stray_file_is_no_proof_of_deletion(
    stray: str, shelf: StepShelf, settled: ModelFile
) -> None:
    away = shelf.root / "mounted"
    shelf.path("").rename(away)
    shelf.put(stray, "stray")
    shelf.look_through()
    assert shelf.store.folders.state("loras").offline_since is not None
    assert shelf.file("here.safetensors").missing_since is None
    assert {path.name for path in shelf.path("").iterdir()} == {stray.split("/", maxsplit=1)[0]}


def test_the_last_model_deleted_is_missing_where_its_sidecars_still_stand(shelf: StepShelf, settled: ModelFile) -> None:
    shelf.path("here.safetensors").unlink()
    shelf.look_through()
    assert shelf.file("here.safetensors").missing_since is not None
