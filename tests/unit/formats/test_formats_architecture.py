"""Recognition by tensor names and shapes: a line per family of models, and the key lists of real ones."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from modelshelf.formats.architecture import recognise

if TYPE_CHECKING:
    from pathlib import Path

Shapes = dict[str, tuple[int, ...]]
Line = tuple[Shapes, str | None, str | None]

REAL = {
    "anima_lora_kohya_format": ("LoRA", "Anima"),
    "anima_lora_kohya_with_te_format": ("LoRA", "Anima"),
    "anima_lora_peft_format": ("LoRA", "Anima"),
    "flux2_transformer_bfl_keys": ("Diffusion model", "Flux.2 klein 9B"),
    "flux2_vae_bfl_keys": ("VAE", "Flux.2"),
    "flux_control_lora_format": ("Control-LoRA", "Flux.1"),
    "flux_dora_onetrainer_format": ("DoRA", "Flux.1"),
    "flux_lora_aitoolkit_format": ("LoRA", "Flux.1"),
    "flux_lora_diffusers_base_model_format": ("LoRA", "Flux.1"),
    "flux_lora_diffusers_format": ("LoRA", "Flux.1"),
    "flux_lora_diffusers_no_proj_mlp_format": ("LoRA", "Flux.1"),
    "flux_lora_kohya_format": ("LoRA", "Flux.1"),
    "flux_lora_kohya_with_te1_format": ("LoRA", "Flux.1"),
    "instantx_flux_controlnet_state_dict": ("ControlNet", "Flux.1"),
    "krea2_lora_kohya_format": ("LoRA", "Krea 2"),
    "qwen_vl_encoder_comfyui_keys": ("Text encoder", "Qwen-VL"),
    "xlabs_flux_controlnet_state_dict": ("ControlNet", "Flux.1"),
    "xlabs_flux_ip_adapter_state_dict": ("IP-Adapter", "Flux.1"),
}


def shapes_in(path: Path) -> Shapes:
    return {name: tuple(shape or ()) for name, shape in json.loads(path.read_text()).items()}


@pytest.mark.parametrize("name", REAL)
def test_the_key_lists_of_real_models_are_recognised(recordings: Path, name: str) -> None:
    assert recognise(shapes_in(recordings / "key_lists" / f"{name}.json"), {}) == REAL[name]


def test_every_real_key_list_has_its_line_here(recordings: Path) -> None:
    assert {path.stem for path in (recordings / "key_lists").iterdir()} == set(REAL)


def pair(
    module: str, width: int, out: int = 320, *, down: str = ".lora_down.weight", up: str = ".lora_up.weight"
) -> Shapes:
    return {f"{module}{down}": (4, width), f"{module}{up}": (out, 4)}


def peft(module: str, width: int, out: int = 320) -> Shapes:
    return pair(module, width, out, down=".lora_A.weight", up=".lora_B.weight")


CROSS = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"

ADAPTERS: list[Line] = [
    (pair(CROSS, 768), "LoRA", "SD1"),
    (pair(CROSS, 1024), "LoRA", "SD2"),
    (pair(CROSS, 2048), "LoRA", "SDXL"),
    (pair(CROSS, 1280), "LoRA", "SDXL-refiner"),
    (peft("unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v", 2048), "LoRA", "SDXL"),
    (
        pair(
            "unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_k",
            768,
            down="_lora.down.weight",
            up="_lora.up.weight",
        ),
        "LoRA",
        "SD1",
    ),
    (
        pair("unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k", 768, down=".lora_linear_layer.down.weight"),
        "LoRA",
        "SD1",
    ),
    (pair("lora_unet_input_blocks_4_1_transformer_blocks_1_attn1_to_q", 640), "LoRA", None),
    (pair("lora_unet_output_blocks_0_1_transformer_blocks_9_attn1_to_q", 1280), "LoRA", "SDXL"),
    (pair("lora_te_text_model_encoder_layers_0_self_attn_q_proj", 768), "LoRA", "SD1"),
    (pair("lora_te_text_model_encoder_layers_0_self_attn_q_proj", 1024), "LoRA", "SD2"),
    (pair("lora_te2_text_model_encoder_layers_0_mlp_fc1", 1280), "LoRA", "SDXL"),
    (pair("lora_te1_text_model_encoder_layers_0_mlp_fc1", 768), "LoRA", "SDXL"),
    ({"unet:0:up": (320, 4), "unet:0:down": (4, 320)}, "LoRA", None),
    (pair(CROSS, 768) | {"lora_unet_conv_in.lora_down.weight": (4, 4, 3, 3)}, "LoCon", "SD1"),
    (pair(CROSS, 768) | {"lora_unet_conv_in.lora_mid.weight": (4, 4, 3, 3)}, "LoCon", "SD1"),
    (pair(CROSS, 768) | {f"{CROSS}.dora_scale": (1, 768)}, "DoRA", "SD1"),
    (
        peft("base_model.model.down_blocks.0.attn2.to_k", 768) | {"x.lora_magnitude_vector": (8,)},
        "DoRA",
        "SD1",
    ),
    ({f"{CROSS}.hada_w1_a": (320, 4), f"{CROSS}.hada_w1_b": (4, 2048), f"{CROSS}.hada_w2_a": (320, 4)}, "LoHa", "SDXL"),
    (
        {"lycoris_blocks_0_cross_attn_q_proj.lokr_w1": (4, 4), "lycoris_blocks_0_cross_attn_q_proj.lokr_w2": (8, 8)},
        "LoKr",
        "Anima",
    ),
    ({"lora_unet_double_blocks_0_img_attn_qkv.lokr_w1_a": (4, 4)}, "LoKr", "Flux.1"),
    ({"lora_unet_double_blocks_0_img_attn_qkv.oft_blocks": (4, 8, 8)}, "OFT", "Flux.1"),
    ({f"{CROSS}.oft_diag": (4, 8, 8)}, "OFT", None),
    ({f"{CROSS}.a1.weight": (4, 4), f"{CROSS}.a2.weight": (4, 4), f"{CROSS}.b1.weight": (4, 4)}, "GLoRA", None),
    ({f"{CROSS}.weight": (768,), f"{CROSS}.on_input": ()}, "IA3", None),
    (
        {"diffusion_model.blocks.0.ffn.0.diff": (8, 8), "diffusion_model.blocks.0.ffn.0.diff_b": (8,)},
        "Full difference",
        None,
    ),
    ({"lora_controlnet": (), "input_blocks.1.0.in_layers.2.up": (4, 4)}, "Control-LoRA", None),
    (peft("diffusion_model.distilled_guidance_layer.layers.0.in_layer", 3072), "LoRA", "Chroma"),
    (peft("transformer.double_stream_blocks.0.block.attn1.to_q", 2560), "LoRA", "HiDream"),
    (pair("lora_unet_double_blocks_0_txt_mod_linear", 3072), "LoRA", "HunyuanVideo"),
    (peft("transformer.single_transformer_blocks.39.attn.to_q", 3072), "LoRA", "HunyuanVideo"),
    (peft("transformer.transformer_blocks.0.img_mlp.net.0.proj", 3072), "LoRA", "Qwen-Image"),
    (peft("transformer.transformer_blocks.59.attn.add_k_proj", 3072), "LoRA", "Qwen-Image"),
    (peft("transformer.transformer_blocks.3.attn.add_k_proj", 3072), "LoRA", "Flux.1"),
    (peft("diffusion_model.double_blocks.0.img_attn.qkv", 4096), "LoRA", "Flux.2 klein 9B"),
    (peft("diffusion_model.single_blocks.0.linear1", 6144), "LoRA", "Flux.2 dev"),
    (peft("diffusion_model.single_blocks.0.linear1", 3072, 27648), "LoRA", "Flux.2 klein 4B"),
    (peft("diffusion_model.double_blocks.0.img_mlp.0", 3072, 18432), "LoRA", "Flux.2 klein 4B"),
    (peft("diffusion_model.txt_in", 7680), "LoRA", "Flux.2 klein 4B"),
    (peft("diffusion_model.txt_in", 12288), "LoRA", "Flux.2 klein 9B"),
    (peft("transformer.context_embedder", 15360), "LoRA", "Flux.2 dev"),
    (peft("transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj", 3072), "LoRA", "Flux.2 klein 4B"),
    (
        pair("double_blocks.0.processor", 3072, down=".proj_lora1.down.weight", up=".proj_lora1.up.weight"),
        "LoRA",
        "Flux.1",
    ),
    (peft("transformer.joint_blocks.0.x_block.attn.qkv", 1536), "LoRA", "SD3"),
    (peft("transformer.transformer_blocks.0.attn.add_k_proj", 1536), "LoRA", "SD3"),
    (peft("transformer.transformer_blocks.37.attn.add_k_proj", 2432), "LoRA", "SD3.5-large"),
    (peft("transformer.transformer_blocks.1.attn.add_k_proj", 2432), "LoRA", "SD3.5-large"),
    (peft("transformer.joint_blocks.0.x_block_attn2.qkv", 1536), "LoRA", "SD3.5-medium"),
    (peft("diffusion_model.layers.0.attention.qkv", 3840), "LoRA", "Z-Image"),
    (peft("diffusion_model.layers.0.feed_forward.w1", 2304), "LoRA", "Lumina2"),
    (peft("diffusion_model.blocks.0.self_attn.q", 1536), "LoRA", "Wan 2.1 1.3B"),
    (peft("diffusion_model.blocks.0.ffn.0", 3072), "LoRA", "Wan 2.2 5B"),
    (pair("lora_unet_blocks_0_cross_attn_k", 5120), "LoRA", "Wan 14B"),
    (peft("transformer.transformer_blocks.0.attn1.to_q", 2048), "LoRA", "LTXV"),
    (peft("transformer.transformer_blocks.0.audio_attn1.to_q", 2048), "LoRA", "LTXV2"),
    (peft("transformer.transformer_blocks.0.attn1.to_q", 1152), "LoRA", "PixArt"),
]


@pytest.mark.parametrize(("shapes", "kind", "architecture"), ADAPTERS)
def test_adapters_are_told_by_their_factors_and_modules(shapes: Shapes, kind: str, architecture: str | None) -> None:
    assert recognise(shapes, {}) == (kind, architecture)


UNET = "model.diffusion_model."
FLUX: Shapes = {"double_blocks.0.img_attn.norm.key_norm.scale": (128,)}


def unet(width: int, prefix: str = "") -> Shapes:
    return {
        f"{prefix}input_blocks.0.0.weight": (320, 4, 3, 3),
        f"{prefix}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (640, width),
    }


VAE_INSIDE: Shapes = {"first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3)}

MODELS: list[Line] = [
    (unet(768, UNET) | VAE_INSIDE, "Checkpoint", "SD1"),
    (unet(768, UNET) | VAE_INSIDE | pair("lora_te_text_model_encoder_layers_0_mlp_fc1", 768), "Checkpoint", "SD1"),
    (unet(1024, UNET) | {"cond_stage_model.model.ln_final.bias": (1024,)}, "Checkpoint", "SD2"),
    (unet(2048, UNET) | {"conditioner.embedders.0.transformer.x": (1,)}, "Checkpoint", "SDXL"),
    (unet(1280, UNET) | VAE_INSIDE, "Checkpoint", "SDXL-refiner"),
    ({"input_blocks.0.0.weight": (320, 4, 3, 3), "label_emb.0.0.weight": (1280, 2816)}, "Diffusion model", "SDXL"),
    (
        {"input_blocks.0.0.weight": (384, 4, 3, 3), "label_emb.0.0.weight": (1536, 2560)},
        "Diffusion model",
        "SDXL-refiner",
    ),
    (
        {
            "conv_in.weight": (320, 4, 3, 3),
            "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (320, 768),
        },
        "Diffusion model",
        "SD1",
    ),
    (unet(1024, UNET) | {f"{UNET}input_blocks.1.1.time_stack.0.attn1.to_k.weight": (1, 1)}, "Diffusion model", "SVD"),
    (FLUX | {"img_in.weight": (3072, 64), "guidance_in.in_layer.weight": (1, 1)}, "Diffusion model", "Flux.1 dev"),
    (FLUX | {"img_in.weight": (3072, 64), "vector_in.in_layer.weight": (1, 1)}, "Diffusion model", "Flux.1 schnell"),
    (FLUX | {"img_in.weight": (3072, 384), "guidance_in.in_layer.weight": (1, 1)}, "Diffusion model", "Flux.1 Fill"),
    (FLUX | {"img_in.weight": (3072, 128), "vector_in.in_layer.weight": (1, 1)}, "Diffusion model", "Flux.1 Control"),
    (FLUX, "Diffusion model", "Flux.1"),
    (FLUX | {"double_stream_modulation_img.lin.weight": (36864, 6144)}, "Diffusion model", "Flux.2 dev"),
    (FLUX | {"double_stream_modulation_img.lin.weight": (18432, 3072)}, "Diffusion model", "Flux.2 klein 4B"),
    (FLUX | {"double_stream_modulation_img.lin.weight": (1, 1)}, "Diffusion model", "Flux.2"),
    (FLUX | {"distilled_guidance_layer.in_proj.weight": (1, 1)}, "Diffusion model", "Chroma"),
    (
        {"single_transformer_blocks.0.attn.to_k.weight": (3072, 3072), "x_embedder.weight": (3072, 64)},
        "Diffusion model",
        "Flux.1",
    ),
    ({"joint_blocks.0.context_block.attn.qkv.weight": (1, 1)}, "Diffusion model", "SD3"),
    (
        {
            "model.diffusion_model.joint_blocks.0.context_block.attn.qkv.weight": (1, 1),
            "model.diffusion_model.joint_blocks.37.context_block.attn.qkv.weight": (1, 1),
            "text_encoders.clip_l.x": (1,),
        },
        "Checkpoint",
        "SD3.5-large",
    ),
    ({"joint_blocks.0.x_block.attn2.qkv.weight": (1, 1)}, "Diffusion model", "SD3.5-medium"),
    ({"txt_in.individual_token_refiner.blocks.0.norm1.weight": (3072,)}, "Diffusion model", "HunyuanVideo"),
    (
        {
            "txt_in.individual_token_refiner.blocks.0.norm1.weight": (1,),
            "byt5_in.x": (1,),
            "vision_in.proj.0.weight": (1,),
        },
        "Diffusion model",
        "HunyuanVideo 1.5",
    ),
    ({"byt5_in.fc1.weight": (1, 1)}, "Diffusion model", "HunyuanImage"),
    ({"txt_norm.weight": (3584,), "transformer_blocks.0.attn.to_q.weight": (1, 1)}, "Diffusion model", "Qwen-Image"),
    (
        {"context_refiner.0.attention.k_norm.weight": (128,), "cap_embedder.1.weight": (3840, 2560)},
        "Diffusion model",
        "Z-Image",
    ),
    (
        {"context_refiner.0.attention.k_norm.weight": (128,), "cap_embedder.1.weight": (2304, 2304)},
        "Diffusion model",
        "Lumina2",
    ),
    ({"head.modulation": (1, 2, 1536)}, "Diffusion model", "Wan 2.1 1.3B"),
    ({"model.diffusion_model.head.modulation": (1, 2, 3072)}, "Diffusion model", "Wan 2.2 5B"),
    ({"head.modulation": (1, 2, 5120)}, "Diffusion model", "Wan 14B"),
    ({"adaln_single.emb.timestep_embedder.linear_1.bias": (2048,)}, "Diffusion model", "LTXV"),
    ({"transformer_blocks.0.audio_to_video_attn.to_k.weight": (1, 1)}, "Diffusion model", "LTXV2"),
    ({"caption_projection.0.linear.weight": (1, 1)}, "Diffusion model", "HiDream"),
    ({"net.llm_adapter.blocks.0.x": (1,)}, "Diffusion model", "Anima"),
    ({"net.blocks.0.mlp.layer1.weight": (1, 1)}, "Diffusion model", "Cosmos-Predict2"),
    ({"txtfusion.blocks.0.x": (1,)}, "Diffusion model", "Krea 2"),
]


@pytest.mark.parametrize(("shapes", "kind", "architecture"), MODELS)
def test_whole_models_are_told_by_their_blocks(shapes: Shapes, kind: str, architecture: str) -> None:
    assert recognise(shapes, {}) == (kind, architecture)


PARTS: list[Line] = [
    ({"encoder.conv_in.weight": (128, 3, 3, 3), "decoder.conv_in.weight": (512, 4, 3, 3)}, "VAE", None),
    ({"decoder.conv_in.weight": (512, 16, 3, 3)}, "VAE", "Flux.1"),
    ({"decoder.middle.0.residual.0.gamma": (384, 1, 1, 1)}, "VAE", "Wan"),
    (
        {"decoder.middle.0.residual.0.gamma": (1,), "decoder.upsamples.0.upsamples.0.residual.0.gamma": (1,)},
        "VAE",
        "Wan 2.2 5B",
    ),
    ({"decoder.conv_in.conv.weight": (512, 16, 3, 3, 3)}, "VAE", "HunyuanVideo"),
    ({"decoder.conv_in.conv.weight": (512, 128, 3, 3, 3)}, "VAE", "LTXV"),
    ({"taesd_decoder.1.weight": (64, 4, 3, 3)}, "VAE", None),
    ({"1.weight": (64, 4, 3, 3), "3.conv.0.weight": (64, 64, 3, 3)}, "VAE", None),
    ({"control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768)}, "ControlNet", "SD1"),
    (
        {
            "controlnet_down_blocks.0.weight": (1,),
            "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": (1, 2048),
        },
        "ControlNet",
        "SDXL",
    ),
    ({"controlnet_blocks.0.weight": (1, 1)}, "ControlNet", "SD3"),
    ({"controlnet_blocks.0.weight": (1, 1), "controlnet_x_embedder.weight": (1, 1)}, "ControlNet", "Flux.1"),
    ({"adapter.body.0.resnets.0.block1.weight": (1, 1)}, "T2I-Adapter", None),
    ({"ip_adapter.1.to_k_ip.weight": (320, 768), "image_proj.norm.weight": (1,)}, "IP-Adapter", "SD1"),
    ({"ip_adapter.1.to_k_ip.weight": (640, 2048)}, "IP-Adapter", "SDXL"),
    ({"emb_params": (5, 768)}, "TextualInversion", "SD1"),
    ({"emb_params": (5, 1024)}, "TextualInversion", "SD2"),
    ({"clip_l": (5, 768), "clip_g": (5, 1280)}, "TextualInversion", "SDXL"),
    ({"<my-cat>": (768,)}, "TextualInversion", "SD1"),
    ({"down_blocks.3.motion_modules.0.temporal_transformer.norm.weight": (320,)}, "Motion module", "SD1"),
    ({"down_blocks.2.motion_modules.0.temporal_transformer.norm.weight": (320,)}, "Motion module", "SDXL"),
    ({"model.0.weight": (64, 3, 3, 3), "model.1.sub.0.RDB1.conv1.0.weight": (32, 64, 3, 3)}, "Upscaler", None),
    ({"params_ema.conv_first.weight": (64, 3), "params_ema.body.0.rdb1.conv1.weight": (32, 64)}, "Upscaler", None),
    ({"conv_first.weight": (64, 3), "layers.0.residual_group.blocks.0.norm1.weight": (180,)}, "Upscaler", None),
    ({"body.0.weight": (64, 3, 3, 3), "body.1.weight": (64,)}, "Upscaler", None),
    ({"stylegan_decoder.style_mlp.1.weight": (512, 512)}, "Face restorer", None),
    ({"encoder.block.0.layer.0.SelfAttention.q.weight": (1, 1)}, "Text encoder", "T5"),
    ({"text_model.encoder.layers.0.mlp.fc1.weight": (1, 1)}, "Text encoder", "CLIP"),
    ({"vision_model.encoder.layers.0.mlp.fc1.weight": (1, 1)}, "Text encoder", "CLIP vision"),
    (
        {"model.layers.0.self_attn.q_proj.weight": (1, 1), "model.embed_tokens.weight": (1, 1)},
        "Text encoder",
        "Language model",
    ),
    ({"blk.0.attn_q.weight": (1, 1), "token_embd.weight": (1, 1)}, "Text encoder", "Language model"),
    ({"cond_stage_model.transformer.text_model.x": (1,)}, None, "SD1"),
]


@pytest.mark.parametrize(("shapes", "kind", "architecture"), PARTS)
def test_parts_of_pipelines_are_told_by_their_names(shapes: Shapes, kind: str | None, architecture: str | None) -> None:
    assert recognise(shapes, {}) == (kind, architecture)


@pytest.mark.parametrize("shapes", [{}, {"weight": (1,)}, {"a\nb": (1,)}, {"x" * 5000: (1,)}, {"alpha": ()}])
def test_what_shows_nothing_is_nothing(shapes: Shapes) -> None:
    assert recognise(shapes, {"general.architecture": "mystery"}) == (None, None)


def test_an_embedding_name_among_many_tensors_is_no_embedding() -> None:
    shapes: Shapes = {"emb_params": (5, 768)} | {f"weight{number}": (1,) for number in range(20)}

    assert recognise(shapes, {}) == (None, None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("flux", ("Diffusion model", "Flux.1")), ("T5encoder", ("Text encoder", "T5")), (7, (None, None))],
)
def test_ggufs_own_word_counts_where_no_tensor_speaks(name: str | int, expected: tuple[str | None, str | None]) -> None:
    assert recognise({"odd": (1,)}, {"general.architecture": name}) == expected


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"general.type": "adapter", "adapter.type": "lora", "general.architecture": "flux"}, ("LoRA", "Flux.1")),
        ({"general.type": "adapter", "adapter.type": "lora", "general.architecture": "llama"}, ("LoRA", None)),
        ({"general.type": "adapter", "general.architecture": "odd"}, (None, None)),
        ({"general.type": "mmproj", "general.architecture": "clip"}, ("Text encoder", "CLIP vision")),
    ],
)
def test_ggufs_own_word_tells_adapters_and_eyes(
    metadata: dict[str, str], expected: tuple[str | None, str | None]
) -> None:
    assert recognise({"blk.0.attn_q.weight.lora_a": (4, 8)}, metadata) == expected


def test_tensors_beat_ggufs_own_word() -> None:
    assert recognise(unet(2048), {"general.architecture": "sd1"}) == ("Diffusion model", "SDXL")


def test_endless_hostile_names_take_no_endless_time() -> None:
    shapes: Shapes = {f"lora_unet_blocks_{'1_' * 100}{number}.lora_down.weight": (4, 768) for number in range(60_000)}
    started = time.monotonic()

    assert recognise(shapes, {}) == ("LoRA", None)
    assert time.monotonic() - started < 20
