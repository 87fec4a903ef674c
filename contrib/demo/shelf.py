"""What stands on the demo shelf: every supported format once, some files broken, most of them known to the stand-in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests import builders
from tests.fakes.civitai_stored import Details

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.fakes.civitai_server import CivitaiStandIn


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One file of the demo: where it lies below the shelf, its bytes, and what Civitai knows of it (empty: nothing)."""

    path: str
    content: bytes
    details: Details = field(default_factory=Details)


INK_STORY = (
    "<p>Lines of <strong>brush and ink</strong> on rough paper. Start at a weight of <code>0.7</code>.</p>"
    "<ul><li>Works with most SDXL checkpoints</li><li>Add <em>negative space</em> for quiet pictures</li></ul>"
)
KOHYA = {
    "ss_base_model_version": "sdxl_base_v1-0",
    "ss_network_module": "networks.lora",
    "ss_network_dim": "16",
    "ss_network_alpha": "8",
    "ss_tag_frequency": '{"10_inkwash": {"ink": 40, "landscape": 31, "no humans": 22}}',
    "modelspec.title": "Ink Wash",
}
SELF_TRAINED = {
    "modelspec.title": "My cat, trained at home",
    "modelspec.author": "me",
    "modelspec.trigger_phrase": "mycat",
    "modelspec.description": "Twelve pictures of the cat. Nobody else has this file.",
    "ss_base_model_version": "sdxl_base_v1-0",
}


def exhibits() -> list[Exhibit]:
    """Give the files of the shelf."""
    lora = builders.lora(1, metadata=KOHYA, padding_bytes=400_000)
    return [
        Exhibit("loras/ink wash.safetensors", lora, lora_details("Ink Wash", ["inkwash", "brush lines"], INK_STORY)),
        Exhibit("loras/neon [xl] #2.safetensors", builders.lora(2), lora_details("Neon Nights", ["neonnight"], None)),
        Exhibit("loras/self-trained cat.safetensors", builders.lora(3, metadata=SELF_TRAINED)),
        Exhibit(
            "checkpoints/paper-diorama.safetensors",
            builders.checkpoint(4),
            kind("Paper Diorama", "Checkpoint", "SD 1.5", ["paper diorama"]),
        ),
        Exhibit(
            "checkpoints/old-school.ckpt",
            builders.torch_zip(5),
            kind("Old School Mix", "Checkpoint", "SD 1.5", []),
        ),
        Exhibit("vae/clear-colours.safetensors", builders.vae(6), kind("Clear Colours VAE", "VAE", "SD 1.5", [])),
        Exhibit(
            "embeddings/tidy-hands.pt",
            builders.legacy_pickle(7),
            kind("Tidy Hands", "TextualInversion", "SD 1.5", ["tidyhands"]),
        ),
        Exhibit(
            "embeddings/soft-light.safetensors",
            builders.embedding(8),
            kind("Soft Light", "TextualInversion", "SD 1.5", ["softlight"]),
        ),
        Exhibit("unet/quantised.gguf", builders.gguf(9), kind("Flux Quantised", "Checkpoint", "Flux.1 D", [])),
        Exhibit("upscalers/four-times.onnx", builders.onnx(10), kind("Four Times", "Upscaler", "Upscaler", [])),
        Exhibit("broken/half a download.safetensors", builders.lora(11, padding_bytes=90_000)[:40_000]),
        Exhibit("broken/login page.safetensors", builders.html_page()),
        Exhibit("broken/git-lfs pointer.safetensors", builders.lfs_pointer()),
    ]


def lora_details(name: str, words: Sequence[str], description: str | None) -> Details:
    """Give what Civitai knows of a LoRA."""
    return Details(
        name=name,
        version_name="v1.0",
        model_type="LORA",
        base_model="SDXL 1.0",
        trained_words=words,
        description=description,
        tags=["style", "drawing"],
        creator="demo_artist",
        images=2,
    )


def kind(name: str, model_type: str, base_model: str, words: Sequence[str]) -> Details:
    """Give what Civitai knows of anything else."""
    return Details(
        name=name,
        version_name="v2",
        model_type=model_type,
        base_model=base_model,
        trained_words=words,
        tags=["demo"],
        creator="demo_artist",
        images=1,
    )


DROPPED = Exhibit(
    "loras/new today/watercolour.safetensors",
    builders.lora(20, metadata=KOHYA | {"modelspec.title": "Watercolour"}, padding_bytes=300_000),
    lora_details("Watercolour", ["watercolour wash"], "<p>Wet on wet.</p>"),
)


def fill(models: Path) -> list[Exhibit]:
    """Put every exhibit on the shelf."""
    shown = exhibits()
    for each in shown:
        target = models / each.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(each.content)
    return shown


def introduce(civitai: CivitaiStandIn, shown: Sequence[Exhibit]) -> None:
    """Let the stand-in know the exhibits that Civitai would know."""
    for each in shown:
        if each.details:
            sha256 = hashlib.sha256(each.content).hexdigest().upper()
            civitai.add_file(sha256, len(each.content), **each.details)
