"""Which pictures are fetched, where they go, and where they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.output import HtmlOutput, ImagesOutput, MetadataOutput, Output
from modelshelf.formats.pictures import picture_suffix
from tests import builders
from tests.fakes import civitai_moods as moods
from tests.unit.steps.step_shelf import introduce

if TYPE_CHECKING:
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.fakes.civitai_wire import RecordedRequest
    from tests.unit.steps.step_shelf import StepShelf

CONTENT = builders.lora(40)


def dressed(civitai: CivitaiStandIn, levels: list[int], **details: Any) -> list[str]:
    """Let the stand-in know `CONTENT` with pictures of these levels; gives their names at the edge."""
    version_id = introduce(civitai, CONTENT, "Seen", images=len(levels), **details)
    images: Any = civitai.records.versions[version_id].body["images"]
    for image, level in zip(images, levels, strict=False):
        image["nsfwLevel"] = level
    return [image["url"].rpartition("/")[2] for image in images]


def asked(civitai: CivitaiStandIn) -> list[str]:
    """Give the names of the pictures asked for, in order."""
    return [request.path.rpartition("/")[2] for request in civitai.requests if request.path.startswith("/images/")]


def test_a_tame_picture_is_preferred(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    names = dressed(civitai, [16, 8, 2])
    shelf.put("seen.safetensors", CONTENT)
    shelf.look_through()
    assert asked(civitai) == [names[2]]


def test_of_pictures_that_are_all_wild_the_tamest_is_taken(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    names = dressed(civitai, [16, 4, 8])
    shelf.put("seen.safetensors", CONTENT)
    shelf.look_through()
    assert asked(civitai) == [names[1]]


def test_a_still_comes_before_a_clip_and_a_clip_gives_a_still(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    dressed(civitai, [], videos=1)
    shelf.put("seen.safetensors", CONTENT)
    shelf.look_through()
    assert picture_suffix(shelf.path("seen.preview.png").read_bytes()) == ".png"


def test_a_picture_that_is_gone_gives_its_place_to_the_next(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    names = dressed(civitai, [1, 1])
    civitai.mood_for = lambda request: moods.forbidden if request.path.endswith(names[0]) else None
    shelf.put("seen.safetensors", CONTENT)
    shelf.look_through()
    assert asked(civitai) == names
    assert shelf.path("seen.preview.png").exists()


def test_a_version_without_pictures_ends_the_matter(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    dressed(civitai, [])
    shelf.put("seen.safetensors", CONTENT)
    shelf.look_through()
    assert not shelf.path("seen.preview.png").exists()
    assert not shelf.tasks()


def test_pictures_may_be_turned_off(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    dressed(civitai, [1])
    shelf.set_output(Output(images=ImagesOutput(is_saved=False)))
    shelf.put("seen.safetensors", CONTENT)
    shelf.look_through()
    assert not asked(civitai)


def test_numbered_pictures_are_named_and_counted_as_civitscraper_does(
    shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    dressed(civitai, [1, 1, 1])
    shelf.set_output(Output(images=ImagesOutput(is_numbered=True, max_count=2)))
    shelf.put("seen.safetensors", CONTENT)
    shelf.look_through()
    pictures = sorted(path for path in shelf.path("").iterdir() if ".preview" in path.name)
    assert [path.stem for path in pictures] == ["seen.preview1", "seen.preview2"]
    assert [picture_suffix(path.read_bytes()) for path in pictures] == [path.suffix for path in pictures]
    page = shelf.path("seen.html").read_text()
    assert all(path.name in page for path in pictures)


def test_without_a_count_all_pictures_are_fetched(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    names = dressed(civitai, [1] * 5)
    shelf.set_output(Output(images=ImagesOutput(is_numbered=True, max_count=None)))
    shelf.put("seen.safetensors", CONTENT)
    shelf.look_through()
    assert asked(civitai) == names


def test_what_is_no_picture_is_never_numbered(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    dressed(civitai, [1])
    shelf.set_output(Output(images=ImagesOutput(is_numbered=True)))
    shelf.put("seen.safetensors", CONTENT)
    civitai.routes.answer = _answering_rubbish(civitai)  # type: ignore[method-assign]
    shelf.look_through()
    assert not [name for name in shelf.names() if ".preview" in name]


def _answering_rubbish(civitai: CivitaiStandIn) -> Any:
    genuine = civitai.routes.answer

    def answer(request: RecordedRequest) -> Any:
        reply = genuine(request)
        if request.path.startswith("/images/"):
            object.__setattr__(reply, "body", b"rubbish that is no picture")
        return reply

    return answer


@pytest.mark.parametrize("numbered", [True, False])
def test_pictures_elsewhere_are_written_shown_and_not_fetched_twice(
    numbered: bool,  # noqa: FBT001
    shelf: StepShelf,
    civitai: CivitaiStandIn,
) -> None:
    dressed(civitai, [1, 1])
    base = shelf.root / "written"
    shelf.set_output(
        Output(
            metadata=MetadataOutput(),
            html=HtmlOutput(),
            images=ImagesOutput(path="{model_dir}/pictures", is_numbered=numbered, max_count=2 if numbered else 1),
            base_directory=base,
        )
    )
    shelf.put("seen.safetensors", CONTENT)
    shelf.look_through()
    pictures = sorted((base / "LORA" / "pictures").iterdir())
    assert len(pictures) == (2 if numbered else 1)
    assert shelf.names() == {"seen.safetensors", "gallery.html"}
    page = (base / "LORA" / "seen.html").read_text()
    assert f"pictures/{pictures[0].name}" in page
    assert f"../written/LORA/pictures/{pictures[0].name}" in shelf.path("gallery.html").read_text()
    assert (base / "LORA" / "seen.json").exists()
    count = len(asked(civitai))
    shelf.look_through(is_forced=True)
    assert len(asked(civitai)) == count
    assert pictures[0].name in shelf.path("gallery.html").read_text()


def test_pictures_under_a_name_of_the_user_s_choice_are_shown_and_not_fetched_twice(
    shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    dressed(civitai, [1])
    shelf.set_output(Output(images=ImagesOutput(filename="picture of {model_name}{ext}")))
    shelf.put("seen.safetensors", CONTENT)
    shelf.look_through()
    assert "picture of seen.png" in shelf.names()
    before = shelf.snapshot()
    shelf.look_through()
    assert shelf.snapshot() == before
    shelf.look_through(is_forced=True)
    assert len(asked(civitai)) == 1


def test_pictures_that_stop_coming_leave_those_that_came(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    names = dressed(civitai, [1, 1, 1])
    civitai.mood_for = lambda request: moods.crashed if request.path.endswith(names[1]) else None
    shelf.set_output(Output(images=ImagesOutput(is_numbered=True, max_count=3)))
    shelf.put("seen.safetensors", CONTENT)
    shelf.look_through()
    assert len([name for name in shelf.names() if ".preview" in name]) == 1
    assert not shelf.tasks()


def test_a_picture_that_cannot_be_fetched_now_is_fetched_later(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    dressed(civitai, [1])
    civitai.mood_for = lambda request: moods.crashed if request.path.startswith("/images/") else None
    shelf.put("seen.safetensors", CONTENT)
    shelf.look_through()
    assert not shelf.path("seen.preview.png").exists()
    civitai.mood_for = None
    shelf.clock.advance(3600)
    shelf.drain()
    assert shelf.path("seen.preview.png").exists()


def test_a_copy_that_comes_later_gets_its_picture_too(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    dressed(civitai, [1])
    shelf.put("seen.safetensors", CONTENT)
    shelf.look_through()
    shelf.put("later/copy.safetensors", CONTENT)
    shelf.look_through()
    assert shelf.path("later/copy.preview.png").exists()
    assert "copy.preview.png" in shelf.path("gallery.html").read_text()


@pytest.mark.parametrize("is_touched", [False, True])
def test_replaced_bytes_get_a_picture_of_their_own_unless_the_old_one_is_the_user_s_by_now(
    shelf: StepShelf, civitai: CivitaiStandIn, *, is_touched: bool
) -> None:
    dressed(civitai, [1])
    shelf.put("seen.safetensors", CONTENT)
    shelf.look_through()
    picture = shelf.path("seen.preview.png")
    if is_touched:
        picture.write_bytes(picture.read_bytes() + b"retouched")
    before = picture.read_bytes()
    successor = builders.lora(41)
    introduce(civitai, successor, "Successor", images=1)
    shelf.put("seen.safetensors", successor, age_seconds=60)
    shelf.look_through()
    assert (picture.read_bytes() == before) is is_touched
    count = len(asked(civitai))
    shelf.look_through(is_forced=True)
    assert len(asked(civitai)) == count


def test_numbered_pictures_of_replaced_bytes_are_replaced_too(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    dressed(civitai, [1, 1])
    shelf.set_output(Output(images=ImagesOutput(is_numbered=True, max_count=2)))
    shelf.put("seen.safetensors", CONTENT)
    shelf.look_through()
    successor = builders.lora(41)
    version_id = introduce(civitai, successor, "Successor", images=2)
    images: Any = civitai.records.versions[version_id].body["images"]
    shelf.put("seen.safetensors", successor, age_seconds=60)
    shelf.look_through()
    assert asked(civitai)[2:] == [image["url"].rpartition("/")[2] for image in images]
