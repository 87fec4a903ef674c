"""Links in the way: nothing is written through one, whoever swaps what for it, and whenever."""

from __future__ import annotations

import json
import os
import secrets
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from modelshelf.domain.output import MetadataOutput, Output
from modelshelf.domain.task import TaskKind
from modelshelf.errors import WriteRefused
from modelshelf.files import create_file, remove_file, replace_file
from modelshelf.gallery.mark import MARK
from modelshelf.steps import fetch_previews, paging, write_sidecars
from modelshelf.steps.step import Failed
from modelshelf.store.ledger import Ledger
from tests.security.stranger import CONTENT, speak

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf

SECRET = b"root:x:0:0\n"
Moment: TypeAlias = tuple[Any, str]
Strike: TypeAlias = "Callable[[Moment, Callable[..., None]], None]"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """Somebody's file outside the shelf."""
    path = tmp_path / "victim" / "passwd"
    path.parent.mkdir()
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def model(shelf: StepShelf, civitai: CivitaiStandIn) -> Path:
    """A model in a directory, known to Civitai, of which nothing is written yet."""
    speak(civitai, "words", f"{civitai.origin}/images/u/width=8/1.jpeg")
    path = shelf.put("sub/model.safetensors", CONTENT)
    shelf.read("sub/model.safetensors")
    return path


def untouched(victim: Path) -> bool:
    return victim.read_bytes() == SECRET and [*victim.parent.iterdir()] == [victim]


def swapping(path: Path, target: Path) -> Callable[..., None]:
    """Put a link to `target` where `path` is, once, as an attacker in a race would."""

    def swap(*_: object, **__: object) -> None:
        if not path.is_symlink():
            if os.path.lexists(path):
                path.rename(path.with_name(f"{path.name}.away"))
            path.symlink_to(target)

    return swap


@pytest.fixture
def strike(monkeypatch: pytest.MonkeyPatch) -> Strike:
    """Let an attack come right before something in a step is called."""

    def strike_before(moment: Moment, attack: Callable[..., None]) -> None:
        room, name = moment
        real = getattr(room, name)

        def attacked(*arguments: Any, **named: Any) -> Any:
            attack()
            return real(*arguments, **named)

        monkeypatch.setattr(room, name, attacked)

    return strike_before


@pytest.mark.parametrize("moment", [(write_sidecars, "make_room"), (Ledger, "intend")])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_sidecar_swapped_for_a_link_is_not_written_through(
    shelf: StepShelf, model: Path, victim: Path, strike: Strike, moment: Moment, *, is_there: bool
) -> None:
    sidecar = model.with_suffix(".json")
    if is_there:
        shelf.put("sub/model.json", json.dumps({"activation text": "theirs"}))
    strike(moment, swapping(sidecar, victim))
    outcome = shelf.perform(TaskKind.WRITE_SIDECARS, "sub/model.safetensors")[0]
    assert untouched(victim)
    assert sidecar.is_symlink(), "the attack did not happen"
    assert not isinstance(outcome, Failed) or "nothing was written" in str(outcome.error)


SIDECAR, PAGE, PICTURE = TaskKind.WRITE_SIDECARS, TaskKind.RENDER_PAGE, TaskKind.FETCH_PREVIEWS


@pytest.mark.parametrize(
    ("kind", "moment"),
    [
        (SIDECAR, (write_sidecars, "make_room")),
        (SIDECAR, (Ledger, "intend")),
        (PAGE, (paging, "make_room")),
        (PICTURE, (fetch_previews, "make_room")),
        (PICTURE, (fetch_previews, "to_png")),
    ],
)
def test_a_directory_swapped_for_a_link_is_not_written_into(
    shelf: StepShelf, model: Path, victim: Path, strike: Strike, kind: TaskKind, *, moment: Moment
) -> None:
    described(shelf, kind)
    strike(moment, swapping(model.parent, victim.parent))
    shelf.perform(kind, "sub/model.safetensors")
    assert untouched(victim)
    assert model.parent.is_symlink(), "the attack did not happen"


def described(shelf: StepShelf, kind: TaskKind) -> None:
    """Do what comes before a step."""
    if kind is not TaskKind.WRITE_SIDECARS:
        shelf.do(TaskKind.WRITE_SIDECARS, "sub/model.safetensors")
        shelf.do(TaskKind.IDENTIFY_CONTENT, shelf.content("sub/model.safetensors").id)


def test_a_stale_sidecar_is_not_removed_behind_a_link(tmp_path: Path, victim: Path) -> None:
    shelf, ours = tmp_path / "shelf", tmp_path / "shelf" / "sub" / "passwd"
    ours.parent.mkdir(parents=True)
    os.link(victim, ours)
    expected = ours.lstat()
    swapping(ours.parent, victim.parent)()
    with pytest.raises(WriteRefused, match="a directory on its way leads to"):
        remove_file(ours, expected=expected, within=shelf)
    assert victim.read_bytes() == SECRET


@pytest.mark.parametrize("is_there", [False, True])
def test_a_temporary_name_that_is_a_link_already_is_not_written_through(
    tmp_path: Path, victim: Path, monkeypatch: pytest.MonkeyPatch, *, is_there: bool
) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _: "0123456789abcdef")
    target = tmp_path / "model.json"
    if is_there:
        target.write_bytes(b"{}")
    (tmp_path / ".model.json.modelshelf-0123456789abcdef.tmp").symlink_to(victim)
    for write in (replace_file, create_file):
        with pytest.raises(Exception, match=r"EEXIST|in the way"):
            write(target, b"ours")
    assert untouched(victim)


@pytest.mark.parametrize("name", ["model.html", "model.json", "model.civitai.info", "model.preview.png"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "hard link"])
def test_a_link_where_a_file_of_ours_goes_is_left_alone(
    shelf: StepShelf, civitai: CivitaiStandIn, victim: Path, name: str, kind: str
) -> None:
    speak(civitai, "words", f"{civitai.origin}/images/u/width=8/1.jpeg")
    shelf.put("model.safetensors", CONTENT)
    path = shelf.path(name)
    if kind == "hard link":
        os.link(victim, path)
    else:
        path.symlink_to(victim if kind == "link" else victim.with_name("nothing"))
    shelf.look_through()
    assert untouched(victim)
    assert path.is_symlink() or path.samefile(victim)
    assert shelf.path("gallery.html").exists()


def test_a_page_of_ours_with_a_second_name_keeps_its_other_name_as_it_is(shelf: StepShelf, victim: Path) -> None:
    """A file that bears our mark may be renewed here; who holds it under another name sees nothing of that."""
    marked = f"<!doctype html>{MARK}0.1'>old".encode()
    victim.write_bytes(marked)
    shelf.put("model.safetensors", CONTENT)
    os.link(victim, shelf.path("model.html"))
    shelf.look_through()
    assert victim.read_bytes() == marked
    assert shelf.path("model.html").read_bytes() != marked


def test_a_model_that_is_a_link_is_described_beside_the_link(shelf: StepShelf, victim: Path) -> None:
    victim.unlink()
    model = victim.with_name("model.safetensors")
    model.write_bytes(CONTENT)
    shelf.path("linked.safetensors").symlink_to(model)
    shelf.look_through()
    assert [*victim.parent.iterdir()] == [model]


def test_a_directory_that_is_a_link_is_not_entered(shelf: StepShelf, victim: Path) -> None:
    victim.with_name("model.safetensors").write_bytes(CONTENT)
    shelf.path("sub").symlink_to(victim.parent)
    shelf.look_through()
    assert {each.name for each in victim.parent.iterdir()} == {"passwd", "model.safetensors"}


def test_a_folder_that_is_itself_a_link_is_written_into(shelf: StepShelf, tmp_path: Path) -> None:
    real = tmp_path / "real"
    shelf.path("x").parent.rename(real)
    (tmp_path / "loras").symlink_to(real)
    shelf.put("model.safetensors", CONTENT)
    shelf.look_through()
    assert (real / "model.json").exists()


def test_an_output_beside_the_folder_may_be_named_by_the_configuration(
    shelf: StepShelf, civitai: CivitaiStandIn, tmp_path: Path
) -> None:
    speak(civitai, "words")
    (tmp_path / "beside").mkdir()
    (tmp_path / "by-link").symlink_to(tmp_path / "beside")
    for path in ("{model_dir}/../beside", str(tmp_path / "by-link")):
        shelf.set_output(replace(Output(), metadata=MetadataOutput(path, "{model_name}.json")))
        shelf.put("model.safetensors", CONTENT)
        shelf.look_through(is_forced=True)
        assert (tmp_path / "beside" / "model.json").exists()
        (tmp_path / "beside" / "model.json").unlink()


def odd_file(path: Path, kind: int, device: tuple[int, int]) -> None:
    try:
        os.mknod(path, kind | 0o666, os.makedev(*device))
    except PermissionError:
        pytest.skip("needs root: only root makes devices")


@pytest.mark.parametrize(("kind", "device"), [(stat.S_IFIFO, (0, 0)), (stat.S_IFCHR, (1, 5)), (stat.S_IFCHR, (1, 8))])
@pytest.mark.parametrize("name", ["model.json", "model.html", "model.preview.png", "model.civitai.info"])
def test_a_pipe_or_device_in_the_way_is_neither_read_nor_written(
    shelf: StepShelf, civitai: CivitaiStandIn, name: str, kind: int, device: tuple[int, int]
) -> None:
    speak(civitai, "words", f"{civitai.origin}/images/u/width=8/1.jpeg")
    shelf.put("model.safetensors", CONTENT)
    odd_file(shelf.path(name), kind, device)
    shelf.look_through()
    assert not shelf.path(name).is_file()
    assert shelf.path("gallery.html").exists()
