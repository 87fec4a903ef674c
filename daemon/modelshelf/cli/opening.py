"""What every command starts from: the global options, the configuration, and the store beside a daemon or without one."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from modelshelf.domain.display import readable
from modelshelf.errors import ModelshelfError, StoreDamaged, from_os_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modelshelf.config import Config
    from modelshelf.store.store import Store

Function = TypeVar("Function", bound="Callable[..., Any]")

STORE_NAME = "modelshelf.db"
"""The store's file in the state directory."""


class NothingRecorded(ModelshelfError):
    """There is no store yet: neither the daemon nor a scan ever ran on this configuration."""


class NotYours(ModelshelfError):
    """The state directory belongs to another user: the daemon's, most likely."""


@dataclass(slots=True)
class Opening:
    """The global options of one command, and what is opened by them. The configuration is read once, when first asked for."""

    config_path: Path | None = None
    is_debug: bool = False
    is_quiet: bool = False
    _config: Config | None = field(default=None, init=False)

    @property
    def config(self) -> Config:
        """The configuration; ConfigError with everything that is wrong in it."""
        if self._config is None:
            self._config = self.load_config()
        return self._config

    def load_config(self) -> Config:
        """Read the configuration anew."""
        from modelshelf.config import find_config, load_config  # noqa: PLC0415 -- pydantic, which --help can do without

        try:
            here = Path.cwd()
        except OSError as error:
            raise from_os_error(error, "the current directory", "enter") from error
        return load_config(find_config(self.config_path, os.environ, here), os.environ)

    @property
    def state_directory(self) -> Path:
        """Where store, lock and socket are."""
        return self.config.state_directory

    @property
    def store_path(self) -> Path:
        """The store's file."""
        return self.state_directory / STORE_NAME

    def daemon_pid(self) -> int | None:
        """Give the process that works on this state directory, None where nobody does; 0 where its pid cannot be told."""
        from modelshelf.store.lock import holder  # noqa: PLC0415 -- sqlite_utils comes with its package

        return holder(self.state_directory)

    @contextmanager
    def reading(self) -> Iterator[Store]:
        """Open the store for reading, daemon or not; NothingRecorded where there is none, NotYours where it may not be read."""
        from modelshelf.store.store import Store  # noqa: PLC0415 -- likewise

        self.demand_access(is_writing=False)
        if not self.store_path.exists():
            raise NothingRecorded(
                "nothing is recorded yet; start the daemon (modelshelf run) or do one scan (scan --wait)"
            )
        store = Store.open_readonly(self.store_path)
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def owning(self) -> Iterator[Store]:
        """Open the store as the one process that works on it, and keep every other out until the end."""
        self.demand_access(is_writing=True)
        with self.tenure() as store:
            yield store

    @contextmanager
    def tenure(self) -> Iterator[Store]:
        """As `owning`, whoever owns the directory. A block that ends by an error leaves the store as a crash does."""
        from modelshelf.clock import SystemClock  # noqa: PLC0415 -- likewise
        from modelshelf.store.store import Store  # noqa: PLC0415

        with self.locked():
            store = Store.begin_tenure(self.store_path, SystemClock())
            try:
                yield store
                store.end_tenure()
            except StoreDamaged:
                store.condemn()
                raise
            finally:
                store.close()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the state lock; StoreError naming the process that holds it already."""
        from modelshelf.store.lock import StateLock  # noqa: PLC0415 -- likewise

        lock = StateLock(self.state_directory)
        lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def writing(self) -> Iterator[Store]:
        """Open the store for adding work: beside the daemon, or alone, where it is created or upgraded if need be."""
        from modelshelf.store.store import Store  # noqa: PLC0415 -- likewise

        self.demand_access(is_writing=True)
        if self.daemon_pid() is not None:
            # A daemon of another version must not have its store upgraded under its feet: this refuses that.
            Store.open_readonly(self.store_path).close()
            store = Store.open(self.store_path)
        else:
            with self.locked():
                store = Store.open(self.store_path)
        try:
            yield store
        finally:
            store.close()

    def demand_access(self, *, is_writing: bool) -> None:
        """Refuse what would fail, and what root could do but only to leave files behind that the daemon cannot open."""
        directory = self.state_directory
        if not directory.exists():
            return
        mode = os.R_OK | os.X_OK | (os.W_OK if is_writing else 0)
        if not os.access(directory, mode):
            raise _not_yours(directory)
        owned = self.store_path if self.store_path.exists() else directory  # a new store is for who owns its directory
        if is_writing and owned.stat().st_uid != os.geteuid():
            raise _not_yours(owned)

    def log_to_stderr(self) -> None:
        """Let events be seen, from DEBUG up: what `--debug` means."""
        from modelshelf.logs import LogSettings, configure  # noqa: PLC0415 -- structlog, which nobody else here needs

        configure(LogSettings(level="DEBUG"))

    def note(self, text: str) -> None:
        """Say something beside the answer, on stderr, unless the person wants quiet."""
        if not self.is_quiet:
            click.echo(text, err=True)


def _not_yours(path: Path) -> NotYours:
    try:
        owner = path.owner()
    except (KeyError, OSError):
        owner = f"#{path.stat().st_uid}"
    return NotYours(f"{readable(path)} belongs to {owner}; run this as that user: sudo -u {owner} modelshelf ...")


def _keep_config_path(context: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.ensure_object(Opening).config_path = value


def _keep_debug(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 -- click's signature
    if value:
        opening = context.ensure_object(Opening)
        opening.is_debug = True
        opening.log_to_stderr()


def _keep_quiet(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 -- click's signature
    if value:
        context.ensure_object(Opening).is_quiet = True


def global_options(function: Function) -> Function:
    """Take `--config`, `--debug` and `--quiet`: they may stand before a command's name or after it."""
    options = (
        click.option(
            "-c",
            "--config",
            metavar="FILE",
            type=click.Path(path_type=Path, dir_okay=False),
            expose_value=False,
            callback=_keep_config_path,
            help="Read the configuration from FILE.",
        ),
        click.option(
            "--debug",
            is_flag=True,
            expose_value=False,
            callback=_keep_debug,
            help="Log everything to stderr, and tracebacks.",
        ),
        click.option(
            "--quiet",
            "-q",
            is_flag=True,
            expose_value=False,
            callback=_keep_quiet,
            help="Say nothing beside answers and errors.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function
