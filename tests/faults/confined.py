"""A shelf that lives where inotify gives little or nothing; run as a module in a user namespace, it prints what came of it."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

import pytest

from modelshelf.cli.main import main as modelshelf
from tests.faults.living_shelf import LivingShelf
from tests.waiting import wait_until


def told_by_status(root: Path) -> dict[str, object]:
    """Give what the command says of the folder."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        modelshelf(["--config", str(root / "modelshelf.yaml"), "status", "--json"])
    folder: dict[str, object] = json.loads(printed.getvalue())["folders"][0]
    return folder


def main(root: Path) -> None:
    """Open the shelf, drop a file where nothing is heard, and let the time of the next scan come."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        shelf = LivingShelf(root).listen(monkeypatch)
        shelf.open()
        directories = sorted(path for path in shelf.models.rglob("*") if path.is_dir())
        for directory in [shelf.models, *directories]:
            (directory / "dropped.safetensors").touch()
        expected = len(directories) + 1
        monkeypatch.setattr(shelf.house.watch, "_deaf_until", {})
        shelf.house.mend()
        wait_until(lambda: shelf.count() == expected)
        coverage = shelf.store.watches.of_folders()["shelf"]
        told = {
            "watched": coverage.watched_count,
            "unwatched": coverage.unwatched_count,
            "problem": coverage.problem,
            "doubts": shelf.doubts,
            "status": told_by_status(root),
            "is_found_by_scan": True,
        }
        shelf.close()
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
