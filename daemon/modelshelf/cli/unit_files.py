"""The files by which systemd knows modelshelf: what stands in them, and how they come and go."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.cli.grants import STATE_DIRECTORY, directories_written, quoted, settings
from modelshelf.config.find import SYSTEM_CONFIG
from modelshelf.domain.display import readable
from modelshelf.errors import ModelshelfError, UsageError, from_os_error
from modelshelf.files import make_directory, replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modelshelf.config import Config

MARK = "# Written by `modelshelf service install`"
"""How each file of ours begins: what does not is somebody else's."""

UNIT = "modelshelf.service"
PACKAGED = "/usr/bin/modelshelf"
_TEMPLATES = Path(__file__).parent / "units"


@dataclass(frozen=True, slots=True)
class Places:
    """Where units live: those of packages, and those of this machine or person."""

    packaged: tuple[Path, ...]
    own: Path
    users: Path | None = None

    @property
    def unit(self) -> Path:
        """The unit where no package brought one."""
        return self.own / UNIT

    @property
    def drop_in(self) -> Path:
        """The list of folders."""
        return self.own / f"{UNIT}.d" / "10-folders.conf"

    @property
    def is_packaged(self) -> bool:
        """Whether a package brought the unit."""
        return any((place / UNIT).is_file() for place in self.packaged)

    def ours(self) -> list[Path]:
        """Give every file that `install` may have written."""
        return [path for path in (self.drop_in, self.unit, self.users) if path is not None]


SYSTEM = Places(
    packaged=(Path("/usr/local/lib/systemd/system"), Path("/usr/lib/systemd/system"), Path("/lib/systemd/system")),
    own=Path("/etc/systemd/system"),
    users=Path("/etc/sysusers.d/modelshelf.conf"),
)


def places_of_person(environment: Mapping[str, str]) -> Places:
    """Give where the units of one person live."""
    settings_directory = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME", ""), ".config")
    return Places(packaged=(Path("/usr/lib/systemd/user"),), own=Path(settings_directory) / "systemd" / "user")


def program() -> list[str]:
    """Give the words that run this very modelshelf."""
    beside = Path(sys.executable).with_name("modelshelf")
    return [str(beside)] if beside.is_file() else [sys.executable, "-P", "-m", "modelshelf"]


def _run_from() -> tuple[Path, ...]:
    """Give where the program lies: its environment, the interpreter that this one borrows, and an editable checkout."""
    return Path(sys.prefix), Path(sys.base_prefix), _TEMPLATES.parents[1]


def files_for_machine(config: Config, places: Places) -> dict[Path, str]:
    """Give the files of a service of the machine and their texts; the unit itself only where no package brought it."""
    path = _config_path(config)
    if places.is_packaged and path != SYSTEM_CONFIG:
        raise UsageError(
            f"the packaged service reads {SYSTEM_CONFIG}, and not {readable(path)}: put the configuration there"
        )
    files = {places.drop_in: drop_in(config, () if places.is_packaged else (*_run_from(), path))}
    if not places.is_packaged:
        files[places.unit] = _unit(UNIT, f"{PACKAGED} --config {SYSTEM_CONFIG}", path)
        if places.users is not None:
            files[places.users] = _written("", _template("sysusers.d/modelshelf.conf"))
    return files


def files_for_person(config: Config, places: Places) -> dict[Path, str]:
    """Give the unit of a service of one person; it needs no grants."""
    return {places.unit: _unit(f"user/{UNIT}", PACKAGED, _config_path(config))}


def drop_in(config: Config, others: Iterable[Path]) -> str:
    """Give the list of folders; `others` are read, and must not be hidden."""
    state = config.state_directory
    is_elsewhere = state != STATE_DIRECTORY
    mounts = ["[Unit]", f"RequiresMountsFor={quoted(str(state), state)}"] if is_elsewhere else []
    lines = [
        "# Wishes of your own belong into another one: systemctl edit modelshelf",
        *mounts,
        "[Service]",
        '# A leading "-": a folder that is not there keeps nothing from starting.',
        *settings([*directories_written(config), *([state] if is_elsewhere else [])], others),
    ]
    return _written(f" from {readable(_config_path(config))}", "\n".join(lines) + "\n")


def _unit(name: str, packaged_command: str, config_path: Path) -> str:
    command = " ".join(_in_command(word) for word in [*program(), "--config", str(config_path)])
    return _written("", _template(name).replace(packaged_command, command))


def _in_command(word: str) -> str:
    return quoted(word, Path(word)).replace("$", "$$")


def _written(origin: str, text: str) -> str:
    return f"{MARK}{origin}; the next one writes it anew.\n{text}"


def _template(name: str) -> str:
    return (_TEMPLATES / name).read_text("utf-8")


def _config_path(config: Config) -> Path:
    if config.path is None:
        raise UsageError("a service needs a configuration file: the environment alone is not there when it starts")
    return Path(os.path.abspath(config.path))  # noqa: PTH100 -- resolve() would follow symlinks


def write(files: Mapping[Path, str]) -> list[Path]:
    """Write each file whole or not at all, and give those that changed; UsageError where somebody else's is in the way."""
    for path in files:
        _demand_ours(path)
    changed = [path for path, text in files.items() if _text_at(path) != text]
    for path in changed:
        make_directory(path.parent)
        replace_file(path, files[path].encode())
        path.chmod(0o644)
    return changed


def remove(paths: Iterable[Path]) -> list[Path]:
    """Remove those of these files that we wrote, and the drop-in's directory if nothing else is in it; gives what went."""
    gone = [path for path in paths if is_ours(path)]
    for path in gone:
        try:
            path.unlink()
        except OSError as error:
            raise from_os_error(error, os.fsencode(path), "remove") from error
        if path.parent.name == f"{UNIT}.d":
            with suppress(OSError):
                path.parent.rmdir()
    return gone


def _demand_ours(path: Path) -> None:
    if _text_at(path) is not None and not is_ours(path):
        raise UsageError(f"{readable(path)} was not written by modelshelf and is left alone: move it to make room")


def is_ours(path: Path) -> bool:
    """Tell whether a file is there and was written by us."""
    return (_text_at(path) or "").startswith(MARK)


def _text_at(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise from_os_error(error, os.fsencode(path), "read") from error


def doubts(config: Config, places: Places = SYSTEM) -> list[str]:
    """Give a sentence for each directory that the machine's service, if it reads this configuration, may not write to yet."""
    try:
        if config.path is None or not _is_read_by_service(_config_path(config), places):
            return []
        granted = (_text_at(places.drop_in) or "").splitlines()
        kept_out = [path for path in directories_written(config) if settings([path], ())[0] not in granted]
    except ModelshelfError as error:
        return [str(error)]
    return [
        f"the service may not write to {readable(path)} yet: sudo modelshelf service install, then sudo systemctl restart"
        " modelshelf"
        for path in kept_out
    ]


def _is_read_by_service(path: Path, places: Places) -> bool:
    if places.is_packaged:
        return path == SYSTEM_CONFIG
    return _in_command(str(path)) in (_text_at(places.unit) or "")
