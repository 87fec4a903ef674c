"""`<stem>.civitai.info` as Civitai Helper writes it: Civitai's answer for the file's hash, as received.

Both Civitai Helpers open the file with the locale's encoding, so it is ASCII. The `{}` that the original writes for "not on
Civitai" is never written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.sidecars.answer import answer_of
from modelshelf.sidecars.classify import Dialect
from modelshelf.sidecars.mark import is_marked
from modelshelf.sidecars.writer import Layout, Planned, Wanted, merged_into

if TYPE_CHECKING:
    from modelshelf.domain.description import Description
    from modelshelf.sidecars.mark import Digests
    from modelshelf.sidecars.reading import FoundSidecar

_LAYOUT = Layout(indent=4, is_ascii=True)


def compose(description: Description, existing: FoundSidecar | None, ours: Digests) -> Planned:
    """Plan the file where Civitai knows the version; one without our mark is never touched."""
    if description.version is None or not description.version.body:
        return Planned()
    body = answer_of(description.version, description.model)
    wanted = Wanted(body, _LAYOUT, description.weights, is_whole=True)
    if existing is not None and not existing.problem and not is_marked(existing.content):
        return Planned(refusal="another tool's file is already there: it was left alone")
    return merged_into(existing, wanted, frozenset(Dialect), ours)
