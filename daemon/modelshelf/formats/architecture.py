"""Recognising what a file's tensors make: its kind (LoRA, Checkpoint, VAE, ...) and the architecture it fits.

Shapes beat what trainers write into metadata, which is often wrong; the one exception is GGUF's `general.architecture`,
asked where no table knows the names. Pony, Illustrious and the like are SDXL by shape.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelshelf.formats import adapter_rules, model_rules
from modelshelf.formats.evidence import Names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelshelf.domain.jsontypes import JsonValue

_MAX_TENSORS = 50_000
_MAX_NAME_CHARACTERS = 400
_MAX_CHARACTERS = 1_500_000
"""Bound the time that hostile names may take: real ones stay below 200 characters, and below half a million together."""

_PREFIXES = (
    "model.diffusion_model.",
    "diffusion_model.",
    "base_model.model.",
    "transformer.",
    "net.",
    "model.",
)
_MODULE_PREFIX = re.compile(
    r"^(base_model[._]model[._])?(lora_unet_|lycoris_|lora_transformer_|lora_prior_|model\.diffusion_model\.|diffusion_model\."
    r"|transformer\.|unet\.|net\.)?"
)
_MODULE_SUFFIX = re.compile(
    r"[._](?:lora_(?:down|up|mid|A|B|magnitude_vector)|lora_linear_layer|lora[12]?\.(?:down|up)|(?:proj|qkv)_lora[12]?\."
    r"|hada_[wt]\d|lokr_[wt]\d|oft_|dora_scale|alpha$|diff(?:_b)?$|on_input$|[ab][12]\.weight$|[wb]_norm$).*$"
)
_DOWN = re.compile(r"(lora_down|lora_A|lora_linear_layer\.down|lora[12]?\.down|hada_w1_b)\b")
_UP = re.compile(r"(lora_up|lora_B|lora_linear_layer\.up|lora[12]?\.up|hada_w1_a)\b")

_GGUF_ARCHITECTURES = {
    "flux": "Flux.1",
    "sd1": "SD1",
    "sdxl": "SDXL",
    "sd3": "SD3",
    "aura": "AuraFlow",
    "hidream": "HiDream",
    "cosmos": "Cosmos",
    "ltxv": "LTXV",
    "hyvid": "HunyuanVideo",
    "wan": "Wan",
    "lumina2": "Lumina2",
    "qwen_image": "Qwen-Image",
}
_GGUF_TEXT_ENCODERS = {
    "t5": "T5",
    "t5encoder": "T5",
    "qwen2vl": "Qwen-VL",
    "qwen3vl": "Qwen-VL",
    "llama": "Language model",
    "qwen3": "Language model",
}
_GGUF_ADAPTERS = {"lora": "LoRA"}
_GGUF_VISION = {"clip-vision", "mmproj"}
_MAX_EMBEDDING_TENSORS = 8


def recognise(
    tensors: Mapping[str, tuple[int, ...]], metadata: Mapping[str, JsonValue]
) -> tuple[str | None, str | None]:
    """Give kind and architecture; either is None where nothing shows it."""
    shapes = _bounded(tensors)
    names = Names(shapes)
    stripped = Names(_with_stripped(shapes))
    has_parts = names.has(model_rules.HAS_VAE) or names.has(model_rules.HAS_WHOLE_TEXT_ENCODER)
    is_full = has_parts and stripped.first(model_rules.DIFFUSION) is not None
    adapter = None if is_full else names.first(adapter_rules.KINDS)
    if adapter:
        return adapter, Names(_modules(shapes)).first(adapter_rules.BASES)
    part = None if is_full else _part(stripped, len(shapes))
    return part or _model(names, stripped) or _declared(metadata)


def _part(names: Names, tensor_count: int) -> tuple[str, str | None] | None:
    kind = names.first(model_rules.PARTS)
    if kind is None or (kind == "TextualInversion" and tensor_count > _MAX_EMBEDDING_TENSORS):
        return None
    return kind, names.first(model_rules.PART_BASES.get(kind, ()))


def _model(names: Names, stripped: Names) -> tuple[str | None, str] | None:
    has_parts = names.has(model_rules.HAS_VAE) or names.has(model_rules.HAS_TEXT_ENCODER)
    diffusion = stripped.first(model_rules.DIFFUSION)
    if diffusion:
        return "Checkpoint" if has_parts else "Diffusion model", _with_variant(stripped, diffusion)
    bundled = names.first(model_rules.BUNDLED_TEXT_ENCODERS)
    if bundled:
        return None, bundled
    encoder = stripped.first(model_rules.TEXT_ENCODERS)
    return ("Text encoder", encoder) if encoder else None


def _with_variant(names: Names, base: str) -> str:
    """Add what its input channels and extra blocks make of it."""
    rules = next((rules for start, rules in model_rules.VARIANTS if base.startswith(start)), ())
    variant = names.first(rules)
    return f"{base} {variant}" if variant else base


def _declared(metadata: Mapping[str, JsonValue]) -> tuple[str | None, str | None]:
    name = str(metadata.get("general.architecture", "")).lower()
    if metadata.get("general.type") == "adapter":
        return _GGUF_ADAPTERS.get(str(metadata.get("adapter.type", "")).lower()), _GGUF_ARCHITECTURES.get(name)
    if metadata.get("general.type") in _GGUF_VISION:
        return "Text encoder", "CLIP vision"
    if name in _GGUF_ARCHITECTURES:
        return "Diffusion model", _GGUF_ARCHITECTURES[name]
    return ("Text encoder", _GGUF_TEXT_ENCODERS[name]) if name in _GGUF_TEXT_ENCODERS else (None, None)


def _bounded(tensors: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    kept: dict[str, tuple[int, ...]] = {}
    characters = 0
    for name, shape in tensors.items():
        characters += len(name)
        if len(kept) == _MAX_TENSORS or characters > _MAX_CHARACTERS:
            break
        if len(name) <= _MAX_NAME_CHARACTERS and "\n" not in name:
            kept[name] = shape
    return kept


def _with_stripped(shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Add every name without its prefix; a part's own names may begin like one, so both are kept."""
    both = dict(shapes)
    for name, shape in shapes.items():
        prefix = next((each for each in _PREFIXES if name.startswith(each)), "")
        both.setdefault(name[len(prefix) :], shape)
    return both


def _modules(shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Give the modules that an adapter changes, one spelling for all trainers, with the widths that its factors show."""
    widths: dict[str, list[int]] = {}
    for name, shape in shapes.items():
        module = _MODULE_PREFIX.sub("", _MODULE_SUFFIX.sub("", name), count=1).replace(".", "_")
        width = widths.setdefault(module, [0, 0])
        if len(shape) > 1 and _DOWN.search(name):
            width[adapter_rules.INPUT] = shape[1]
        elif shape and _UP.search(name):
            width[adapter_rules.OUTPUT] = shape[0]
    return {module: tuple(width) for module, width in widths.items()}
