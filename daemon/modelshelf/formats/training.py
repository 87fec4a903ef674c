"""How a model was trained, as kohya's sd-scripts and those that write like them tell it (`ss_*`, every value `str(v)`)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelshelf.formats.embedded_values import document_in, number_in, objects_in, scalar_in, text_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelshelf.domain.jsontypes import JsonObject, JsonValue

_PARAMETERS = (
    *("epoch", "num_epochs", "steps", "max_train_steps", "num_train_images", "num_reg_images", "total_batch_size"),
    *("learning_rate", "unet_lr", "text_encoder_lr", "lr_scheduler", "lr_warmup_steps", "optimizer", "seed"),
    *("mixed_precision", "full_fp16", "fp8_base", "gradient_accumulation_steps", "gradient_checkpointing"),
    *("clip_skip", "max_token_length", "model_type", "guidance_scale", "timestep_sampling", "discrete_flow_shift"),
    *("noise_offset", "multires_noise_iterations", "multires_noise_discount", "adaptive_noise_scale", "min_snr_gamma"),
    *("scale_weight_norms", "ip_noise_gamma", "prior_loss_weight", "loss_type", "huber_schedule", "huber_c"),
    *("zero_terminal_snr", "debiased_estimation", "max_grad_norm", "caption_dropout_rate", "network_dropout"),
    *("shuffle_caption", "keep_tokens", "flip_aug", "color_aug", "random_crop", "face_crop_aug_range"),
    *("enable_bucket", "bucket_no_upscale", "min_bucket_reso", "max_bucket_reso"),
)
_MOMENTS = ("training_started_at", "training_finished_at")
_MAX_VALUE_CHARACTERS = 500
_MAX_COMMENT_CHARACTERS = 5_000
_MOST_ENTRIES = 30
_TOP_TAGS = 50
_MAX_COUNT = 1e12
_REPEATED = re.compile(r"\d+_(.+)", re.DOTALL)
"""A training directory is named for its repeats and its subject: `10_sks cat`."""


def training_parameters(metadata: Mapping[str, JsonValue]) -> JsonObject:
    """Give the parameters by kohya's names without their prefix, those alone that say something."""
    found: JsonObject = {name: scalar_in(metadata.get(f"ss_{name}"), _MAX_VALUE_CHARACTERS) for name in _PARAMETERS}
    found |= {name: _moment(metadata.get(f"ss_{name}")) for name in _MOMENTS}
    found["network_args"] = _scalars(document_in(metadata.get("ss_network_args")))
    found["directories"] = _directories(document_in(metadata.get("ss_dataset_dirs")))
    comment = text_in(metadata.get("ss_training_comment"))
    found["comment"] = comment[:_MAX_COMMENT_CHARACTERS] if comment else None
    return {name: value for name, value in found.items() if value not in (None, {}, [])}


def training_tags(metadata: Mapping[str, JsonValue]) -> list[JsonValue]:
    """Give the most frequent tags over all training directories as {tag, count}."""
    counts: dict[str, float] = {}
    for tags in objects_in(document_in(metadata.get("ss_tag_frequency"))):
        for tag, count in tags.items():
            if isinstance(count, int | float) and 0 < count <= _MAX_COUNT and tag.strip():
                counts[tag.strip()] = counts.get(tag.strip(), 0) + count
    top = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:_TOP_TAGS]
    return [{"tag": tag, "count": number_in(str(count))} for tag, count in top]


def class_tokens(metadata: Mapping[str, JsonValue]) -> list[JsonValue]:
    """Give what the trainer was told to call its subjects, else what the training directories are named for."""
    subsets = [
        subset
        for dataset in objects_in(document_in(metadata.get("ss_datasets")))
        for subset in objects_in(dataset.get("subsets"))
    ]
    told = [text_in(subset.get("class_tokens")) for subset in subsets]
    named = [_subject(name) for key in ("ss_dataset_dirs", "ss_tag_frequency") for name in _keys(metadata.get(key))]
    words = [word for word in told if word] or [word for word in named if word]
    unique: list[JsonValue] = [*dict.fromkeys(word for word in words if len(word) <= _MAX_VALUE_CHARACTERS)]
    return unique[:_MOST_ENTRIES]


def _keys(value: JsonValue) -> list[str]:
    document = document_in(value)
    return list(document) if isinstance(document, dict) else []


def _subject(name: str) -> str | None:
    match = _REPEATED.fullmatch(name)
    return text_in(match[1]) if match else None


def _scalars(value: JsonValue) -> JsonObject:
    entries = list(value.items())[:_MOST_ENTRIES] if isinstance(value, dict) else []
    found = {
        name: scalar_in(each, _MAX_VALUE_CHARACTERS) for name, each in entries if len(name) <= _MAX_VALUE_CHARACTERS
    }
    return {name: each for name, each in found.items() if each is not None}


def _directories(value: JsonValue) -> list[JsonValue]:
    """Give each training directory with its images and how often each of them was shown."""
    entries = list(value.items())[:_MOST_ENTRIES] if isinstance(value, dict) else []
    return [
        {
            "name": name,
            "images": scalar_in(each.get("img_count"), _MAX_VALUE_CHARACTERS),
            "repeats": scalar_in(each.get("n_repeats"), _MAX_VALUE_CHARACTERS),
        }
        for name, each in entries
        if isinstance(each, dict) and len(name) <= _MAX_VALUE_CHARACTERS
    ]


def _moment(value: JsonValue) -> str | None:
    """Give a time that is written as seconds since 1970 in the words of ISO 8601, to the second."""
    number = scalar_in(value, _MAX_VALUE_CHARACTERS)
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    try:
        return datetime.fromtimestamp(number, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return None
