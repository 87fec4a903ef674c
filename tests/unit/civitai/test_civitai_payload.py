from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.civitai.payload import parse_model, parse_version, slim
from modelshelf.domain.civitai import License
from modelshelf.errors import CivitaiUnavailable

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject, JsonValue

SHA256 = "AB" * 32


def version_with(**fields: JsonValue) -> JsonObject:
    return {"id": 7, **fields}


def file_with(**fields: JsonValue) -> JsonObject:
    return version_with(files=[fields])


def image_with(**fields: JsonValue) -> JsonObject:
    return version_with(images=[{"url": "https://image.civitai.com/a/b/width=450/1.jpeg", **fields}])


@pytest.mark.parametrize(
    "body", [None, [], "7", 7, {}, {"id": "7"}, {"id": True}, {"id": None}, {"id": 10**30}, {"id": 1.5}]
)
def test_a_body_without_an_id_is_the_servers_mood(body: JsonValue) -> None:
    with pytest.raises(CivitaiUnavailable, match="not a model version"):
        parse_version(body)
    with pytest.raises(CivitaiUnavailable, match="not a model"):
        parse_model(body)


def test_a_version_of_2026_loses_nothing() -> None:
    version = parse_version(
        {
            "id": 2,
            "modelId": 1,
            "name": "v2",
            "nsfwLevel": 3,
            "publishedAt": "2026-08-01T00:00:00.000Z",
            "trainedWords": ["one"],
            "baseModel": "Qwen 3",
            "description": "<p>new</p>",
            "air": "urn:air:qwen:lora:civitai:1@2",
            "stats": {"downloadCount": None, "thumbsUpCount": 4},
            "model": {"name": "Fish", "type": "LORA", "nsfw": False, "poi": False, "mode": "TakenDown"},
            "files": [],
            "images": [],
            "downloadUrl": "https://civitai.com/api/download/models/2",
            "licensingFee": 3,
        }
    )
    assert (version.id, version.model_id, version.name, version.nsfw_level) == (2, 1, "v2", 3)
    assert (version.model_name, version.model_type, version.is_nsfw, version.mode) == (
        "Fish",
        "LORA",
        False,
        "TakenDown",
    )
    assert version.base_model == "Qwen 3"
    assert version.description == "<p>new</p>"
    assert version.published_at == "2026-08-01T00:00:00.000Z"
    assert version.air == "urn:air:qwen:lora:civitai:1@2"
    assert version.stats == {"downloadCount": None, "thumbsUpCount": 4}
    assert version.download_url == "https://civitai.com/api/download/models/2"


def test_unknown_keys_survive_in_the_body() -> None:
    body = version_with(licensingFee=3, novelty={"deep": [1]})
    assert parse_version(body).body == body


def test_missing_keys_are_unknown_and_not_empty_texts() -> None:
    version = parse_version({"id": 7})
    assert (version.model_id, version.name, version.base_model, version.model_name) == (None, None, None, None)
    assert (version.is_nsfw, version.nsfw_level, version.published_at, version.download_url) == (None, None, None, None)
    assert (version.trained_words, version.stats, version.files, version.images) == ((), {}, (), ())


def test_fields_of_the_wrong_type_are_unknown() -> None:
    version = parse_version(
        version_with(modelId="9", name=[], baseModel=3, model=4, trainedWords=5, stats=[], files={}, images="x", air=1)
    )
    assert (version.model_id, version.name, version.base_model, version.air) == (None, None, None, None)
    assert (version.trained_words, version.stats, version.files, version.images) == ((), {}, (), ())


def test_an_id_of_a_database_that_makes_floats_of_them_is_read() -> None:
    assert parse_version({"id": 651553.0}).id == 651553


def test_the_model_id_may_stand_in_the_model() -> None:
    assert parse_version(version_with(model={"id": 3})).model_id == 3
    assert parse_version(version_with(modelId=0, model={"id": 3})).model_id == 0


def test_halves_of_surrogate_pairs_are_replaced() -> None:
    assert parse_version(version_with(name="a\ud83d")).name == "a\ufffd"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a, b,, ", " c "], ("a, b", "c")),
        (["a", "b", "a,"], ("a", "b")),
        (["", " , ", ","], ()),
        (["\\(style\\),"], ("\\(style\\)",)),
        ("alone,", ("alone",)),
        ([1990, None, {"x": 1}, "z"], ("1990", "z")),
        (None, ()),
    ],
)
def test_trained_words_are_trimmed_but_comma_lists_stay_whole(given: JsonValue, expected: tuple[str, ...]) -> None:
    assert parse_version(version_with(trainedWords=given)).trained_words == expected


def test_a_file_loses_nothing() -> None:
    (file,) = parse_version(
        file_with(
            id=5,
            sizeKB=0.5,
            name="fish.safetensors",
            type="Diffusion Model",
            pickleScanResult="Success",
            virusScanResult="Pending",
            metadata={"fp": "fp16"},
            hashes={"SHA256": SHA256, "AutoV2": SHA256[:10]},
            primary=True,
            downloadUrl="https://civitai.com/api/download/models/7?type=Model",
        )
    ).files
    assert (file.id, file.size_kb, file.size_bytes, file.name, file.type) == (
        5,
        0.5,
        512,
        "fish.safetensors",
        "Diffusion Model",
    )
    assert (file.pickle_scan, file.virus_scan, file.is_primary) == ("Success", "Pending", True)
    assert file.metadata == {"fp": "fp16"}
    assert file.hashes == {"SHA256": SHA256, "AutoV2": SHA256[:10]}
    assert file.download_url == "https://civitai.com/api/download/models/7?type=Model"


def test_a_file_that_says_nothing_is_still_a_file() -> None:
    (file,) = parse_version(file_with(primary="true")).files
    assert (file.id, file.name, file.type, file.size_kb, file.hashes, file.is_primary) == (
        None,
        "",
        None,
        None,
        {},
        False,
    )


@pytest.mark.parametrize("size", [0, 0.0, -1, float("nan"), float("inf"), 1e300, "12", True, None])
def test_a_size_that_is_none_gives_no_byte_count(size: JsonValue) -> None:
    assert parse_version(file_with(sizeKB=size)).files[0].size_bytes is None


def test_the_format_of_a_file_before_2023_03_stands_beside_the_metadata() -> None:
    assert parse_version(file_with(format="SafeTensor")).files[0].metadata == {"format": "SafeTensor"}
    both = file_with(format="Other", metadata={"format": "GGUF"})
    assert parse_version(both).files[0].metadata == {"format": "GGUF"}


def test_hashes_are_upper_case_under_civitais_names() -> None:
    hashes: JsonObject = {
        "sha256": SHA256.lower(),
        "autov3": "ab" * 32,
        "CRC32": " 0d4a1185 ",
        "BLAKE3": None,
        "MD5": "ab",
    }
    found = parse_version(file_with(hashes=hashes)).files[0].hashes
    assert found == {"SHA256": SHA256, "AutoV3": "AB" * 6, "CRC32": "0D4A1185"}


@pytest.mark.parametrize("digits", ["", "xyz", 12, "ab\ncd", ["ab"]])
def test_a_hash_that_is_no_hex_is_unknown(digits: JsonValue) -> None:
    assert parse_version(file_with(hashes={"SHA256": digits})).files[0].hashes == {}


def test_the_broken_addresses_of_batches_are_mended() -> None:
    version = parse_version(
        version_with(
            downloadUrl="https://undefined/api/download/models/7",
            files=[{"downloadUrl": "https://undefined/api/download/models/7?type=Model&format=GGUF"}],
        )
    )
    assert version.download_url == "https://civitai.com/api/download/models/7"
    assert version.files[0].download_url == "https://civitai.com/api/download/models/7?type=Model&format=GGUF"


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        ({"nsfwLevel": 16}, 16),
        ({"nsfwLevel": 16, "nsfw": "None"}, 16),
        ({"nsfw": "None"}, 1),
        ({"nsfw": "Soft"}, 2),
        ({"nsfw": "Mature"}, 4),
        ({"nsfwLevel": "X"}, 8),
        ({"nsfw": False}, 1),
        ({"nsfw": True}, 8),
        ({"nsfw": 4}, 4),
        ({"nsfw": "Novel"}, 0),
        ({"nsfwLevel": -3}, 0),
        ({"nsfwLevel": []}, 0),
        ({}, 0),
    ],
)
def test_the_level_of_an_image_is_read_in_every_form(fields: JsonObject, level: int) -> None:
    assert parse_version(image_with(**fields)).images[0].nsfw_level == level


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"type": "video"}, "video"),
        ({"type": "hologram"}, "hologram"),
        ({}, "image"),
        ({"url": "https://x/1.MP4?a=b.png"}, "video"),
        ({"url": "https://x/1.mp3"}, "audio"),
        ({"url": "https://[broken/1.mp4"}, "image"),
    ],
)
def test_the_type_of_an_old_image_is_guessed_by_its_name(fields: JsonObject, kind: str) -> None:
    assert parse_version(image_with(**fields)).images[0].type == kind


def test_prompts_are_found_in_the_images_meta() -> None:
    (image,) = parse_version(
        image_with(width=832, height=1216, meta={"prompt": "a fish", "negativePrompt": "no bird", "seed": 1})
    ).images
    assert (image.prompt, image.negative_prompt, image.width, image.height) == ("a fish", "no bird", 832, 1216)
    assert parse_version(image_with(meta=None)).images[0].prompt is None


def test_images_without_an_address_are_left_out() -> None:
    assert parse_version(version_with(images=[{"url": ""}, {"url": 3}, None, "x", {}])).images == ()


def test_a_model_loses_nothing() -> None:
    model = parse_model(
        {
            "id": 1,
            "name": "Fish",
            "description": "<p>of the sea</p>",
            "type": "LORA",
            "nsfw": True,
            "nsfwLevel": 12,
            "mode": "Archived",
            "tags": ["a", "b", "a"],
            "creator": {"username": "someone"},
            "stats": {"downloadCount": 3},
            "allowNoCredit": True,
            "allowDerivatives": False,
            "modelVersions": [
                {"id": 9, "name": "v2", "baseModel": "Pony", "publishedAt": "2024-04-27T21:19:43.984"},
                {},
                3,
            ],
        }
    )
    assert (model.id, model.name, model.type, model.description) == (1, "Fish", "LORA", "<p>of the sea</p>")
    assert (model.is_nsfw, model.nsfw_level, model.mode, model.creator) == (True, 12, "Archived", "someone")
    assert model.tags == ("a", "b")
    assert model.stats == {"downloadCount": 3}
    assert model.license == License(True, (), False, None)
    (sibling,) = model.versions
    assert (sibling.id, sibling.name, sibling.base_model) == (9, "v2", "Pony")
    assert sibling.published_at == "2024-04-27T21:19:43.984"


def test_tags_of_early_2023_are_objects() -> None:
    assert parse_model({"id": 1, "tags": [{"name": "punk"}, {"name": 1990}, {}, None]}).tags == ("punk", "1990")


@pytest.mark.parametrize(
    ("creator", "name"),
    [
        ({"username": "ann"}, "ann"),
        ({"username": 12345}, "12345"),
        ({"username": None}, None),
        ({"username": True}, None),
        ("{}", None),
        (None, None),
    ],
)
def test_creators_may_be_numbers_or_nobody(creator: JsonValue, name: str | None) -> None:
    assert parse_model({"id": 1, "creator": creator}).creator == name


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Sell", ("Sell",)),
        ("None", ("None",)),
        (["Image", "RentCivit"], ("Image", "RentCivit")),
        ("{Image,RentCivit}", ("Image", "RentCivit")),
        ('{"Image", "Rent"}', ("Image", "Rent")),
        ("{}", ()),
        ([], ()),
        (None, ()),
        (7, ()),
    ],
)
def test_commercial_use_is_read_in_all_three_forms(given: JsonValue, expected: tuple[str, ...]) -> None:
    assert parse_model({"id": 1, "allowCommercialUse": given}).license.allow_commercial_use == expected


def test_slimming_drops_giants_from_meta_and_nothing_else() -> None:
    giant = "x" * 70_000
    deep: JsonValue = []
    for _ in range(100_000):
        deep = [deep]
    body = image_with(meta={"comfy": giant, "workflow": {"nodes": giant}, "deep": deep, "prompt": "fish", "seed": 1})
    assert slim(body) == image_with(meta={"prompt": "fish", "seed": 1})


def test_slimming_drops_giants_from_the_versions_of_a_model_too() -> None:
    body = image_with(meta={"comfy": "x" * 70_000, "prompt": "fish"})
    slimmed = image_with(meta={"prompt": "fish"})
    assert slim({"id": 1, "modelVersions": [body, None]}) == {"id": 1, "modelVersions": [slimmed, None]}


def test_slimming_leaves_what_it_was_given_alone() -> None:
    body = image_with(meta={"comfy": "x" * 70_000})
    slim(body)
    assert body == image_with(meta={"comfy": "x" * 70_000})


@pytest.mark.parametrize("body", [{"id": 1}, {"images": None}, {"images": ["x", {"meta": None}, {"url": "u"}]}])
def test_slimming_leaves_other_bodies_alone(body: JsonObject) -> None:
    assert slim(body) == body


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, (False, None)),
        ({"paidAccess": None, "earlyAccessEndsAt": None}, (False, None)),
        ({"paidAccess": {"permanent": True, "endsAt": None}}, (True, None)),
        ({"paidAccess": {"permanent": True, "endsAt": "2026-09-01T00:00:00.000Z"}}, (True, "2026-09-01T00:00:00.000Z")),
        (
            {"paidAccess": {"permanent": False, "endsAt": "2026-09-01T00:00:00.000Z"}},
            (False, "2026-09-01T00:00:00.000Z"),
        ),
        ({"paidAccess": {"permanent": False}}, (True, None)),
        ({"earlyAccessEndsAt": "2025-01-01T00:00:00.000Z"}, (False, "2025-01-01T00:00:00.000Z")),
        ({"earlyAccessDeadline": "2025-01-02T00:00:00.000Z"}, (False, "2025-01-02T00:00:00.000Z")),
        ({"paidAccess": "yes", "earlyAccessEndsAt": 7}, (False, None)),
    ],
)
def test_what_a_sibling_costs_is_told_under_every_name_it_had(
    said: JsonObject, expected: tuple[bool, str | None]
) -> None:
    sibling = parse_model({"id": 1, "modelVersions": [{"id": 2, **said}]}).versions[0]
    assert (sibling.is_paid, sibling.access_ends_at) == expected
