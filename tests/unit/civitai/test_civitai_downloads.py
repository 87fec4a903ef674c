"""Downloads against the stand-in: whole or not at all, going on where a connection broke, and within bounds."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from modelshelf.civitai.answers import AnswerTooLarge, QuestionRefused
from modelshelf.errors import CivitaiRateLimited, CivitaiUnavailable, DiskFull, FileGone, WriteRefused
from modelshelf.files import is_leftover
from tests.fakes import civitai_moods as moods
from tests.fakes.civitai_wire import Cut, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from modelshelf.civitai.client import CivitaiClient
    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.fakes.civitai_wire import RecordedRequest

PICTURE = bytes(range(256)) * 1000
LIMIT = 1_000_000
ETAG = '"v1"'


@pytest.fixture
def url(stand_in: CivitaiStandIn) -> str:
    return f"{stand_in.origin}/images/uuid/width=64/1.jpeg"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "model.preview.png"


def sent(
    body: bytes, status: int = 200, headers: Mapping[str, str] | None = None, *, is_cut: bool = False, kind: str = ""
) -> Mood:
    """Send exactly this; the stand-in adds nothing to a type that it does not know."""
    cut = Cut.HALF_WAY if is_cut else Cut.NEVER
    return lambda _: Reply(status, body, kind or "application/octet-stream", headers or {}, cut)


def left_behind(target: Path) -> list[bytes]:
    """Give what lies beside the target, all of it under names that a scan sweeps up."""
    others = [each for each in target.parent.iterdir() if each != target]
    assert all(is_leftover(os.fsencode(each.name)) for each in others)
    return sorted((each.read_bytes() for each in others), key=len, reverse=True)


def ranges(stand_in: CivitaiStandIn) -> list[tuple[str | None, str | None]]:
    return [(each.headers.get("range"), each.headers.get("if-range")) for each in stand_in.requests]


def broken_off(stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path, **headers: str) -> bytes:
    """Break off in the middle, and give what was left behind."""
    spelled = {name.replace("_", "-"): value for name, value in headers.items()}
    stand_in.moods.append(sent(PICTURE, headers=spelled, is_cut=True))
    with pytest.raises(CivitaiUnavailable, match="broke off"):
        client.download_image(url, target, LIMIT)
    assert not target.exists()
    left = left_behind(target)
    return left[0] if left else b""


def rest(begun: bytes, *, first: int | None = None, total: str | None = None) -> Mood:
    start = len(begun) if first is None else first
    content_range = f"bytes {start}-{len(PICTURE) - 1}/{total or len(PICTURE)}"
    return sent(PICTURE[start:], 206, {"Content-Range": content_range, "ETag": ETAG})


def test_a_picture_is_put_where_it_belongs_as_it_came(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path
) -> None:
    stand_in.moods.append(sent(PICTURE, headers={"ETag": ETAG}))
    downloaded = client.download_image(url, target, LIMIT)
    assert target.read_bytes() == PICTURE
    assert (downloaded.path, downloaded.size_bytes, downloaded.head) == (target, len(PICTURE), PICTURE[:64])
    assert left_behind(target) == []
    assert "authorization" not in stand_in.requests[0].headers
    assert stand_in.requests[0].headers["accept-encoding"] == "identity"


def test_a_download_that_broke_off_goes_on_where_it_was(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path
) -> None:
    begun = broken_off(stand_in, client, url, target, ETag=ETAG)
    assert PICTURE.startswith(begun)
    assert begun
    stand_in.moods.append(rest(begun))
    downloaded = client.download_image(url, target, LIMIT)
    assert target.read_bytes() == PICTURE
    assert (downloaded.size_bytes, downloaded.head) == (len(PICTURE), PICTURE[:64])
    assert left_behind(target) == []
    assert ranges(stand_in) == [(None, None), (f"bytes={len(begun)}-", ETAG)]


def test_a_picture_of_the_stand_in_goes_on_as_real_ones_do(
    stand_in: CivitaiStandIn, client: CivitaiClient, target: Path
) -> None:
    url = f"{stand_in.origin}/images/uuid/width=1600/1.jpeg"
    client.download_image(url, target, LIMIT)
    whole = target.read_bytes()
    target.unlink()
    stand_in.moods.append(lambda reply: replace(reply, cut=Cut.HALF_WAY))
    with pytest.raises(CivitaiUnavailable):
        client.download_image(url, target, LIMIT)
    client.download_image(url, target, LIMIT)
    assert target.read_bytes() == whole
    assert ranges(stand_in)[-1][0] is not None


@pytest.mark.parametrize("name", ["Last-Modified", "ETag"])
def test_a_date_serves_where_there_is_no_strong_etag(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path, name: str
) -> None:
    date = "Sat, 08 Aug 2026 12:01:30 GMT"
    headers = {"Last-Modified": date, "ETag": 'W/"weak"'} if name == "ETag" else {"Last-Modified": date}
    stand_in.moods.append(sent(PICTURE, headers=headers, is_cut=True))
    with pytest.raises(CivitaiUnavailable):
        client.download_image(url, target, LIMIT)
    stand_in.moods.append(sent(PICTURE))
    client.download_image(url, target, LIMIT)
    assert ranges(stand_in)[1][1] == date
    assert target.read_bytes() == PICTURE


@pytest.mark.parametrize("etag", ['W/"weak"', '"a\u00e9"', "bare", '""', '"' + "x" * 300 + '"'])
def test_what_has_no_name_that_can_be_asked_by_begins_anew(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path, etag: str
) -> None:
    assert broken_off(stand_in, client, url, target, ETag=etag) == b""
    stand_in.moods.append(sent(PICTURE))
    client.download_image(url, target, LIMIT)
    assert ranges(stand_in)[1] == (None, None)
    assert target.read_bytes() == PICTURE


def test_packed_bytes_are_never_gone_on_with(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path
) -> None:
    assert broken_off(stand_in, client, url, target, ETag=ETAG, Content_Encoding="x-unknown") == b""
    begun = broken_off(stand_in, client, url, target, ETag=ETAG)
    packed = {"Content-Range": f"bytes {len(begun)}-9/10", "Content-Encoding": "x-unknown"}
    stand_in.moods.extend([sent(b"x", 206, packed), sent(PICTURE)])
    client.download_image(url, target, LIMIT)
    assert target.read_bytes() == PICTURE


def test_a_server_that_ignores_the_range_is_read_from_the_beginning(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path
) -> None:
    broken_off(stand_in, client, url, target, ETag=ETAG)
    shorter = PICTURE[:5000]
    stand_in.moods.append(sent(shorter, headers={"ETag": '"v2"'}))
    assert client.download_image(url, target, LIMIT).size_bytes == len(shorter)
    assert target.read_bytes() == shorter
    assert len(stand_in.requests) == 2


@pytest.mark.parametrize("answer", ["416", "wrong place", "no place", "another unit"])
def test_a_rest_that_does_not_fit_is_thrown_away_with_its_beginning(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path, answer: str
) -> None:
    begun = broken_off(stand_in, client, url, target, ETag=ETAG)
    misfits = {
        "416": sent(b"", 416, {"Content-Range": f"bytes */{len(PICTURE)}"}),
        "wrong place": rest(begun, first=len(begun) + 1),
        "no place": sent(PICTURE[len(begun) :], 206),
        "another unit": sent(PICTURE, 206, {"Content-Range": "lines 1-2/3"}),
    }
    stand_in.moods.extend([misfits[answer], sent(PICTURE)])
    client.download_image(url, target, LIMIT)
    assert target.read_bytes() == PICTURE
    assert ranges(stand_in)[2] == (None, None)


def test_a_rest_that_ends_too_soon_is_asked_for_again(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path
) -> None:
    begun = broken_off(stand_in, client, url, target, ETag=ETAG)
    stand_in.moods.append(rest(begun, total=str(len(PICTURE) + 1)))
    with pytest.raises(CivitaiUnavailable, match=f"{len(PICTURE)} of {len(PICTURE) + 1} bytes"):
        client.download_image(url, target, LIMIT)
    assert not target.exists()
    stand_in.moods.append(sent(PICTURE))
    client.download_image(url, target, LIMIT)
    assert target.read_bytes() == PICTURE


def test_a_rest_of_unknown_end_is_taken_as_it_ends(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path
) -> None:
    begun = broken_off(stand_in, client, url, target, ETag=ETAG)
    stand_in.moods.append(rest(begun, total="*"))
    client.download_image(url, target, LIMIT)
    assert target.read_bytes() == PICTURE


def test_what_breaks_off_again_and_again_grows(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path
) -> None:
    first = broken_off(stand_in, client, url, target, ETag=ETAG)
    stand_in.moods.append(lambda reply: replace(rest(first)(reply), cut=Cut.HALF_WAY))
    with pytest.raises(CivitaiUnavailable):
        client.download_image(url, target, LIMIT)
    second = left_behind(target)[0]
    assert PICTURE.startswith(second)
    assert len(first) < len(second) < len(PICTURE)


@pytest.mark.parametrize("mood", [moods.overloaded, moods.hung_up, moods.challenged, moods.crashed, moods.page])
def test_an_outage_takes_nothing_away_from_what_was_begun(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path, mood: Mood
) -> None:
    begun = broken_off(stand_in, client, url, target, ETag=ETAG)
    stand_in.moods.append(mood)
    with pytest.raises(CivitaiUnavailable):
        client.download_image(url, target, LIMIT)
    assert left_behind(target)[0] == begun


def test_another_address_begins_anew(stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path) -> None:
    broken_off(stand_in, client, url, target, ETag=ETAG)
    stand_in.moods.append(sent(b"other picture"))
    client.download_image(url + "?other", target, LIMIT)
    assert ranges(stand_in)[1] == (None, None)
    assert target.read_bytes() == b"other picture"


def test_a_page_is_no_picture_under_whatever_status(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path
) -> None:
    unmarked = sent(b"\n <!DOCTYPE html><html>" + b"x" * 100_000)
    for mood in (moods.page, unmarked, sent(PICTURE, kind="text/html"), sent(b"")):
        stand_in.moods.append(mood)
        with pytest.raises(CivitaiUnavailable, match="no picture"):
            client.download_image(url, target, LIMIT)
        assert left_behind(target) == []
    assert not target.exists()


def test_a_picture_above_the_limit_is_not_kept_not_even_in_part(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path
) -> None:
    stand_in.mood_for = lambda _: sent(PICTURE, headers={"ETag": ETAG})
    assert client.download_image(url, target, len(PICTURE)).size_bytes == len(PICTURE)
    target.unlink()
    with pytest.raises(AnswerTooLarge, match=f"more than the {len(PICTURE) - 1} bytes"):
        client.download_image(url, target, len(PICTURE) - 1)
    assert left_behind(target) == []


def test_the_limit_counts_what_was_there_before(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path
) -> None:
    begun = broken_off(stand_in, client, url, target, ETag=ETAG)
    stand_in.moods.append(rest(begun))
    with pytest.raises(AnswerTooLarge):
        client.download_image(url, target, len(PICTURE) - 1)
    assert left_behind(target) == []


def test_a_picture_that_is_gone_is_refused_and_its_beginning_removed(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path
) -> None:
    broken_off(stand_in, client, url, target, ETag=ETAG)
    stand_in.moods.append(moods.wrong_address)
    with pytest.raises(QuestionRefused, match="gone"):
        client.download_image(url, target, LIMIT)
    assert left_behind(target) == []


def test_a_piece_that_nobody_asked_for_is_no_answer(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path
) -> None:
    stand_in.moods.append(sent(PICTURE, 206, {"Content-Range": f"bytes 0-{len(PICTURE) - 1}/{len(PICTURE)}"}))
    with pytest.raises(CivitaiUnavailable):
        client.download_image(url, target, LIMIT)
    assert not target.exists()


def test_a_host_that_asks_to_slow_down_is_heeded(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path
) -> None:
    stand_in.moods.append(moods.rate_limited("9"))
    for _ in range(2):
        with pytest.raises(CivitaiRateLimited):
            client.download_image(url, target, LIMIT)
    assert len(stand_in.requests) == 1


@pytest.mark.parametrize("kind", ["file", "dangling link", "directory"])
def test_nothing_is_downloaded_over_anything(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path, kind: str
) -> None:
    if kind == "file":
        target.write_bytes(b"theirs")
    elif kind == "directory":
        target.mkdir()
    else:
        target.symlink_to("nowhere")
    with pytest.raises(WriteRefused, match="in the way"):
        client.download_image(url, target, LIMIT)
    assert stand_in.requests == []


def test_what_appears_while_a_download_runs_is_left_alone(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path
) -> None:
    def meanwhile(_: Reply) -> Reply:
        target.write_bytes(b"theirs")
        return Reply(200, PICTURE, "application/octet-stream")

    stand_in.moods.append(meanwhile)
    with pytest.raises(WriteRefused):
        client.download_image(url, target, LIMIT)
    assert target.read_bytes() == b"theirs"
    assert left_behind(target) == []


@pytest.mark.parametrize("trap", ["symbolic", "hard"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_link_under_the_name_of_a_partial_file_is_never_written_through(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path, trap: str, which: int
) -> None:
    broken_off(stand_in, client, url, target, ETag=ETAG)
    ours = sorted((each for each in target.parent.iterdir()), key=lambda each: -each.stat().st_size)[which]
    ours.unlink()
    precious = target.with_name("precious.safetensors")
    precious.write_bytes(b"precious")
    if trap == "hard":
        ours.hardlink_to(precious)
    else:
        ours.symlink_to(precious)

    def piece_or_all(request: RecordedRequest) -> Mood:
        begun = request.headers.get("range", "bytes=0-")[len("bytes=") : -1]
        return rest(b"", first=int(begun)) if "range" in request.headers else sent(PICTURE, headers={"ETag": ETAG})

    stand_in.mood_for = piece_or_all
    client.download_image(url, target, LIMIT)
    assert precious.read_bytes() == b"precious"
    assert target.read_bytes() == PICTURE


@pytest.mark.parametrize("note", [b"", b'"v1"\r\nX-Injected: 1', b"\xff" * 1000, b'"v1"\n'])
def test_a_note_that_is_not_ours_is_not_believed(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path, note: bytes
) -> None:
    broken_off(stand_in, client, url, target, ETag=ETAG)
    smaller = min(target.parent.iterdir(), key=lambda each: each.stat().st_size)
    smaller.write_bytes(note)
    stand_in.moods.append(sent(PICTURE))
    client.download_image(url, target, LIMIT)
    assert ranges(stand_in)[1] == (None, None)
    assert target.read_bytes() == PICTURE
    assert left_behind(target) == []


def test_a_full_disk_is_named_and_left_as_it_was(
    stand_in: CivitaiStandIn, client: CivitaiClient, url: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    stand_in.mood_for = lambda _: sent(PICTURE, headers={"ETag": ETAG})
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull):
        client.download_image(url, target, LIMIT)
    assert left_behind(target) == []


def test_a_directory_that_is_not_there_is_an_error_of_ours(client: CivitaiClient, url: str, tmp_path: Path) -> None:
    with pytest.raises(FileGone):
        client.download_image(url, tmp_path / "nowhere" / "x.png", LIMIT)


def test_inner_addresses_are_as_far_as_for_any_picture(
    stand_in: CivitaiStandIn, client: CivitaiClient, target: Path
) -> None:
    for url in ("file:///etc/passwd", "ftp://127.0.0.1/x", "data:image/png;base64,AA", "http://[x/", "\udcff"):
        with pytest.raises(QuestionRefused):
            client.download_image(url, target, LIMIT)
    stand_in.moods.append(moods.redirected("file:///etc/passwd"))
    with pytest.raises(QuestionRefused):
        client.download_image(f"{stand_in.origin}/images/u/width=64/1.jpeg", target, LIMIT)
    assert not target.exists()
