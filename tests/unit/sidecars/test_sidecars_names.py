"""Rules of ownership among names in one directory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelshelf.sidecars.names import PREVIEW_SUFFIXES, SIDECAR_SUFFIXES, companions, possible_stems, previews

ONE_SET = [
    b"foo.json",
    b"foo.civitai.info",
    b"foo.metadata.json",
    b"foo.metadata.json.bak",
    b"foo.cm-info.json",
    b"foo.swarm.json",
    b"foo.civitai.json",
    b"foo.yaml",
    b"foo.txt",
    b"foo.description.txt",
    b"foo.md",
    b"foo.html",
    b"foo.api_info.json",
    b"foo.sha256",
    b"foo.vae.pt",
    b"foo.vae.safetensors",
    b"foo.preview.png",
    b"foo.preview1.jpeg",
    b"foo.preview.mp4",
    b"foo.thumb.jpg",
    b"foo.example.0.webp",
    b"foo_3.jpg",
    b"foo.png",
    b"foo.jpg",
    b"foo.jpeg",
    b"foo.webp",
    b"foo.gif",
    b"foo.mp4",
    b"foo.webm",
    b"foo.avif",
    b"foo.jxl",
    b"foo.safetensors.rgthree-info.json",
]


def test_a_model_and_what_stands_beside_it_are_one_set() -> None:
    assert companions(ONE_SET, b"foo", ()) == ONE_SET


@pytest.mark.parametrize(
    "name",
    [
        b"foo.safetensors",
        b"foobar.json",
        b"foo.v2.json",
        b"foo.v2.preview.png",
        b"foo_final.jpg",
        b"foo.exe",
        b"foo",
        b"bar.json",
        b"Foo.json",
        b".json",
    ],
)
def test_a_shared_prefix_is_no_ownership(name: bytes) -> None:
    assert companions([name], b"foo", ()) == []


def test_a_longer_stem_owns_what_both_could() -> None:
    names = [b"foo.json", b"foo.metadata.json", b"foo.metadata.civitai.info", b"foo.preview.png", b"foo_1.jpg"]
    others = {b"foo.metadata", b"foo.preview", b"foo_1"}
    assert companions(names, b"foo", others) == [b"foo.json"]
    assert companions(names, b"foo.metadata", others | {b"foo"}) == [b"foo.metadata.json", b"foo.metadata.civitai.info"]
    assert companions(names, b"foo_1", others | {b"foo"}) == [b"foo_1.jpg"]


def test_two_models_of_one_stem_both_own_what_stands_beside_them() -> None:
    assert companions([b"foo.json"], b"foo", {b"foo"}) == [b"foo.json"]


def test_a_vae_that_is_a_model_of_its_own_is_no_companion() -> None:
    assert companions([b"foo.vae.safetensors"], b"foo", {b"foo.vae"}) == []
    assert companions([b"foo.vae.safetensors"], b"foo", {b"bar"}) == [b"foo.vae.safetensors"]


def test_endings_are_compared_without_case_and_names_stay_as_they_are() -> None:
    assert companions([b"foo.PREVIEW.PNG", b"foo.Civitai.Info"], b"foo", ()) == [
        b"foo.PREVIEW.PNG",
        b"foo.Civitai.Info",
    ]


@pytest.mark.parametrize("stem", [b"a [xl]*?", b"a\nb", b"\xff\xfe", b"foo.v2", b" ", b"-"])
def test_any_stem_owns_its_companions(stem: bytes) -> None:
    names = [stem + b".json", stem + b".preview.png", stem + b".sft.rgthree-info.json"]
    assert companions(names, stem, ()) == names


@pytest.mark.parametrize(
    ("name", "stems"),
    [
        (b"foo.json", [b"foo"]),
        (b"foo.v2.json", [b"foo.v2"]),
        (b"foo.metadata.json", [b"foo.metadata", b"foo"]),
        (b"foo.preview.png", [b"foo.preview", b"foo"]),
        (b"foo_1.jpg", [b"foo_1", b"foo"]),
        (b"foo.ckpt.rgthree-info.json", [b"foo.ckpt.rgthree-info", b"foo"]),
        (b"foo.vae.pt", [b"foo"]),
        (b"foo.safetensors", []),
        (b".json", []),
        (b"", []),
    ],
)
def test_a_name_tells_whose_it_could_be_longest_first(name: bytes, stems: list[bytes]) -> None:
    assert possible_stems(name) == stems


@given(st.binary(min_size=1, max_size=30), st.sampled_from(SIDECAR_SUFFIXES + PREVIEW_SUFFIXES))
def test_every_companion_leads_back_to_its_stem(stem: bytes, suffix: bytes) -> None:
    assert stem in possible_stems(stem + suffix)
    assert companions([stem + suffix], stem, ()) == [stem + suffix]


def test_the_first_preview_is_the_one_a_person_expects() -> None:
    shown = [
        b"foo.png",
        b"foo.JPG",
        b"foo.preview.png",
        b"foo.preview.webp",
        b"foo.preview2.jpeg",
        b"foo.preview10.jpeg",
        b"foo.thumb.jpg",
        b"foo.example.0.png",
        b"foo.example.1.png",
        b"foo_0.jpg",
        b"foo.mp4",
        b"foo.preview.mp4",
    ]
    assert previews([b"foo.json", b"bar.png", b"foobar.png", *reversed(shown)], b"foo") == shown
