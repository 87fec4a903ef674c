"""How adapters (LoRA and its kin) are told from other files, and from one another; and the base that each fits.

Sources: ComfyUI's lora.py and model_detection.py, SwarmUI's T2IModelClassSorter.cs, InvokeAI's LoRA configurations, LyCORIS.
"""

from __future__ import annotations

from modelshelf.formats.evidence import Rule, named, sized

_LORA = named(r"lora_(down|up|A|B)\b|[._]lora[12]?\.(down|up)\b|lora_linear_layer\.(down|up)\b|^unet:\d+:(down|up)")
_MAGNITUDE = named(r"\.dora_scale$|lora_magnitude_vector")

KINDS = (
    Rule("Control-LoRA", (named(r"^lora_controlnet$"),)),
    Rule("Control-LoRA", (_LORA, named(r"double_blocks\.0\.img_attn\.norm\.key_norm\.scale$"))),
    Rule("LoKr", (named(r"\.lokr_w1(_a)?$"),)),
    Rule("LoHa", (named(r"\.hada_w1_a$"),)),
    Rule("BOFT", (sized(r"\.oft_blocks$", 3),)),
    Rule("OFT", (named(r"\.oft_(blocks|diag|R)\b"),)),
    Rule("GLoRA", (named(r"\.a1\.weight$"), named(r"\.b1\.weight$"), named(r"\.a2\.weight$"))),
    Rule("IA3", (named(r"\.on_input$"),)),
    Rule("DoRA", (_LORA, _MAGNITUDE)),
    Rule("LoCon", (named(r"\.lora_mid\b"),)),
    Rule("LoCon", (sized(r"[._](lora_down|lora_A|lora\.down)\b", 3, 3),)),
    Rule("LoRA", (_LORA,)),
    Rule("Full difference", (named(r"\.(diff(_b)?|[wb]_norm|set_weight)$"),)),
)
"""Which kind of adapter; asked of tensor names."""

INPUT, OUTPUT = 0, 1
"""The axes of a module's size: how wide is what goes in, and what comes out."""

_FLUX_HIDDEN = (
    r"double_blocks_\d+_(img|txt)_(attn_(qkv|proj)|mlp_0)$|single_blocks_\d+_(linear1|modulation_lin)$"
    r"|single_transformer_blocks_\d+_(attn_to_|proj_mlp|norm_linear)|transformer_blocks_\d+_(attn_(to|add)_|ff_context_net_0)"
)
_FLUX_ANY = r"double_blocks_\d+_|single_blocks_\d+_|single_transformer_blocks_\d+_"
_BEYOND_KLEIN_4B = named(r"single_(transformer_)?blocks_[23]\d_|(double|(?<!single_)transformer)_blocks_([5-9]|1\d)_")
"""It has 5 double and 20 single blocks where Flux.1 has 19 and 38; both are 3072 wide."""
_JOINT = r"joint_blocks_\d+_|(?<!single_)transformer_blocks_\d+_(norm1_context|ff_context|attn_add_k_proj)"
_SINGLE = named(r"single_(transformer_)?blocks_")
_DOUBLE_ATTENTION = r"^transformer_blocks_\d+_attn[12]_"
_WAN = r"^blocks_\d+_((self|cross)_attn_[qkvo]|ffn_[02]|attn[12]_to_[qkv]|ffn_net_0_proj)$"
_LUMINA = r"(layers|(context|noise)_refiner)_\d+_(attention_(qkv|to_[qkv])|feed_forward_w[13])$"
_UNET_CROSS = r"attn2_(processor_)?to_[kv]$"
_TEXT = r"^(lora_te|text_encoder)_.*(self_attn_|mlp_fc1)"

BASES = (
    Rule("Chroma", (named(r"distilled_guidance_layer"),)),
    Rule("Krea 2", (named(r"txt_?fusion|text_fusion"),)),
    Rule("HiDream", (named(r"(double|single)_stream_blocks_"),)),
    Rule(
        "HunyuanVideo", (named(r"individual_token_refiner|(img|txt)_mlp_fc[12]|(img|txt)_mod_linear|_token_refiner_"),)
    ),
    Rule("Qwen-Image", (named(r"(?<!single_)transformer_blocks_\d+_(img|txt)_(mlp|mod)_"),)),
    Rule("Qwen-Image", (sized(r"(?<!single_)transformer_blocks_(19|[2-5]\d)_attn_", INPUT, 3072),), (_SINGLE,)),
    Rule("Flux.2 klein 4B", (sized(r"(txt_in|context_embedder)$", INPUT, 7680),)),
    Rule("Flux.2 klein 9B", (sized(r"(txt_in|context_embedder)$", INPUT, 12288),)),
    Rule("Flux.2 dev", (sized(r"(txt_in|context_embedder)$", INPUT, 15360),)),
    Rule("Flux.2 klein 4B", (sized(r"double_blocks_\d+_(img|txt)_mlp_0$", OUTPUT, 18432),)),
    Rule("Flux.2 klein 4B", (sized(r"single_blocks_\d+_linear1$", OUTPUT, 27648),)),
    Rule(
        "Flux.2 klein 4B",
        (sized(r"attn_to_qkv_mlp_proj$|transformer_blocks_\d+_ff_(context_)?linear_in$", INPUT, 3072),),
    ),
    Rule("Flux.2 klein 9B", (sized(_FLUX_HIDDEN, INPUT, 4096),)),
    Rule("Flux.2 dev", (sized(_FLUX_HIDDEN, INPUT, 6144),)),
    Rule("HunyuanVideo", (sized(r"single_(transformer_)?blocks_(38|39)_", INPUT, 3072),)),
    Rule("Flux.2 klein 4B", (sized(r"single_(transformer_)?blocks_1[89]_", INPUT, 3072),), (_BEYOND_KLEIN_4B,)),
    Rule("Flux.1", (sized(_FLUX_HIDDEN, INPUT, 3072),)),
    Rule("SD3.5-large", (named(r"(joint|transformer)_blocks_37_"), named(_JOINT)), (_SINGLE,)),
    Rule("SD3.5-medium", (named(r"joint_blocks_\d+_x_block_attn2|transformer_blocks_\d+_attn2_to_q"), named(_JOINT))),
    Rule("SD3.5-large", (sized(_JOINT, INPUT, 2432),), (_SINGLE,)),
    Rule("SD3", (named(_JOINT),), (_SINGLE,)),
    Rule("Flux.1", (named(_FLUX_ANY),)),
    Rule("Z-Image", (sized(_LUMINA, INPUT, 3840),)),
    Rule("Lumina2", (sized(_LUMINA, INPUT, 2304),)),
    Rule("Anima", (named(r"^blocks_\d+_((self|cross)_attn_(q|k|v|output)_proj|mlp_layer[12])$|llm_adapter"),)),
    Rule("Wan 2.1 1.3B", (sized(_WAN, INPUT, 1536),)),
    Rule("Wan 2.2 5B", (sized(_WAN, INPUT, 3072),)),
    Rule("Wan 14B", (sized(_WAN, INPUT, 5120),)),
    Rule("LTXV2", (named(r"audio_attn1"),)),
    Rule("PixArt", (sized(_DOUBLE_ATTENTION, INPUT, 1152),)),
    Rule("LTXV", (sized(_DOUBLE_ATTENTION, INPUT, 2048),)),
    Rule("SDXL", (sized(_UNET_CROSS, INPUT, 2048),)),
    Rule("SD1", (sized(_UNET_CROSS, INPUT, 768),)),
    Rule("SD2", (sized(_UNET_CROSS, INPUT, 1024),)),
    Rule("SDXL-refiner", (sized(_UNET_CROSS, INPUT, 1280),)),
    Rule("SDXL", (named(r"^(lora_te2|text_encoder_2)_"),)),
    Rule("SDXL", (named(r"_blocks_[\d_]+(attentions_\d+_)?transformer_blocks_[2-9]_"),)),
    Rule("SDXL", (named(r"output_blocks_5_1_transformer_blocks_1_"),)),
    Rule("SDXL", (named(r"^lora_te1_"),)),
    Rule("SD1", (sized(_TEXT, INPUT, 768),)),
    Rule("SD2", (sized(_TEXT, INPUT, 1024),)),
    Rule("SD1", (named(r"up_blocks_3_attentions_2_transformer_blocks_0_ff_net_2$"),)),
)
"""Which base an adapter fits; asked of its modules, named with underscores, sized (input width, output width)."""
