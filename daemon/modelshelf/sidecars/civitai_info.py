"""`<stem>.civitai.info` as Civitai Helper writes it: Civitai's answer for the file's hash, as received.

What the parent model knows goes where zixaphir's Civitai Helper puts it: into `model` and `creator`. Both helpers open the file
with the locale's encoding, so it is ASCII. The `{}` that the original writes for "not on Civitai" is never written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.sidecars.classify import Dialect
from modelshelf.sidecars.mark import EXTENSIONS, is_marked
from modelshelf.sidecars.values import storable_object
from modelshelf.sidecars.writer import Layout, Planned, Wanted, merged_into

if TYPE_CHECKING:
    from modelshelf.domain.civitai import License, Model, ModelVersion
    from modelshelf.domain.description import Description
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.sidecars.mark import Digests
    from modelshelf.sidecars.reading import FoundSidecar

_LAYOUT = Layout(indent=4, is_ascii=True)


def compose(description: Description, existing: FoundSidecar | None, ours: Digests) -> Planned:
    """Plan the file where Civitai knows the version; one without our mark is never touched."""
    if description.version is None or not description.version.body:
        return Planned()
    wanted = Wanted(_body(description.version, description.model), _LAYOUT, description.weights, is_whole=True)
    if existing is not None and not existing.problem and not is_marked(existing.content):
        return Planned(refusal="another tool's file is already there: it was left alone")
    return merged_into(existing, wanted, frozenset(Dialect), ours)


def _body(version: ModelVersion, model: Model | None) -> JsonObject:
    body = storable_object({key: value for key, value in version.body.items() if key != EXTENSIONS})
    if model is None:
        return body
    parent = body.get("model")
    body["model"] = (parent if isinstance(parent, dict) else {}) | storable_object(_of_model(model))
    if model.creator is not None:
        received = model.body.get("creator")
        body["creator"] = storable_object(received if isinstance(received, dict) else {"username": model.creator})
    return body


def _of_model(model: Model) -> JsonObject:
    known: JsonObject = {"description": model.description, "tags": list(model.tags), **_terms(model.license)}
    return {key: value for key, value in known.items() if value is not None}


def _terms(terms: License) -> JsonObject:
    return {
        "allowNoCredit": terms.allow_no_credit,
        "allowCommercialUse": list(terms.allow_commercial_use),
        "allowDerivatives": terms.allow_derivatives,
        "allowDifferentLicense": terms.allow_different_license,
    }
