"""The Patient: the installation that is examined, as far as it can be opened without leaving a trace."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.cli.checkup.account import Account, account_of
from modelshelf.cli.opening import STORE_NAME
from modelshelf.domain.folder import Folder
from modelshelf.errors import ConfigError, FolderOffline, ModelshelfError
from modelshelf.shelf.patience import Patience
from modelshelf.store.lock import holder
from modelshelf.store.stillness import still

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.cli.opening import Opening
    from modelshelf.clock import Clock
    from modelshelf.config import Config
    from modelshelf.store.stillness import Still
    from modelshelf.store.store import Store

DEFAULT_LOG = Path("logs") / "modelshelf.log"
"""Where the daemon logs, below its state, if nobody says otherwise."""


ADMISSION_SECONDS = 30.0
"""For so long the state directory may keep everything else waiting: a store that crashed is copied meanwhile."""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is known of an installation before anything is looked at.

    `complaint` is why there is no `config`. `still` is None where there is no store, or none that can be read, for which
    `store_complaint` has the reason. `account` is the user that the daemon runs as, or would. `is_state_named`: somebody said
    where the state is, so it has to be there.
    """

    clock: Clock
    proc: Path
    config: Config | None = None
    complaint: str | None = None
    state_directory: Path | None = None
    pid: int | None = None
    account: Account | None = None
    still: Still | None = None
    store_complaint: str | None = None
    folders: tuple[Folder, ...] = ()
    is_state_named: bool = False

    @property
    def log_path(self) -> Path | None:
        """The log file, None where it is switched off or cannot be known."""
        if self.config is not None:
            file = self.config.log_settings().file
            return file.path if file is not None else None
        return self.state_directory / DEFAULT_LOG if self.state_directory is not None else None

    @contextmanager
    def store(self) -> Iterator[Store | None]:
        """Open the store on a connection of its own; None where there is none, or not of this version."""
        if self.still is None or not self.still.is_readable():
            yield None
            return
        with self.still.store() as store:
            yield store


@contextmanager
def admit(opening: Opening, state: Path | None, clock: Clock, proc: Path = Path("/proc")) -> Iterator[Patient]:
    """Give the installation that the configuration names, or the one whose state is in `state`.

    The configuration counts for another state only where it is named by `--config` or has the same; else the folders are
    those that the other daemon last knew.
    """
    config, complaint = _config(opening, state)
    state_directory = state or (config.state_directory if config else None)
    folders = config.folders() if config else ()
    bare = Patient(clock, proc, config, complaint, state_directory, folders=folders, is_state_named=state is not None)
    with ExitStack() as held:
        try:
            found = Patience(ADMISSION_SECONDS).ask("the state directory", lambda: _admitted(held, bare))
        except FolderOffline as error:
            found = replace(bare, store_complaint=str(error))
        yield found


def _config(opening: Opening, state: Path | None) -> tuple[Config | None, str | None]:
    try:
        config = opening.config
    except ConfigError as error:
        return None, str(error)
    if state is None or opening.config_path is not None or config.state_directory == state:
        return config, None
    return None, f"it is not known for {state}: the one found here is that of {config.state_directory}"


def _admitted(held: ExitStack, patient: Patient) -> Patient:
    directory = patient.state_directory
    pid, still_store, complaint = None, None, None
    try:
        pid = holder(directory) if directory is not None else None
        path = directory / STORE_NAME if directory is not None else None
        if path is not None and path.exists():
            still_store = held.enter_context(still(path, is_in_use=pid is not None))
    except (ModelshelfError, OSError) as error:
        complaint = str(error)
    return replace(
        patient,
        pid=pid,
        account=account_of(pid, directory, patient.proc),
        still=still_store,
        store_complaint=complaint,
        folders=patient.folders or _remembered(still_store),
    )


def _remembered(found: Still | None) -> tuple[Folder, ...]:
    """Give the folders that a daemon last knew; their patterns stand in its configuration alone."""
    try:
        if found is None or not found.is_readable():
            return ()
        with found.store() as store:
            states = [state for state in store.folders.states() if state.is_configured]
    except ModelshelfError:
        return ()
    return tuple(Folder(state.id, state.path, None, (), ()) for state in states)
