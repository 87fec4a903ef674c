"""A house that lives in this process over one folder: real events, real workers, a real disk, and no server to ask."""

from __future__ import annotations

import io
import os
import signal
from typing import TYPE_CHECKING, Self

from modelshelf import logs
from modelshelf.config import load_config
from modelshelf.daemon import House
from modelshelf.formats.hashes import hash_file
from modelshelf.shelf.lease import prepare_leases
from modelshelf.store.store import Store
from modelshelf.watching.watch import Watch
from modelshelf.worker.reader import ReaderHere
from tests.idle import is_idle
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    import pytest

    from modelshelf.domain.model_file import ModelFile

CONFIG = """
input_paths: {{shelf: {{path: "{models}", type: LORA, watch: {watch}}}}}
store: {{directory: "{state}"}}
offline: true
watch: {{stability_delay: {delay}}}
"""


class HouseReadingHere(House):
    """Reads all that it reads in this process, where a test can see it."""

    def _new_reader(self) -> ReaderHere:
        return ReaderHere()


class Told:
    """Counts what is logged in this process, from when it is made until `close`."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        logs.configure(logs.LogSettings(format=logs.LogFormat.JSON), self._stream)

    def count(self, event: str) -> int:
        """Tell how often something was logged."""
        return self._stream.getvalue().count(f'"event": "{event}"')

    def close(self) -> None:
        """Log nothing more."""
        logs._install(())


class LivingShelf:
    """`hashed` holds the names of all files that were read in full, `doubts` every word that events may be lost."""

    def __init__(self, root: Path, models: Path | None = None, *, watch: str = "auto", delay: float = 0.5) -> None:
        """`root` gets the state, and the folder where `models` names no other."""
        self.models = models or root / "models"
        self.models.mkdir(exist_ok=True)
        path = root / "modelshelf.yaml"
        path.write_text(CONFIG.format(models=self.models, state=root / "state", watch=watch, delay=delay))
        self.store = Store.open(root / "state" / "modelshelf.db")
        self.house = HouseReadingHere(load_config(path, {"HOME": str(root)}), self.store)
        self.hashed: list[str] = []
        self.doubts: list[str] = []
        self._on_sigio = signal.getsignal(signal.SIGIO)
        prepare_leases()

    def listen(self, monkeypatch: pytest.MonkeyPatch) -> Self:
        """Keep count of what is hashed and doubted from now on."""
        doubt = Watch._doubt

        def hash_and_count(path: Path, **options: Any) -> Any:
            self.hashed.append(path.name)
            return hash_file(path, **options)

        def doubt_and_count(watch: Watch, folder_id: str, reason: str) -> None:
            self.doubts.append(reason)
            doubt(watch, folder_id, reason)

        monkeypatch.setattr("modelshelf.steps.hash_file.hash_file", hash_and_count)
        monkeypatch.setattr(Watch, "_doubt", doubt_and_count)
        return self

    def open(self) -> Self:
        """Open the house and wait until the first scan is done."""
        self.house.open()
        self.rest()
        return self

    def rest(self, timeout: float = 60) -> None:
        """Wait until nothing is dirty and nothing owed."""
        wait_until(lambda: not self.house.watch._dirty._folders and is_idle(self.house), timeout)

    def close(self) -> None:
        """Close house and store."""
        self.house.close()
        self.store.close()
        signal.signal(signal.SIGIO, self._on_sigio)

    @property
    def rings(self) -> int:
        """How often anybody was woken to work."""
        return self.house.bell.rings

    def row(self, name: str) -> ModelFile | None:
        """Give what is known of a file, None where nothing is."""
        return self.store.files.at("shelf", os.fsencode(name))

    def has(self, name: str) -> bool:
        """Tell whether a file is known to be there."""
        row = self.row(name)
        return row is not None and row.missing_since is None

    def sha256(self, name: str) -> str | None:
        """Give the hash of a file, None until it has one."""
        row = self.row(name)
        content = self.store.contents.get(row.content_id) if row is not None and row.content_id is not None else None
        return content.hashes.sha256 if content is not None else None

    def count(self) -> int:
        """Give how many files are known to be there."""
        return int(self.store.database.rows("SELECT count(*) FROM files WHERE missing_since IS NULL")[0][0])

    def content_count(self) -> int:
        """Give how many different contents were ever kept."""
        return int(self.store.database.rows("SELECT count(*) FROM contents")[0][0])

    def await_known(self, *names: str, timeout: float = 30) -> None:
        """Wait until these files are known to be there."""
        wait_until(lambda: all(map(self.has, names)), timeout)

    def await_hashed(self, name: str, sha256: str) -> None:
        """Wait until a file is known by this hash, and nothing more is owed."""
        wait_until(lambda: self.sha256(name) == sha256)
        self.rest()
