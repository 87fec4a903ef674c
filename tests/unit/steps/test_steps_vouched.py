"""A SHA256 that another program told is put to the test as soon as Civitai says more about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.claim import Claim
from modelshelf.domain.content import Match
from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.formats.glimpse import glimpse
from tests import builders
from tests.unit.steps.step_shelf import sha256

if TYPE_CHECKING:
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf

NAME = "a.safetensors"
BYTES, OTHERS = (builders.lora(number, padding_bytes=3 * 2**20) for number in (51, 52))


def claim(shelf: StepShelf, told: bytes) -> None:
    """Let another program say that the file has the SHA256 of these bytes."""
    seen = glimpse(shelf.put(NAME, BYTES))
    facts = (Fact(Field.NAME, Source.STABLEQUEUE, "told"),)
    look = (seen.fingerprint.size_bytes, seen.fingerprint.mtime_ns)
    shelf.store.claims.put("loras", NAME.encode(), Claim(*look, sha256(told), seen.autov1, None, None, facts))


def know(shelf: StepShelf, civitai: CivitaiStandIn, content: bytes, name: str) -> int:
    autov1 = glimpse(shelf.put("elsewhere/x", content)).autov1
    return civitai.add_file({"SHA256": sha256(content), "AutoV1": autov1}, len(content), name=name)


def test_a_hash_that_was_told_falls_with_the_window_of_weights_that_civitai_lists_beside_it(
    shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    assert len(BYTES) == len(OTHERS)
    know(shelf, civitai, OTHERS, "Another")
    true = know(shelf, civitai, BYTES, "True")
    claim(shelf, OTHERS)
    shelf.look_through()
    content, file = shelf.content(NAME), shelf.file(NAME)
    assert (content.hashes.sha256, content.is_read, file.vouched_by) == (sha256(BYTES), True, None)
    assert (content.version_id, content.matched_by) == (true, Match.FILE)
    assert shelf.description(NAME).text(Field.NAME) == "True"
    assert [fact for fact in shelf.store.facts.of_file(file.id) if fact.source is Source.STABLEQUEUE] == []
    (event,) = shelf.events("match_questioned")
    assert "for the hash that was told" in event["reason"]


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_hash_that_was_told_stands_where_nothing_contradicts_it(
    shelf: StepShelf, civitai: CivitaiStandIn, *, is_listed: bool
) -> None:
    hashes = {"SHA256": sha256(BYTES)}
    version_id = know(shelf, civitai, BYTES, "True") if is_listed else civitai.add_file(hashes, len(BYTES))
    claim(shelf, BYTES)
    shelf.look_through()
    content = shelf.content(NAME)
    assert (content.version_id, content.is_read, shelf.file(NAME).vouched_by) == (version_id, False, "stablequeue")


def test_a_hash_that_was_read_here_is_not_doubted_for_an_autov1(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    version_id = civitai.add_file({"SHA256": sha256(BYTES), "AutoV1": "0BADF00D"}, len(BYTES))
    shelf.put(NAME, BYTES)
    shelf.look_through()
    assert shelf.content(NAME).version_id == version_id
