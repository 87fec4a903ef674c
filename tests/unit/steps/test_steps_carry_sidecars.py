from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.task import TaskKind
from modelshelf.errors import FileGone
from modelshelf.steps.carry_sidecars import renamed
from modelshelf.steps.step import Failed
from tests import builders

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.steps.step_shelf import StepShelf


@pytest.fixture
def moved(shelf: StepShelf) -> Path:
    """Give where a file was before it moved to `after.safetensors`."""
    path = shelf.put("before.safetensors", builders.lora(1))
    shelf.scan()
    path.rename(path.with_name("after.safetensors"))
    shelf.scan()
    return path


def carry(shelf: StepShelf, before: Path) -> None:
    """Carry the sidecars of `after.safetensors` along."""
    shelf.do(TaskKind.CARRY_SIDECARS, "after.safetensors", path=os.fsencode(before))


def test_everything_of_the_stem_is_carried(shelf: StepShelf, moved: Path) -> None:
    endings = (".json", ".civitai.info", ".preview.png", ".txt", ".metadata.json", ".example.0.jpeg")
    for ending in endings:
        shelf.put(f"before{ending}", b"{}")
    carry(shelf, moved)
    assert shelf.names() == {"after.safetensors", *(f"after{ending}" for ending in endings)}


def test_the_ledger_follows_what_is_ours(shelf: StepShelf) -> None:
    path = shelf.put("before.safetensors", builders.lora(1, metadata={"modelspec.description": "words"}))
    shelf.read("before.safetensors")
    shelf.do(TaskKind.WRITE_SIDECARS, "before.safetensors")
    path.rename(path.with_name("after.safetensors"))
    shelf.scan()
    carry(shelf, path)
    assert shelf.store.ledger.of(os.fsencode(shelf.path("before.json"))) is None
    assert shelf.store.ledger.of(os.fsencode(shelf.path("after.json"))) is not None


def test_nothing_is_carried_where_the_model_stands_again(shelf: StepShelf, moved: Path) -> None:
    shelf.put("before.json", "{}")
    shelf.put("before.safetensors", builders.lora(2))
    carry(shelf, moved)
    assert "before.json" in shelf.names()


def test_a_file_that_never_moved_carries_nothing(shelf: StepShelf, moved: Path) -> None:
    shelf.put("after.json", "{}")
    carry(shelf, shelf.path("after.safetensors"))
    assert "after.json" in shelf.names()


def test_a_directory_that_went_with_its_model_left_nothing_behind(shelf: StepShelf, moved: Path) -> None:
    carry(shelf, moved.parent / "gone" / "before.safetensors")
    assert shelf.names() == {"after.safetensors"}


def test_sidecars_of_a_model_that_has_gone_are_left(shelf: StepShelf, moved: Path) -> None:
    shelf.put("before.json", "{}")
    shelf.path("after.safetensors").unlink()
    shelf.put("other.safetensors", builders.lora(3))
    (outcome,) = shelf.perform(TaskKind.CARRY_SIDECARS, "after.safetensors", path=os.fsencode(moved))
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, FileGone)
    assert "before.json" in shelf.names()


def test_a_vae_of_the_stem_goes_along_unless_it_is_a_model_itself(shelf: StepShelf, moved: Path) -> None:
    shelf.put("before.vae.pt", b"a model here, by the folder's patterns")
    shelf.put("before.vae.json", "{}")
    carry(shelf, moved)
    assert {"before.vae.pt", "before.vae.json"} <= shelf.names()
    narrow = shelf.add_folder("loras", patterns=["*.safetensors"])
    assert not narrow.intake.is_model(b"before.vae.pt")
    carry(shelf, moved)
    assert "after.vae.pt" in shelf.names()


def test_only_the_stem_is_renamed() -> None:
    assert renamed(b"a.a.json", b"a.a", b"b", b"/shelf") == b"/shelf/b.json"
