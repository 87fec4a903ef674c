"""The effective configuration as YAML that can be read, and loaded, again; secrets are left out."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import SecretStr

from modelshelf.logs import REDACTED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelshelf.config.schema import ConfigFile
    from modelshelf.domain.folder import Folder


def to_yaml(
    file: ConfigFile, state_directory: Path, log_directory: Path, folders: Iterable[Folder], secrets: Iterable[str]
) -> str:
    """Give the tree with every default written out."""
    tree = file.model_dump()
    tree["store"]["directory"] = state_directory
    tree["logging"]["file"]["directory"] = file.logging.file.directory or log_directory
    tree["notifications"]["targets"] = [_covered(target) for target in file.notifications.target_texts]
    for folder in folders:
        entry = tree["input_paths"][folder.id]
        entry |= {"patterns": folder.patterns, "recursive": folder.is_recursive, "watch": folder.watch}
    text = yaml.safe_dump(_plain(tree), sort_keys=False, allow_unicode=True, width=1000)
    for secret in secrets:
        text = text.replace(secret, _covered(secret))
    return text


def _covered(secret: str) -> str:
    """An address keeps its scheme, so that it still is one."""
    scheme, separator, _ = secret.partition("://")
    return f"{scheme}{separator}{REDACTED}" if separator else REDACTED


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, SecretStr):
        return REDACTED if value.get_secret_value() else ""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Path):
        return str(value)
    return value.value if isinstance(value, Enum) else value
