"""Where a service must be let in: the directories that the daemon writes to, as systemd's settings."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from modelshelf.config import Config
    from modelshelf.domain.folder import Folder
    from modelshelf.domain.output import Output

STATE_DIRECTORY = Path("/var/lib/modelshelf")
"""What the unit's StateDirectory= stands for."""

HOMES = ("/home", "/root", "/run/user")
"""What ProtectHome= is about (systemd.exec(5))."""

TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 -- what PrivateTmp= is about, nothing is written there
_MODEL_DIRECTORY = "{model_dir}"
_PLACEHOLDER = re.compile(r"\{\w+\}")
_UNSPEAKABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")


def directories_written(config: Config) -> list[Path]:
    """Give every directory, besides the state, that the daemon writes to, and none that lies inside another."""
    wanted = {place for folder in config.folders() for place in _of_folder(folder, config.output_for(folder.id))}
    log_file = config.log_settings().file
    if log_file is not None:
        wanted.add(log_file.path.parent)
    if config.file.scanner.cache_dir is not None:
        wanted.add(config.file.scanner.cache_dir)
    return [place for place in sorted(wanted) if not wanted & {*place.parents} and not _is_state(config, place)]


def _is_state(config: Config, place: Path) -> bool:
    return config.state_directory in {place, *place.parents}


def _of_folder(folder: Folder, output: Output) -> Iterator[Path]:
    yield folder.path
    if output.base_directory is not None:
        yield output.base_directory
    models = folder.path if output.base_directory is None else output.base_directory / "TYPE"
    if output.metadata is not None:
        yield _beginning(output.metadata.path, models)
    if output.html.is_enabled:
        yield _beginning(output.html.path, models)
    if output.html.is_gallery_generated:
        yield _normal(folder.path / output.html.gallery_path).parent
    if output.images.is_saved:
        yield _beginning(output.images.path, models)


def _beginning(template: str, models: Path) -> Path:
    """Give the last directory of a template that is the same for every model; `models` is where the outermost one lies."""
    rest = template.removeprefix(_MODEL_DIRECTORY)
    fixed, *variable = _PLACEHOLDER.split(rest, maxsplit=1)
    if variable:
        fixed = os.path.dirname(fixed)
    return _normal(models / fixed.lstrip("/") if rest != template else models / fixed)


def _normal(path: Path) -> Path:
    return Path(os.path.normpath(path))


def settings(directories: Iterable[Path], others: Iterable[Path]) -> list[str]:
    """Give the [Service] lines that open `directories` for writing, and homes for reading where they or `others` are in one."""
    granted = [*directories]
    lines = [f"ReadWritePaths={quoted(f'-{path}', path)}" for path in granted]
    reached = [*granted, *others]
    if _is_any_below(reached, HOMES):
        lines.append("ProtectHome=read-only")
    if _is_any_below(reached, TEMPORARY):
        lines.append("PrivateTmp=no")
    return lines


def _is_any_below(paths: Iterable[Path], tops: Iterable[str]) -> bool:
    return any({Path(top) for top in tops} & {path, *path.parents} for path in paths)


def quoted(word: str, path: Path) -> str:
    """Give a word as systemd.syntax(7) reads it; UsageError for a `path` that no unit file can name."""
    if _UNSPEAKABLE.search(word):
        raise UsageError(
            f"systemd cannot be told of {readable(path)}: a line break, a control character or a byte that is not UTF-8 is in"
            " its name; rename it"
        )
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
