"""All crafted inputs, the same at every run."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

from tests.fuzz.crafted_models import model_cases
from tests.fuzz.crafted_pictures import picture_cases
from tests.fuzz.crafted_texts import text_cases
from tests.fuzz.defects import defect_cases

if TYPE_CHECKING:
    from tests.fuzz.mutations import Case


def cases(target: str | None = None) -> list[Case]:
    """Give the inputs of one target, or of all."""
    return [each for each in _every() if target in (None, each.target)]


@cache
def _every() -> list[Case]:
    return [*chain(defect_cases(), model_cases(), text_cases(), picture_cases())]
