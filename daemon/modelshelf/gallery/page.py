"""The page of one model: everything that is known of it, on one screen that works from a file, a share or a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelshelf.domain.fact import Field
from modelshelf.gallery.belief import belief_badges, belief_notices
from modelshelf.gallery.document import Design, render_document
from modelshelf.gallery.file_rows import file_rows, hash_rows
from modelshelf.gallery.known import known_rows
from modelshelf.gallery.license_words import permissions
from modelshelf.gallery.links import civitai_href, is_nsfw, is_video, model_id, version_id
from modelshelf.gallery.sanitise import prose
from modelshelf.gallery.standing import badges, damage_notices, notices
from modelshelf.gallery.units import shortened
from modelshelf.gallery.usage import WORDS_LIMIT, example_prompts, training_tags, usage_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelshelf.domain.description import Description
    from modelshelf.gallery.content import PageContent

_DESIGN = Design("page.html", ("colours.css", "page.css"), ("copy.js", "page.js"))
_NAME_LIMIT = 300
_WORD_LIMIT = 2_000
_PREVIEWS_LIMIT = 40
_SIBLINGS_LIMIT = 40


def render_page(page: PageContent) -> str:
    """Give the page as one self-contained HTML document; the same content gives the same text."""
    values = {
        "title": shortened(page.title, _NAME_LIMIT),
        "previews": [(name, is_video(name)) for name in page.previews[:_PREVIEWS_LIMIT]],
        "gallery_href": page.gallery_href,
        "badges": (*badges(page), *belief_badges(page.belief)),
        "notices": (*damage_notices(page), *notices(page.description), *belief_notices(page.belief)),
        "file_rows": file_rows(page),
        "hash_rows": hash_rows(page.description.hashes),
        **_naming(page),
        **_using(page.description),
        **_telling(page.description),
    }
    return render_document(_DESIGN, values, page.generated_by)


def _naming(page: PageContent) -> Mapping[str, Any]:
    description = page.description
    site = page.sites.nsfw if is_nsfw(description) else page.sites.sfw
    return {
        "name": shortened(description.text(Field.NAME) or page.title, _NAME_LIMIT),
        "version_name": shortened(description.text(Field.VERSION_NAME) or "", _NAME_LIMIT),
        "creator": shortened(description.text(Field.CREATOR) or description.text(Field.AUTHOR) or "", _NAME_LIMIT),
        "civitai_href": civitai_href(site, model_id(description), version_id(description)),
        "siblings": _siblings(description, site),
    }


def _using(description: Description) -> Mapping[str, Any]:
    words, more_words = _first(description.words(Field.TRAINED_WORDS))
    tags, more_tags = _first(description.words(Field.TAGS))
    trained, more_trained = _first(training_tags(description.value(Field.TRAINING_TAGS)))
    return {
        "words": [shortened(word, _WORD_LIMIT) for word in words],
        "more_words": more_words,
        "usage_texts": usage_texts(description),
        "tags": [shortened(tag, _NAME_LIMIT) for tag in tags],
        "more_tags": more_tags,
        "training_tags": trained,
        "more_training_tags": more_trained,
        "prompts": example_prompts(description),
    }


def _telling(description: Description) -> Mapping[str, Any]:
    texts = {
        "description": description.text(Field.DESCRIPTION),
        "version_description": description.text(Field.VERSION_DESCRIPTION),
        "notes": description.text(Field.NOTES),
    }
    return {
        **{name: prose(text) if text else None for name, text in texts.items()},
        "permissions": permissions(description),
        "known_rows": known_rows(description),
    }


def _siblings(description: Description, site: str) -> list[tuple[str, str, str]]:
    """Give the other versions of the same Model: name, base model, address."""
    model, own_id = description.model, version_id(description)
    others = [each for each in model.versions if each.id != own_id] if model else []
    return [
        (
            shortened(each.name or str(each.id), 120),
            shortened(each.base_model or "", 80),
            civitai_href(site, model.id, each.id) or "",
        )
        for each in others[:_SIBLINGS_LIMIT]
        if model
    ]


def _first(items: Sequence[Any]) -> tuple[Sequence[Any], int]:
    """Give the first items and how many more there are."""
    return items[:WORDS_LIMIT], max(0, len(items) - WORDS_LIMIT)
