from __future__ import annotations

import pytest

from modelshelf.civitai.edge import clip_url, thumbnail_url
from modelshelf.domain.civitai import RemoteImage

ROOT = "https://image.civitai.com/xG1nkqKTMzGDvpLrqFT7WA/735615f8-69a3-49bb-b30f-45eb3a2c3964"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (f"{ROOT}/original=true/85892214.jpeg", f"{ROOT}/width=450/85892214.jpeg"),
        (f"{ROOT}/width=832/85892214.jpeg", f"{ROOT}/width=450/85892214.jpeg"),
        (f"{ROOT}/width=450,optimized=true/8.jpeg", f"{ROOT}/width=450/8.jpeg"),
        (f"{ROOT}/width=450", f"{ROOT}/width=450"),
        (f"{ROOT}/width=1024", f"{ROOT}/width=450"),
        (f"{ROOT}/original=true/a%20b.jpeg?token=1#x", f"{ROOT}/width=450/a%20b.jpeg?token=1#x"),
        ("http://127.0.0.1:1/images/u/original=true/3.jpeg", "http://127.0.0.1:1/images/u/width=450/3.jpeg"),
    ],
)
def test_the_parameters_of_an_image_are_replaced(given: str, expected: str) -> None:
    assert thumbnail_url(RemoteImage(given, "image", 1), 450) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (f"{ROOT}/original=true/5.mp4", f"{ROOT}/anim=false,transcode=true,width=450/5.jpeg"),
        (f"{ROOT}/width=450/5.jpeg", f"{ROOT}/anim=false,transcode=true,width=450/5.jpeg"),
        (f"{ROOT}/width=450/5", f"{ROOT}/anim=false,transcode=true,width=450/5.jpeg"),
        (f"{ROOT}/width=450", f"{ROOT}/anim=false,transcode=true,width=450"),
    ],
)
def test_of_a_video_a_still_frame_is_asked_for(given: str, expected: str) -> None:
    assert thumbnail_url(RemoteImage(given, "video", 1), 450) == expected


@pytest.mark.parametrize(
    "url",
    [
        "https://huggingface.co/a/resolve/main/x.png",
        "https://example.com/colour=red/x.png",
        f"{ROOT}/width=450/deeper/x.png",
        "https://example.com/?width=450/x.png",
        "https://[broken/width=450/x.png",
        "",
    ],
)
def test_other_addresses_stay_as_they_are(url: str) -> None:
    assert thumbnail_url(RemoteImage(url, "image", 1), 450) == url


def test_sounds_have_no_picture() -> None:
    url = f"{ROOT}/original=true/5.mp3"
    assert thumbnail_url(RemoteImage(url, "audio", 1), 450) == url


@pytest.mark.parametrize(
    ("width", "kept"),
    [(1, 96), (96, 96), (97, 320), (450, 450), (451, 512), (512, 512), (513, 800), (2200, 2200), (9999, 2200)],
)
def test_the_next_width_is_asked_for_that_the_edge_keeps(width: int, kept: int) -> None:
    address = f"{ROOT}/original=true/5.jpeg"
    assert thumbnail_url(RemoteImage(address, "image", 1), width) == f"{ROOT}/width={kept}/5.jpeg"
    still, clip = (make(RemoteImage(address, "video", 1), width) for make in (thumbnail_url, clip_url))
    assert still == f"{ROOT}/anim=false,transcode=true,width={kept}/5.jpeg"
    assert clip == f"{ROOT}/transcode=true,width={kept},optimized=true/5.mp4"


@pytest.mark.parametrize("url", ["https://huggingface.co/a/x.mp4", "https://[broken/width=450/x.mp4", ""])
def test_other_clips_stay_as_they_are(url: str) -> None:
    assert clip_url(RemoteImage(url, "video", 1), 450) == url
