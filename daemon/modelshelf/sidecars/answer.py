"""Civitai's answer for a version as tools keep it: as received, with what the parent model knows in `model` and `creator`.

Where it goes follows zixaphir's Civitai Helper; LoRA-Manager keeps the same under `civitai`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.sidecars.mark import EXTENSIONS
from modelshelf.sidecars.values import storable_object

if TYPE_CHECKING:
    from modelshelf.domain.civitai import License, Model, ModelVersion
    from modelshelf.domain.jsontypes import JsonObject


def answer_of(version: ModelVersion, model: Model | None) -> JsonObject:
    """Give the answer, fit for any reader."""
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
