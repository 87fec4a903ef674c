"""Which pictures a model gets, how they come, and whose they are."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.civitai.entries import remote_images
from modelshelf.domain.decision import IGNORE, Decision
from modelshelf.domain.output import ImagesOutput, Output
from modelshelf.domain.task import TaskKind
from modelshelf.errors import CivitaiForbids, CivitaiRateLimited, CivitaiUnavailable, FileUnreadable
from modelshelf.formats.picture_mark import mark_of
from modelshelf.formats.pictures import picture_suffix
from modelshelf.steps import downloads, fetch_previews
from modelshelf.steps.picturing import fit_to_be_shown
from modelshelf.steps.step import Done, Failed
from tests import builders
from tests.fakes import civitai_moods as moods

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from modelshelf.steps.step import Outcome
    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.fakes.civitai_wire import RecordedRequest, Reply
    from tests.unit.steps.step_shelf import StepShelf

NAME = "seen.safetensors"
NUMBERED = Output(images=ImagesOutput(is_numbered=True, max_count=None))


@pytest.fixture
def known(shelf: StepShelf, civitai: CivitaiStandIn) -> StepShelf:
    """Give a shelf with a file that was read."""
    shelf.put(NAME, builders.lora(1))
    shelf.read(NAME)
    return shelf


def image(civitai: CivitaiStandIn, number: int, **details: Any) -> dict[str, Any]:
    """Give what Civitai lists of a picture."""
    suffix = "mp4" if details.get("type") == "video" else "jpeg"
    url = f"{civitai.origin}/images/0000/original=true/{number}.{suffix}"
    return {"url": url, "type": "image", "nsfwLevel": 1, **details}


def identified(shelf: StepShelf, images: list[dict[str, Any]], version_id: int = 7) -> None:
    """Have the file be a version with these pictures."""
    shelf.store.remote.keep_version(version_id, 1, {"id": version_id, "images": [*images]}, shelf.clock.now())
    shelf.store.database.execute("UPDATE contents SET version_id = ?", (version_id,))


def fetch(shelf: StepShelf, **details: Any) -> bool:
    """Fetch and record; gives whether anything was written or removed."""
    (outcome,) = shelf.perform(TaskKind.FETCH_PREVIEWS, NAME, **details)
    shelf.record([outcome])
    return isinstance(outcome, Done) and outcome.is_followed


def asked(civitai: CivitaiStandIn) -> list[str]:
    """Give the pictures asked for, by parameters and name."""
    return [each.path.removeprefix("/images/0000/") for each in civitai.requests if each.path.startswith("/images/")]


def numbers(civitai: CivitaiStandIn) -> list[int]:
    """Give the numbers of the pictures asked for."""
    return [int(each.rpartition("/")[2].partition(".")[0]) for each in asked(civitai)]


def pictures(shelf: StepShelf) -> dict[str, bytes]:
    return {name: shelf.path(name).read_bytes() for name in shelf.names() if ".preview" in name}


def answering(numbered: dict[int, Mood]) -> Callable[[RecordedRequest], Mood | None]:
    """Have the edge be in a mood of its own for some pictures."""

    def mood_for(request: RecordedRequest) -> Mood | None:
        stem = request.path.rpartition("/")[2].partition(".")[0]
        return numbered.get(int(stem)) if stem.isdecimal() else None

    return mood_for


@pytest.mark.parametrize(
    ("listed", "first"),
    [
        ([{"nsfwLevel": 8}, {"nsfwLevel": 2}, {"nsfwLevel": 1}], 1),
        ([{"nsfwLevel": 16}, {"nsfwLevel": 4}, {"nsfwLevel": 8}], 1),
        ([{"nsfwLevel": 0}, {"nsfwLevel": 16}], 1),
        ([{}, {"nsfwLevel": None}, {"nsfw": "None", "nsfwLevel": None}], 0),
        ([{"nsfwLevel": None}, {"nsfw": "None", "nsfwLevel": None}], 1),
        ([{"nsfwLevel": "PG"}, {"nsfwLevel": 8}], 1),
        ([{"nsfwLevel": -1}, {"nsfwLevel": 8}], 1),
        ([{"type": "video"}, {"nsfwLevel": 2}], 1),
        ([{"type": "video"}, {"nsfwLevel": 8}], 0),
        ([{"minor": True}, {"nsfwLevel": 16}], 1),
        ([{"poi": True}, {"nsfwLevel": 16}], 1),
        ([{"type": "audio"}, {"nsfwLevel": 16}], 1),
        ([{"nsfwLevel": 32}, {"nsfwLevel": 0}], 1),
    ],
)
def test_the_safest_picture_that_may_be_shown_comes_first(listed: list[dict[str, Any]], first: int) -> None:
    bodies: Any = [{"url": str(number), "type": "image", "nsfwLevel": 1, **each} for number, each in enumerate(listed)]
    assert fit_to_be_shown(remote_images(bodies), 4)[0].url == str(first)


@pytest.mark.parametrize(("nsfw_threshold", "first"), [(8, "4"), (4, "2"), (2, "1"), (1, "1")])
def test_what_is_tame_is_for_a_person_to_say(nsfw_threshold: int, first: str) -> None:
    bodies: Any = [{"url": str(level), "type": "image", "nsfwLevel": level} for level in (4, 2, 1)]
    assert fit_to_be_shown(remote_images(bodies), nsfw_threshold)[0].url == first


def test_what_may_never_be_shown_is_not_even_asked_for(known: StepShelf, civitai: CivitaiStandIn) -> None:
    never: list[dict[str, Any]] = [{"minor": True}, {"poi": True}, {"nsfwLevel": 32}, {"nsfwLevel": 64}]
    identified(known, [image(civitai, number, **details) for number, details in enumerate(never)])
    assert not fetch(known)
    assert asked(civitai) == []


@pytest.mark.parametrize(
    ("output", "still", "clip"),
    [
        (Output(), "seen.preview.png", "seen.preview.mp4"),
        (NUMBERED, "seen.preview1.jpeg", "seen.preview1.mp4"),
    ],
)
def test_a_video_is_kept_as_a_still_and_as_a_small_clip(
    known: StepShelf, civitai: CivitaiStandIn, output: Output, still: str, clip: str
) -> None:
    known.set_output(output)
    identified(known, [image(civitai, 1, type="video")])
    fetch(known)
    assert pictures(known).keys() == {still, clip}
    assert picture_suffix(pictures(known)[clip][:12]) == ".mp4"
    assert asked(civitai) == [
        "anim=false,transcode=true,width=512/1.jpeg",
        "transcode=true,width=512,optimized=true/1.mp4",
    ]
    assert known.store.database.rows("SELECT path FROM previews")[0]["path"] == still.encode()
    assert set(json.loads(known.file(NAME).companions)) == {still, clip}
    assert not fetch(known), "all is there"


@pytest.mark.parametrize("mood", [moods.unknown, moods.crashed, moods.page, moods.rate_limited("5")])
def test_a_clip_that_cannot_be_had_leaves_the_still(known: StepShelf, civitai: CivitaiStandIn, mood: Mood) -> None:
    identified(known, [image(civitai, 1, type="video")])
    civitai.mood_for = lambda request: mood if request.path.endswith(".mp4") else None
    assert fetch(known)
    assert [*pictures(known)] == ["seen.preview.png"]


def test_a_clip_that_is_none_is_not_kept(known: StepShelf, civitai: CivitaiStandIn) -> None:
    identified(known, [image(civitai, 1, type="video")])
    civitai.mood_for = lambda request: _still if request.path.endswith(".mp4") else None
    assert fetch(known)
    assert [*pictures(known)] == ["seen.preview.png"]


def _still(reply: Reply) -> Reply:
    object.__setattr__(reply, "body", builders.jpeg())
    return reply


@pytest.mark.parametrize("mood", [moods.unknown, moods.forbidden, moods.wrong_address])
def test_a_picture_that_is_gone_gives_its_place_to_the_next(
    known: StepShelf, civitai: CivitaiStandIn, mood: Mood
) -> None:
    identified(known, [image(civitai, number) for number in (1, 2)])
    civitai.mood_for = answering({1: mood})
    assert fetch(known)
    assert numbers(civitai) == [1, 2]


def refused(shelf: StepShelf, waited: timedelta) -> Outcome[Any]:
    """Fetch what has been owed for a while."""
    task = replace(shelf.task(TaskKind.FETCH_PREVIEWS, NAME), queued_at=shelf.clock.now() - waited)
    (outcome,) = shelf.steps[TaskKind.FETCH_PREVIEWS].perform([task], shelf.reins)
    return outcome


def halved(reply: Reply) -> Reply:
    return replace(reply, body=reply.body[: len(reply.body) // 2])


@pytest.mark.parametrize("mood", [moods.unknown, moods.wrong_address, moods.malformed, halved])
def test_a_host_that_refuses_every_picture_is_believed_after_a_while_only(
    known: StepShelf, civitai: CivitaiStandIn, mood: Mood
) -> None:
    identified(known, [image(civitai, number) for number in (1, 2)])
    civitai.mood_for = lambda _: mood
    waits = {timedelta(): 3600, timedelta(hours=3): 3 * 3600, timedelta(days=13): 86_400}
    for waited, seconds in waits.items():
        outcome = refused(known, waited)
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, CivitaiUnavailable)
        assert outcome.error.retry_after_seconds == seconds
    assert isinstance(refused(known, fetch_previews.BELIEVED_AFTER), Done)


@pytest.mark.parametrize("mood", [moods.region_blocked, moods.unauthorized, moods.forbidden])
def test_a_host_that_forbids_every_picture_is_asked_once_a_day_for_ever(
    known: StepShelf, civitai: CivitaiStandIn, mood: Mood
) -> None:
    identified(known, [image(civitai, number) for number in (1, 2)])
    civitai.mood_for = lambda _: mood
    outcome = refused(known, timedelta(days=400))
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, CivitaiForbids)
    assert outcome.error.retry_after_seconds == pytest.approx(86_400)


def test_pictures_that_are_too_large_are_not_fetched_again(
    known: StepShelf, civitai: CivitaiStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_previews, "MAX_PICTURE_BYTES", 10)
    identified(known, [image(civitai, number) for number in (1, 2)])
    assert isinstance(refused(known, timedelta()), Done)


def test_a_picture_that_cannot_be_had_now_is_waited_for_a_while(known: StepShelf, civitai: CivitaiStandIn) -> None:
    identified(known, [image(civitai, number) for number in (1, 2)])
    civitai.mood_for = answering({1: moods.crashed})
    for attempts in range(fetch_previews.PATIENT_TRIES):
        with pytest.raises(CivitaiUnavailable):
            fetch(known, attempts=attempts)
    assert set(numbers(civitai)) == {1}
    assert fetch(known, attempts=fetch_previews.PATIENT_TRIES)
    assert numbers(civitai)[-1] == 2


def test_a_host_that_is_away_is_not_asked_for_every_picture(known: StepShelf, civitai: CivitaiStandIn) -> None:
    identified(known, [image(civitai, number) for number in range(1, 9)])
    civitai.mood_for = lambda _: moods.crashed
    with pytest.raises(CivitaiUnavailable):
        fetch(known, attempts=50)
    assert len(set(numbers(civitai))) <= fetch_previews.MOST_FAILURES


def test_a_host_that_asks_to_slow_down_is_heeded_at_once(known: StepShelf, civitai: CivitaiStandIn) -> None:
    identified(known, [image(civitai, number) for number in (1, 2)])
    civitai.mood_for = answering({1: moods.rate_limited("5")})
    with pytest.raises(CivitaiRateLimited):
        fetch(known, attempts=50)
    assert numbers(civitai) == [1]


def test_pictures_that_stop_coming_leave_those_that_came(known: StepShelf, civitai: CivitaiStandIn) -> None:
    known.set_output(NUMBERED)
    identified(known, [image(civitai, number) for number in (1, 2, 4)])
    civitai.mood_for = answering({2: moods.crashed})
    assert fetch(known)
    assert len(pictures(known)) == 1


def test_a_picture_of_a_person_s_is_neither_replaced_nor_joined(known: StepShelf, civitai: CivitaiStandIn) -> None:
    identified(known, [image(civitai, 1)])
    for name in ("seen.png", "seen.preview.jpg", "seen.preview2.webp", "seen.mp4", "seen.thumb.jpg"):
        picture = known.put(name, b"mine")
        assert not fetch(known)
        assert known.names() == {NAME, name}
        picture.unlink()
    assert asked(civitai) == []


def test_a_picture_that_a_person_puts_there_meanwhile_stays_alone(known: StepShelf, civitai: CivitaiStandIn) -> None:
    identified(known, [image(civitai, 1)])

    def put(reply: Reply) -> Reply:
        known.put("seen.png", b"mine")
        return reply

    civitai.mood_for = lambda _: put
    assert not fetch(known)
    assert known.names() == {NAME, "seen.png"}


def test_our_pictures_bear_a_mark_by_which_they_are_known_without_the_ledger(
    known: StepShelf, civitai: CivitaiStandIn
) -> None:
    identified(known, [image(civitai, 1, type="video")])
    fetch(known)
    assert {mark_of(known.path(name)) for name in pictures(known)} == {"version 7"}
    before = pictures(known)
    known.store.database.execute("DELETE FROM writings")  # as after a restore from an older backup
    assert not fetch(known)
    identified(known, [image(civitai, 2, type="video")], version_id=8)
    assert fetch(known)
    assert {mark_of(known.path(name)) for name in pictures(known)} == {"version 8"}
    assert pictures(known).keys() == before.keys()


@pytest.mark.parametrize("is_in_ledger", [True, False])
def test_a_picture_that_somebody_worked_on_is_theirs(
    known: StepShelf, civitai: CivitaiStandIn, *, is_in_ledger: bool
) -> None:
    identified(known, [image(civitai, 1)])
    fetch(known)
    picture = known.path("seen.preview.png")
    picture.write_bytes(picture.read_bytes()[:-20] + b"retouched")
    before = picture.read_bytes()
    if not is_in_ledger:
        known.store.database.execute("DELETE FROM writings")
    identified(known, [image(civitai, 2)], version_id=8)
    assert not fetch(known)
    assert picture.read_bytes() == before


@pytest.mark.parametrize("left", [0, 1])
def test_pictures_of_another_version_that_nothing_takes_the_place_of_are_removed(
    known: StepShelf, civitai: CivitaiStandIn, left: int
) -> None:
    known.set_output(NUMBERED)
    identified(known, [image(civitai, number) for number in (1, 2)] + [image(civitai, 4, type="video")])
    fetch(known)
    assert len(pictures(known)) == 4
    identified(known, [image(civitai, 5)][:left], version_id=8)
    assert fetch(known)
    assert len(pictures(known)) == left
    assert set(json.loads(known.file(NAME).companions or "{}")) == pictures(known).keys()


def test_a_picture_that_cannot_be_removed_is_left(
    known: StepShelf, civitai: CivitaiStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise FileUnreadable("read-only")

    identified(known, [image(civitai, 1)])
    fetch(known)
    identified(known, [], version_id=8)
    monkeypatch.setattr(fetch_previews, "remove_file", refuse)
    assert not fetch(known)
    assert [*pictures(known)] == ["seen.preview.png"]


def test_a_picture_that_is_kept_as_it_is_is_told_by_its_bytes_and_bounded(
    known: StepShelf, civitai: CivitaiStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    known.set_output(NUMBERED)
    identified(known, [image(civitai, number) for number in (1, 3)])
    fetch(known)
    assert pictures(known).keys() == {"seen.preview1.jpeg", "seen.preview2.png"}
    monkeypatch.setattr("modelshelf.formats.pictures._MAX_PIXELS", 10)
    for name in pictures(known):
        known.path(name).unlink()
    with pytest.raises(CivitaiUnavailable, match="too many pixels"):
        fetch(known)
    assert pictures(known) == {}


def test_nothing_is_fetched_for_what_is_ignored(known: StepShelf, civitai: CivitaiStandIn) -> None:
    identified(known, [image(civitai, 1)])
    decision = Decision(IGNORE, True, "anna", known.clock.now())
    known.store.decisions.keep(known.content(NAME).id, decision)
    assert not fetch(known)
    assert asked(civitai) == []


# on their way


def on_their_way(shelf: StepShelf) -> Path:
    return shelf.root / "state" / "downloads"


def test_what_was_fetched_leaves_nothing_behind(known: StepShelf, civitai: CivitaiStandIn) -> None:
    identified(known, [image(civitai, 1, type="video")])
    fetch(known)
    assert os.listdir(on_their_way(known)) == []


def test_what_came_whole_before_a_crash_is_in_nobody_s_way(known: StepShelf, civitai: CivitaiStandIn) -> None:
    made = downloads.DownloadDirectory(on_their_way(known), known.client)
    url = image(civitai, 1)["url"]
    made.fetch(url, 1_000_000)
    (name,) = (name for name in _names_of(made, url, known))
    (on_their_way(known) / name).write_bytes(b"left behind")
    assert picture_suffix(made.fetch(url, 1_000_000)[:12]) == ".jpeg"


def _names_of(made: downloads.DownloadDirectory, url: str, shelf: StepShelf) -> list[str]:
    """Give the name under which a download lies when it is whole."""
    seen: list[str] = []

    class Client:
        def download_image(self, _url: str, destination: Path, _max_bytes: int) -> None:
            seen.append(destination.name)
            destination.write_bytes(b"x")

    downloads.DownloadDirectory(made.directory, Client()).fetch(url, 100)  # type: ignore[arg-type]
    assert shelf.root in made.directory.parents
    return seen


def test_two_that_want_the_same_picture_at_once_both_get_it(known: StepShelf) -> None:
    got: list[bytes] = []

    class Client:
        """Has come to the end of one download when another begins."""

        def download_image(self, _url: str, destination: Path, _max_bytes: int) -> None:
            destination.write_bytes(b"whole")
            if second.ident is None:
                second.start()
                second.join(0.3)

    made = downloads.DownloadDirectory(on_their_way(known), Client())  # type: ignore[arg-type]
    second = threading.Thread(target=lambda: got.append(made.fetch("https://a.example/1.png", 100)))
    got.append(made.fetch("https://a.example/1.png", 100))
    second.join(10)
    assert got == [b"whole", b"whole"]


def test_what_broke_off_is_swept_up_when_it_is_old_or_too_much(
    known: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = on_their_way(known)
    made = downloads.DownloadDirectory(directory, known.client)
    made.tidy(known.clock.now())  # where nothing is, nothing is to be done
    (directory / "a directory").mkdir(parents=True)
    now = known.clock.now().timestamp()
    for name, age_seconds in (("new", 10), ("newer", 5), ("old", downloads.KEPT_SECONDS + 60)):
        (directory / name).write_bytes(bytes(1000))
        os.utime(directory / name, (now - age_seconds, now - age_seconds))
    made.tidy(known.clock.now())
    assert {"new", "newer"} <= set(os.listdir(directory))
    assert "old" not in os.listdir(directory)
    monkeypatch.setattr(downloads, "MAX_KEPT_BYTES", 1500)
    (directory / "a directory").rmdir()
    made.tidy(known.clock.now())
    assert os.listdir(directory) == ["newer"]


def test_a_directory_that_cannot_be_listed_is_a_named_error(known: StepShelf) -> None:
    class Directory:
        def iterdir(self) -> None:
            raise PermissionError(13, "Permission denied")

        def __fspath__(self) -> str:
            return "downloads"

    with pytest.raises(FileUnreadable):
        downloads.DownloadDirectory(Directory(), known.client).tidy(known.clock.now())  # type: ignore[arg-type]


def test_a_picture_that_breaks_off_is_tried_again(known: StepShelf, civitai: CivitaiStandIn) -> None:
    identified(known, [image(civitai, 1)])
    civitai.moods.append(moods.reset)
    (outcome,) = known.perform(TaskKind.FETCH_PREVIEWS, NAME)
    assert isinstance(outcome, Failed)
    assert fetch(known)
    assert os.listdir(on_their_way(known)) == []


def test_what_cannot_be_removed_is_a_named_error(known: StepShelf, civitai: CivitaiStandIn) -> None:
    made = downloads.DownloadDirectory(on_their_way(known), known.client)
    url = image(civitai, 1)["url"]
    (name,) = _names_of(made, url, known)
    (made.directory / name).mkdir()
    with pytest.raises(FileUnreadable, match="remove"):
        made.fetch(url, 100)
