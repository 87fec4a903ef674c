"""The files and images inside a model version, in every form Civitai has given them since 2022."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from modelshelf.civitai.lenient import as_list, as_object, integer, label, quantity, text
from modelshelf.domain.civitai import RemoteFile, RemoteImage

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject, JsonValue

_HASH_NAMES = {name.lower(): name for name in ("SHA256", "BLAKE3", "AutoV1", "AutoV2", "AutoV3", "CRC32")}
_HEX = re.compile("[0-9A-F]+")
_AUTOV3_DIGITS = 12

_LEVEL_OF_WORD = {"none": 1, "soft": 2, "mature": 4, "x": 8}
"""`nsfw` of images from 2023-04 to 2024-03: None is PG, Soft PG13, Mature R, X stands for X and above.

Lists of images still say it so, and the bit as `browsingLevel` beside it.
"""

_TYPE_OF_EXTENSION = {"mp4": "video", "webm": "video", "mp3": "audio"}


def remote_files(value: JsonValue, version_id: int) -> tuple[RemoteFile, ...]:
    """Give the listed files; entries that are no objects are left out."""
    return tuple(_file(each, version_id) for each in as_list(value) if isinstance(each, dict))


def remote_images(value: JsonValue) -> tuple[RemoteImage, ...]:
    """Give the listed images in the creator's order; entries without an address are left out."""
    found = (_image(each) for each in as_list(value) if isinstance(each, dict))
    return tuple(each for each in found if each is not None)


def download_url(value: JsonValue, version_id: int) -> str | None:
    """Give a download address; batch answers carry `https://undefined/...`, which is mended."""
    address = text(value)
    if address is None or not address.startswith(("https://undefined/", "http://undefined/")):
        return address
    _, has_query, query = address.partition("?")
    return f"https://civitai.com/api/download/models/{version_id}{has_query}{query}"


def _file(body: JsonObject, version_id: int) -> RemoteFile:
    return RemoteFile(
        id=integer(body.get("id")),
        name=label(body.get("name")) or "",
        type=text(body.get("type")),
        size_kb=quantity(body.get("sizeKB")),
        hashes=_hashes(as_object(body.get("hashes"))),
        is_primary=body.get("primary") is True,
        download_url=download_url(body.get("downloadUrl"), version_id),
        metadata=_metadata(body),
        pickle_scan=text(body.get("pickleScanResult")),
        virus_scan=text(body.get("virusScanResult")),
    )


def _metadata(body: JsonObject) -> JsonObject:
    """Give the file's metadata; until 2023-02 its format stood beside it instead of in it."""
    metadata = as_object(body.get("metadata"))
    file_format = text(body.get("format"))
    return {"format": file_format, **metadata} if file_format else metadata


def _hashes(body: JsonObject) -> dict[str, str]:
    """Give hashes under Civitai's names in UPPERCASE; AutoV3 had 64 digits until 2024 and has 12 since."""
    found: dict[str, str] = {}
    for key, value in body.items():
        name = _HASH_NAMES.get(key.lower())
        digits = value.strip().upper() if isinstance(value, str) else ""
        if name and _HEX.fullmatch(digits):
            found[name] = digits[:_AUTOV3_DIGITS] if name == "AutoV3" else digits
    return found


def _image(body: JsonObject) -> RemoteImage | None:
    url = text(body.get("url"))
    if url is None:
        return None
    meta = as_object(body.get("meta"))
    level = body.get("nsfwLevel" if integer(body.get("browsingLevel")) is None else "browsingLevel")
    return RemoteImage(
        url=url,
        type=text(body.get("type")) or _type_by_name(url),
        nsfw_level=_image_level(body.get("nsfw") if level is None else level),
        width=integer(body.get("width")),
        height=integer(body.get("height")),
        prompt=text(meta.get("prompt")),
        negative_prompt=text(meta.get("negativePrompt")),
        is_of_minor=body.get("minor") is True,
        is_of_real_person=body.get("poi") is True,
    )


def _type_by_name(url: str) -> str:
    """Guess for images before 2023-09, which had no type."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return "image"
    return _TYPE_OF_EXTENSION.get(path.rpartition(".")[2].lower(), "image")


def _image_level(value: JsonValue) -> int:
    """Give the level bit of an image from a bit, a word or (early 2023) a boolean; 0 where it is unknown."""
    if isinstance(value, bool):
        return 8 if value else 1
    if isinstance(value, str):
        return _LEVEL_OF_WORD.get(value.lower(), 0)
    return max(integer(value) or 0, 0)
