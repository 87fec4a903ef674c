"""Every door by which foreign bytes come in, as a function of bytes: a value, a ModelshelfError, and nothing else.

`desk` is an empty directory in which the input may be laid; a target fails if anything else lies there afterwards.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from modelshelf.civitai.answers import Answer, picture_failure, read, retry_after
from modelshelf.civitai.edge import thumbnail_url
from modelshelf.civitai.matching import contradicting_size, found_among, named_versions, parsed_versions
from modelshelf.civitai.payload import model_facts, parse_model, parse_version, version_facts
from modelshelf.config.load import load_config
from modelshelf.domain.civitai import RemoteImage
from modelshelf.domain.display import readable
from modelshelf.domain.fact import Source, choose
from modelshelf.domain.output import Output, SidecarKind, Spot
from modelshelf.errors import CivitaiUnavailable
from modelshelf.files import is_leftover
from modelshelf.formats.embedded import embedded_facts
from modelshelf.formats.hashes import hash_file
from modelshelf.formats.inspect import declared_size, read_header
from modelshelf.formats.pickle_scan import foresee_scan, scan_pickles
from modelshelf.formats.picture_mark import mark_in, marked
from modelshelf.formats.pictures import demand_bounded, picture_suffix, to_png
from modelshelf.gallery.content import PageContent
from modelshelf.gallery.mark import is_ours
from modelshelf.gallery.page import render_page
from modelshelf.gallery.sanitise import prose
from modelshelf.shelf.devices import device_of, mount_table, unescaped
from modelshelf.sidecars.names import companions, possible_stems, previews
from modelshelf.sidecars.plain_text import plain_text
from modelshelf.sidecars.plan import plan_sidecars
from modelshelf.sidecars.reading import read_beside
from modelshelf.sidecars.witness import witnesses
from modelshelf.steps.matched import body_to_keep
from modelshelf.steps.testimony import believed
from modelshelf.store.columns import to_json
from modelshelf.store.local_disk import require_local_disk
from modelshelf.watching.poke import PokeSocket, poke
from tests.unit.sidecars.sidecar_builders import HASHES as _HASHES
from tests.unit.sidecars.sidecar_builders import describe, version

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.domain.civitai import ModelVersion
    from modelshelf.domain.fact import Fact
    from modelshelf.domain.jsontypes import JsonValue

NOW = datetime(2026, 8, 8, tzinfo=UTC)
_SHA256 = "AB" * 32
_EVERY_KIND = Output(sidecars=frozenset(SidecarKind))


class Target(Protocol):
    """One door."""

    def __call__(self, content: bytes, desk: Path) -> None:
        """Let `content` in."""


def _model(suffix: str) -> Target:
    def target(content: bytes, desk: Path) -> None:
        path = _laid(desk, f"model{suffix}", content)
        header = read_header(path)
        assert declared_size(path) == header.declared_size_bytes
        assert len(header.reason or "") < 2_000, "a reason is for a person to read"
        to_json([dict(header.metadata), dict(header.dtypes)])
        _show(embedded_facts(header))
        scan = foresee_scan(path, header) or scan_pickles(path, header.format)
        assert sum(map(len, scan.findings)) < 10_000, "findings are for a person to read"
        if len(content) < 100_000:
            hash_file(path)
        _require_alone(desk, path)

    return target


def _picture(content: bytes, desk: Path) -> None:
    del desk
    suffix = picture_suffix(content[:64])
    assert suffix is None or suffix.startswith(".")
    mark_in(content)
    assert mark_in(marked(content, "version 7")) in {None, "version 7"}
    demand_bounded(content)
    assert to_png(content, max_width=512).startswith(b"\x89PNG")


def _sidecar(name: str) -> Target:
    def target(content: bytes, desk: Path) -> None:
        path = _laid(desk, name, content)
        found = read_beside(desk, [os.fsencode(name)])
        heard = witnesses(found, lambda _: {})
        _show(believed(heard, [], _HASHES))
        _show(believed([], heard, _HASHES))
        spot = Spot(desk / "foo.safetensors", "LORA")
        known = describe(version=version(), hashes=_HASHES)
        for plan in plan_sidecars(known, spot, _EVERY_KIND, found, lambda _: {}):
            assert plan.content is None or json.loads(plan.content)
            if plan.content is not None and plan.path == path:
                path.write_bytes(plan.content)
        again = plan_sidecars(known, spot, _EVERY_KIND, read_beside(desk, [os.fsencode(name)]), lambda _: {})
        assert all(plan.content is None for plan in again if plan.path == path), "written twice"
        _require_alone(desk, path)

    return target


def _answer(content: bytes, desk: Path) -> None:
    del desk
    body = read(Answer("civitai.com", 200, {}, content), NOW)
    elements = body if isinstance(body, list) else [body]
    for each in elements[:100]:
        _version_of(each)
    named = named_versions(elements, {_SHA256})
    for found in found_among(parsed_versions(elements), {_SHA256: (), **named}, {}).values():
        contradicting_size(found.version, _SHA256, 1024)
    _show(model_facts(parse_model(body), Source.CIVITAI_API))


def _version_of(body: JsonValue) -> ModelVersion | None:
    try:
        found = parse_version(body)
    except CivitaiUnavailable:
        return None
    to_json(body_to_keep(found))
    _show(version_facts(found, Source.CIVITAI_API))
    for image in found.images:
        thumbnail_url(image, 512)
    return found


def _header_lines(content: bytes, desk: Path) -> None:
    del desk
    text = content.decode("latin-1")
    delay = retry_after(text, NOW)
    assert delay is None or delay >= 0
    for status in (200, 403, 404, 429, 503):
        picture_failure(Answer("civitai.com", status, {"Content-Type": text, "Retry-After": text}, content), NOW)
    for kind in ("image", "video"):
        thumbnail_url(RemoteImage(text, kind, 1), 512)


def _yaml(content: bytes, desk: Path) -> None:
    path = _laid(desk, "modelshelf.yaml", content)
    config = load_config(path, {"HOME": str(desk)})
    assert config.show()
    _require_alone(desk, path)


def _html(content: bytes, desk: Path) -> None:
    del desk
    text = content.decode("utf-8", "surrogateescape")
    str(prose(text)).encode("utf-8")
    plain_text(text).encode("utf-8")
    is_ours(content)


def _name(content: bytes, desk: Path) -> None:
    del desk
    name = content.replace(b"\0", b"").replace(b"/", b"")[:255]
    readable(content).encode("utf-8")
    stems = possible_stems(name)
    assert all(name.startswith(stem) for stem in stems)
    previews(companions([name], b"a", stems), b"a")
    is_leftover(name)


def _mounts(content: bytes, desk: Path) -> None:
    path = _laid(desk, "mountinfo", content)
    for line in mount_table(path):
        unescaped(line.split(b" ")[4])
    require_local_disk(desk, path)
    device_of(desk, path)
    _require_alone(desk, path)


def _poke(content: bytes, desk: Path) -> None:
    bell = PokeSocket(desk)
    try:
        poke(desk, content[:60_000])
        assert all(len(message) <= 64 for message in bell.messages())
    finally:
        bell.close()


def _show(facts: list[Fact]) -> None:
    """Take facts as far as they go: chosen, kept as JSON, and shown on a page that is UTF-8."""
    chosen = choose(facts)
    to_json([fact.value for fact in facts])
    description = describe({field: fact.value for field, fact in chosen.items()})
    render_page(PageContent(description, "title", "foo.safetensors", 1, NOW)).encode("utf-8")


def _laid(desk: Path, name: str, content: bytes) -> Path:
    path = desk / name
    path.write_bytes(content)
    return path


def _require_alone(desk: Path, path: Path) -> None:
    assert [*desk.iterdir()] == [path], "something was written beside the input"
    path.unlink()


TARGETS: dict[str, Target] = {
    "safetensors": _model(".safetensors"),
    "gguf": _model(".gguf"),
    "pickle": _model(".ckpt"),
    "other": _model(".bin"),
    "picture": _picture,
    "sidecar": _sidecar("foo.json"),
    "civitai-info": _sidecar("foo.civitai.info"),
    "lora-manager": _sidecar("foo.metadata.json"),
    "stability-matrix": _sidecar("foo.cm-info.json"),
    "swarm": _sidecar("foo.swarm.json"),
    "answer": _answer,
    "header-lines": _header_lines,
    "yaml": _yaml,
    "html": _html,
    "name": _name,
    "mounts": _mounts,
    "poke": _poke,
}
