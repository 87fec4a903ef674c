"""Every line of the recognition tables decides some case: some stand beside the reader's tests, the rest here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.formats import adapter_rules, architecture, model_rules
from modelshelf.formats.architecture import recognise
from modelshelf.formats.evidence import Names
from tests.unit.formats.test_formats_architecture import (
    ADAPTERS,
    CROSS,
    FLUX,
    MODELS,
    PARTS,
    UNET,
    VAE_INSIDE,
    Line,
    Shapes,
    pair,
    peft,
    unet,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from modelshelf.formats.evidence import Rule

SDXL_UNET: Shapes = {"input_blocks.0.0.weight": (320, 4, 3, 3), "label_emb.0.0.weight": (1280, 2816)}
JOINT: Shapes = {"joint_blocks.0.context_block.attn.qkv.weight": (1, 1)}
REFINER: Shapes = {"txt_in.individual_token_refiner.blocks.0.norm1.weight": (3072,)}


def with_input(shapes: Shapes, channels: int) -> Shapes:
    return shapes | {"input_blocks.0.0.weight": (320, channels, 3, 3)}


def deep(block: str, depth: int) -> Shapes:
    return {f"{block}.transformer_blocks.{number}.norm1.weight": (1280,) for number in range(depth)}


MORE_ADAPTERS: list[Line] = [
    ({f"{CROSS}.oft_blocks": (2, 4, 8, 8)}, "BOFT", None),
    ({"diffusion_model.x.w_norm": (8,), "diffusion_model.x.b_norm": (8,)}, "Full difference", None),
    ({"diffusion_model.x.set_weight": (8, 8)}, "Full difference", None),
    (peft("diffusion_model.double_blocks.0.img_attn.norm.key_norm.scale", 1), "LoRA", "Flux.1"),
    (
        pair("double_blocks.0.img_attn.qkv", 3072) | {"double_blocks.0.img_attn.norm.key_norm.scale": (128,)},
        "Control-LoRA",
        "Flux.1",
    ),
    (peft("diffusion_model.txtfusion.0.x", 8), "LoRA", "Krea 2"),
    (peft("diffusion_model.single_blocks.19.linear1", 3072, 9999), "LoRA", "Flux.2 klein 4B"),
    (
        peft("diffusion_model.single_blocks.19.linear1", 3072, 9999)
        | peft("diffusion_model.single_blocks.20.linear1", 3072),
        "LoRA",
        "Flux.1",
    ),
    (
        peft("transformer.single_transformer_blocks.18.attn.to_q", 3072)
        | peft("transformer.transformer_blocks.5.attn.to_q", 3072),
        "LoRA",
        "Flux.1",
    ),
    ({"lora_unet_joint_blocks_37_context_block_attn_qkv.lokr_w1": (4, 4)}, "LoKr", "SD3.5-large"),
    (peft("diffusion_model.noise_refiner.0.feed_forward.w3", 3840), "LoRA", "Z-Image"),
    (peft("diffusion_model.context_refiner.0.attention.qkv", 2304), "LoRA", "Lumina2"),
    (pair("lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_ff_net_2", 1280), "LoRA", "SD1"),
    (pair("lora_unet_output_blocks_5_1_transformer_blocks_1_ff_net_2", 2560), "LoRA", "SDXL"),
    (pair("lora_unet_down_blocks_2_attentions_1_transformer_blocks_9_attn2_to_v", 2048), "LoRA", "SDXL"),
]

MORE_MODELS: list[Line] = [
    (with_input(unet(768), 9), "Diffusion model", "SD1 inpainting"),
    (with_input(unet(768), 8), "Diffusion model", "SD1 InstructPix2Pix"),
    (with_input(unet(1024), 9), "Diffusion model", "SD2 inpainting"),
    (with_input(unet(1024), 5), "Diffusion model", "SD2 depth"),
    (with_input(unet(2048), 9), "Diffusion model", "SDXL inpainting"),
    (unet(2048, UNET) | VAE_INSIDE | {"v_pred": (), "ztsnr": ()}, "Checkpoint", "SDXL v-prediction"),
    (unet(2048) | {"edm_vpred.sigma_max": ()}, "Diffusion model", "SDXL v-prediction"),
    (unet(2048) | {"edm_mean": (4,), "edm_std": (4,)}, "Diffusion model", "SDXL Playground 2.5"),
    (SDXL_UNET | deep("input_blocks.7.1", 10), "Diffusion model", "SDXL"),
    (SDXL_UNET | deep("input_blocks.7.1", 4), "Diffusion model", "SSD-1B"),
    (SDXL_UNET | deep("down_blocks.2.attentions.0", 2), "Diffusion model", "Vega"),
    ({"input_blocks.0.0.weight": (256, 7, 3, 3)}, "Diffusion model", "SD x4 upscaler"),
    (FLUX | {"img_in.weight": (1, 128)}, "Diffusion model", "Flux.2"),
    (FLUX | {"double_stream_modulation_img.lin.weight": (24576, 4096)}, "Diffusion model", "Flux.2 klein 9B"),
    (FLUX | {"distilled_guidance_layer.x": (1,), "nerf_blocks.0.x": (1,)}, "Diffusion model", "Chroma Radiance"),
    (
        {"single_transformer_blocks.0.norm.linear.qweight": (1, 1), "single_transformer_blocks.0.x.wscales": (1,)},
        "Diffusion model",
        "Flux.1 SVDQuant",
    ),
    (JOINT | {"pos_embed": (1, 147456, 1536)}, "Diffusion model", "SD3.5-medium"),
    (JOINT | {"pos_embed": (1, 36864, 1536)}, "Diffusion model", "SD3"),
    (JOINT | {"x_embedder.proj.weight": (2432, 16, 2, 2)}, "Diffusion model", "SD3.5-large"),
    (JOINT | {"joint_blocks.0.context_block.attn.proj.bias": (2432,)}, "Diffusion model", "SD3.5-large"),
    (REFINER | {"img_in.proj.weight": (3072, 16, 1, 2, 2)}, "Diffusion model", "HunyuanVideo"),
    (REFINER | {"img_in.proj.weight": (3072, 33, 1, 2, 2)}, "Diffusion model", "HunyuanVideo image to video"),
    (REFINER | {"img_in.proj.weight": (3072, 32, 1, 2, 2)}, "Diffusion model", "HunyuanVideo SkyReels image to video"),
    ({"mlp_t5.0.weight": (1, 1)}, "Diffusion model", "HunyuanDiT"),
    ({"txt_norm.weight": (2560,), "transformer_blocks.0.x": (1,)}, "Diffusion model", "Mage-Flow"),
    (
        {"txt_norm.weight": (3584,), "transformer_blocks.0.x": (1,), "__index_timestep_zero__": ()},
        "Diffusion model",
        "Qwen-Image Edit 2511",
    ),
    (
        {"context_refiner.0.attention.norm_k.weight": (128,), "layers.0.adaLN_modulation.0.bias": (15360,)},
        "Diffusion model",
        "Z-Image",
    ),
    *(
        ({"head.modulation": (1, 2, 5120), **extra}, "Diffusion model", f"Wan 14B {variant}")
        for extra, variant in (
            ({"patch_embedding.weight": (5120, 16, 1, 2, 2)}, "text to video"),
            ({"patch_embedding.weight": (5120, 36, 1, 2, 2)}, "image to video"),
            ({"vace_blocks.0.x": (1,)}, "VACE"),
            ({"face_adapter.x": (1,)}, "animate"),
            ({"casual_audio_encoder.x": (1,)}, "speech to video"),
            ({"control_adapter.x": (1,)}, "camera"),
            ({"img_emb.emb_pos": (1, 514, 1280)}, "first and last frame to video"),
        )
    ),
    ({"blocks.block0.blocks.0.block.attn.to_q.0.weight": (1, 1)}, "Diffusion model", "Cosmos"),
    ({"t5_yproj.weight": (1, 1)}, "Diffusion model", "Mochi"),
    ({"double_layers.0.attn.w1q.weight": (1, 1)}, "Diffusion model", "AuraFlow"),
    ({"t_block.1.weight": (1, 1), "y_embedder.y_embedding": (1, 1)}, "Diffusion model", "PixArt"),
    (
        {"t_block.1.weight": (1, 1), "y_embedder.y_embedding": (1, 1), "ar_embedder.mlp.0.weight": (1, 1)},
        "Diffusion model",
        "PixArt alpha",
    ),
    ({"time_caption_embed.x": (1,)}, "Diffusion model", "OmniGen2"),
    ({"clf.1.weight": (1, 1), "clip_txt_mapper.weight": (1, 1)}, "Diffusion model", "Cascade stage C"),
    ({"clf.1.weight": (1, 1), "clip_mapper.weight": (1, 1)}, "Diffusion model", "Cascade stage B"),
    ({"vquantizer.codebook.weight": (1, 1)}, "Diffusion model", "Cascade stage A"),
    ({"attention_y_norm.weight": (1,)}, "Diffusion model", "Sana"),
    ({"pooled_text_embeddings.in_layer.weight": (1, 1)}, "Diffusion model", "Kandinsky 5"),
    ({"genre_embedder.weight": (1, 1)}, "Diffusion model", "ACE-Step"),
    (
        {"model.transformer.rotary_pos_emb.inv_freq": (16,), "model.to_timestep_embed.0.weight": (1, 1)},
        "Diffusion model",
        "Stable Audio",
    ),
    ({"latent_in.weight": (1, 1)}, "Diffusion model", "Hunyuan3D"),
    ({"llm_cond_proj.weight": (1, 1), "embed_image_indicator.weight": (1, 1)}, "Diffusion model", "Ideogram 4"),
    (
        unet(768, UNET) | {"cond_stage_model.transformer.text_model.x": (1,)} | pair("lora_unet_stray", 4),
        "Checkpoint",
        "SD1",
    ),
    ({"conditioner.embedders.0.transformer.x": (1,), "conditioner.embedders.1.model.x": (1,)}, None, "SDXL"),
    ({"conditioner.embedders.0.model.ln_final.bias": (1280,)}, None, "SDXL-refiner"),
    ({"conditioner.embedders.0.model.ln_final.bias": (1024,), "denoiser.sigmas": (1000,)}, None, "SD2"),
    ({"cond_stage_model.model.ln_final.bias": (1024,)}, None, "SD2"),
]

MORE_PARTS: list[Line] = [
    ({"control_model.x.attn2.to_k.weight": (320, 1024)}, "ControlNet", "SD2"),
    ({"controlnet_blocks.0.weight": (1, 1), "controlnet_x_rms.weight": (1,)}, "ControlNet", "Qwen-Image"),
    ({"ip_adapter.1.to_k_ip.weight": (320, 1024)}, "IP-Adapter", "SD2"),
    ({"double_blocks.0.processor.ip_adapter_double_stream_k_proj.weight": (1, 1)}, "IP-Adapter", "Flux.1"),
    ({"decoder.conv_in.weight": (512, 32, 3, 3)}, "VAE", "Flux.2"),
    ({"before_RG.1.weight": (180,)}, "Upscaler", None),
    ({"visual.blocks.0.attn.qkv.weight": (1, 1)}, "Text encoder", "Qwen-VL"),
]

EVERYTHING: list[Line] = [*ADAPTERS, *MODELS, *PARTS, *MORE_ADAPTERS, *MORE_MODELS, *MORE_PARTS]


@pytest.mark.parametrize(("shapes", "kind", "base"), [*MORE_ADAPTERS, *MORE_MODELS, *MORE_PARTS])
def test_a_file_is_told_by_the_row_that_it_is(shapes: Shapes, kind: str | None, base: str | None) -> None:
    assert recognise(shapes, {}) == (kind, base)


VIEWS: dict[str, Callable[[Shapes], Shapes]] = {
    "plain": dict,
    "modules": architecture._modules,
    "stripped": architecture._with_stripped,
}


def deciding(rules: Iterable[Rule], views: Iterable[Names]) -> set[Rule]:
    """Give the rules of one table that are the first to hold for some view of a file's names."""
    table = tuple(rules)
    return {next(rule for rule in table if names._holds(rule)) for names in views if names.first(table) is not None}


@pytest.mark.parametrize(
    ("table", "view"),
    [
        (adapter_rules.KINDS, "plain"),
        (adapter_rules.BASES, "modules"),
        (model_rules.DIFFUSION, "stripped"),
        (model_rules.BUNDLED_TEXT_ENCODERS, "plain"),
        (model_rules.PARTS, "stripped"),
        (model_rules.TEXT_ENCODERS, "stripped"),
        *((rules, "plain") for rules in model_rules.PART_BASES.values()),
        *((rules, "stripped") for _, rules in model_rules.VARIANTS),
    ],
)
def test_no_rule_stands_idle(table: tuple[Rule, ...], view: str) -> None:
    """A rule that decides nothing is shadowed by one above it, or has a pattern that no name fits."""
    decided = deciding(table, [Names(VIEWS[view](shapes)) for shapes, _, _ in EVERYTHING])
    assert [rule.answer for rule in table if rule not in decided] == []
