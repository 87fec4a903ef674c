"""Whose file is it: one that we replace stays its owner's in everything, and where that cannot be, it is left alone."""

from __future__ import annotations

import json
import os
import stat
import struct
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.task import TaskKind
from tests import builders
from tests.unit.steps.step_shelf import StepShelf

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENT = builders.lora(1, metadata={"modelspec.description": "words"})
OWNER, GROUP, DAEMON = 12_345, 12_346, 65_534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only root gives files away")
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *each)
    for each in ((1, 6, 2**32 - 1), (2, 4, 777), (4, 4, 2**32 - 1), (16, 4, 2**32 - 1), (32, 0, 2**32 - 1))
)


@pytest.fixture
def theirs(shelf: StepShelf) -> Path:
    """Somebody's sidecar, with a mode of its own, beside a model that we have something to say of."""
    shelf.put("model.safetensors", CONTENT)
    path = shelf.put("model.json", json.dumps({"activation text": "theirs"}))
    path.chmod(0o640)
    shelf.read("model.safetensors")
    return path


@contextmanager
def acting_as(user: int) -> Iterator[None]:
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)


@needs_root
def test_a_sidecar_that_is_added_to_stays_its_owners(shelf: StepShelf, theirs: Path) -> None:
    os.chown(theirs, OWNER, GROUP)
    os.setxattr(theirs, "user.note", b"kept")
    os.setxattr(theirs, "system.posix_acl_access", ACL)
    before = theirs.stat()
    shelf.do(TaskKind.WRITE_SIDECARS, "model.safetensors")
    after = theirs.stat()
    assert shelf.json("model.json")["description"] == "words"
    assert (after.st_uid, after.st_gid, after.st_mode) == (OWNER, GROUP, before.st_mode)
    assert os.getxattr(theirs, "user.note") == b"kept"
    assert os.getxattr(theirs, "system.posix_acl_access") == ACL
    assert before.st_ino != after.st_ino


@needs_root
@pytest.mark.parametrize("mode", [0o640, 0o666])
def test_a_sidecar_that_cannot_stay_its_owners_is_left_alone_and_reported(mode: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)  # below pytest's own nobody but root may look
        shelf = StepShelf(Path(directory))
        shelf.put("model.safetensors", CONTENT)
        theirs = shelf.put("model.json", json.dumps({"activation text": "theirs"}))
        theirs.chmod(mode)
        theirs.parent.chmod(0o777)
        os.chown(theirs, OWNER, GROUP)
        shelf.read("model.safetensors")
        before, content = theirs.stat(), theirs.read_bytes()
        with acting_as(DAEMON):
            outcomes = shelf.perform(TaskKind.WRITE_SIDECARS, "model.safetensors")
        shelf.record(outcomes)
        after = theirs.stat()
        reasons = [str(each["reason"]) for each in shelf.events("sidecar_not_written")]
        shelf.close()
        assert (after.st_ino, after.st_mtime_ns, after.st_uid) == (before.st_ino, before.st_mtime_ns, OWNER)
        assert theirs.read_bytes() == content
        assert len(reasons) == 1
        assert ("belongs to user 12345" in reasons[0]) or ("cannot read" in reasons[0])
        assert {each.name for each in theirs.parent.iterdir()} == {"model.safetensors", "model.json"}


def test_a_sidecar_that_its_owner_made_read_only_is_left_alone_and_reported(shelf: StepShelf, theirs: Path) -> None:
    theirs.chmod(0o444)
    content = theirs.read_bytes()
    shelf.do(TaskKind.WRITE_SIDECARS, "model.safetensors")
    assert theirs.read_bytes() == content
    assert "read-only" in str(shelf.events("sidecar_not_written"))


@needs_root
def test_no_rights_of_a_file_that_ran_as_its_owner_are_handed_on(shelf: StepShelf, theirs: Path) -> None:
    """A capability on the old file would be one on content of ours."""
    capability = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
    os.setxattr(theirs, "security.capability", capability)
    shelf.do(TaskKind.WRITE_SIDECARS, "model.safetensors")
    assert shelf.json("model.json")["description"] == "words"
    assert "security.capability" not in os.listxattr(theirs)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_a_new_file_is_as_readable_as_the_umask_says(shelf: StepShelf, umask: int, mode: int) -> None:
    shelf.put("model.safetensors", CONTENT)
    before = os.umask(umask)
    try:
        shelf.look_through()
    finally:
        os.umask(before)
    modes = {
        name: stat.S_IMODE(shelf.path(name).stat().st_mode) for name in ("model.json", "model.html", "gallery.html")
    }
    assert set(modes.values()) == {mode}
