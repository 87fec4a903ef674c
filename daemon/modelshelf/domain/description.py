"""A Description: all that is known of one ModelFile, as sidecars, pages and galleries need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.hashes import EMPTY_AUTOV3

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from modelshelf.domain.civitai import Model, ModelVersion
    from modelshelf.domain.fact import Fact, Field
    from modelshelf.domain.hashes import Hashes
    from modelshelf.domain.header import Header
    from modelshelf.domain.jsontypes import JsonValue
    from modelshelf.domain.model_file import ModelFile


@dataclass(frozen=True, slots=True)
class Description:
    """One file with its effective Facts, and the records behind them where there are any.

    `path` is where it lies, for the dialects that write it down; None where nobody asked. `teller` is the id of this modelshelf.
    """

    file: ModelFile
    header: Header | None
    hashes: Hashes | None
    facts: Mapping[Field, Fact]
    version: ModelVersion | None = None
    model: Model | None = None
    path: Path | None = None
    teller: str | None = None

    @property
    def weights(self) -> str | None:
        """The hash by which the weights are known: AutoV3, which an edited header leaves as it is, else SHA256."""
        if self.hashes is None:
            return None
        is_telling = self.hashes.autov3 not in {None, EMPTY_AUTOV3}
        return self.hashes.autov3 if is_telling else self.hashes.sha256

    def value(self, field: Field) -> JsonValue:
        """Give the effective value of `field`, None where nobody knows it."""
        fact = self.facts.get(field)
        return fact.value if fact else None

    def text(self, field: Field) -> str | None:
        """Give the effective value of `field` as text, None where it is unknown or not text."""
        value = self.value(field)
        return value if isinstance(value, str) else None

    def words(self, field: Field) -> tuple[str, ...]:
        """Give the effective value of a list field as texts; empty where it is unknown."""
        value = self.value(field)
        return tuple(str(each) for each in value) if isinstance(value, list) else ()
