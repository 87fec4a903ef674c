"""How whole models and their parts are told apart by tensor names and shapes, in torch's order of axes.

Sources: ComfyUI's model_detection.py, controlnet.py and sd.py, SwarmUI's T2IModelClassSorter.cs, InvokeAI's model
configurations, SD.Next's model_probe.py, spandrel for upscalers.
"""

from __future__ import annotations

from modelshelf.formats.evidence import Rule, named, sized

_FLUX = named(r"^double_blocks\.0\.img_attn\.norm\.key_norm\.(scale|weight)$")
_FLUX2_MODULATION = r"^double_stream_modulation_img\.(lin|linear)\.weight$"
_CROSS = r"(transformer_blocks\.0\.attn2\.to_k|attn2\.to_k)\.weight$"
_UNET = named(r"^(input_blocks\.0\.0|conv_in)\.weight$")
_JOINT = named(r"^joint_blocks\.0\.")
_SDXL = sized(r"^label_emb\.0\.0\.weight$|^add_embedding\.linear_1\.weight$", 1, 2816)
_LAST_DEPTH = r"^(input_blocks\.7\.1|down_blocks\.2\.attentions\.0)\.transformer_blocks\."
_DIFFUSERS_FLUX = named(r"^single_transformer_blocks\.0\.")

DIFFUSION = (
    Rule("Chroma", (named(r"^distilled_guidance_layer\."),)),
    Rule("Krea 2", (named(r"^(txtfusion|text_fusion)\."),)),
    Rule(
        "HunyuanVideo",
        (named(r"^txt_in\.individual_token_refiner\.blocks\.0\.norm1\.weight$"),),
        (named(r"^byt5_in\."),),
    ),
    Rule("HunyuanVideo 1.5", (named(r"^byt5_in\."), named(r"^vision_in\."))),
    Rule("HunyuanImage", (named(r"^byt5_in\."),)),
    Rule("HunyuanDiT", (named(r"^mlp_t5\.0\.weight$"),)),
    Rule("Flux.2 dev", (sized(_FLUX2_MODULATION, 0, 36864),)),
    Rule("Flux.2 klein 4B", (sized(_FLUX2_MODULATION, 0, 18432),)),
    Rule("Flux.2 klein 9B", (sized(_FLUX2_MODULATION, 0, 24576),)),
    Rule("Flux.2", (named(r"^double_stream_modulation_"),)),
    Rule("Flux.1 Fill", (_FLUX, sized(r"^img_in\.weight$", 1, 384))),
    Rule("Flux.2", (_FLUX, sized(r"^img_in\.weight$", 1, 128)), (named(r"^vector_in\."),)),
    Rule("Flux.1 Control", (_FLUX, sized(r"^img_in\.weight$", 1, 128))),
    Rule("Flux.1 dev", (_FLUX, named(r"^guidance_in\."))),
    Rule("Flux.1 schnell", (_FLUX, named(r"^vector_in\."))),
    Rule("Flux.1", (_FLUX,)),
    Rule("HiDream", (named(r"^caption_projection\.0\.linear\.weight$|^double_stream_blocks\."),)),
    Rule("SD3.5-medium", (named(r"^joint_blocks\.0\.x_block\.attn2\."),)),
    Rule("SD3.5-medium", (_JOINT, sized(r"^pos_embed$", 1, 147456))),
    Rule("SD3.5-large", (named(r"^joint_blocks\.37\."),)),
    Rule("SD3.5-large", (_JOINT, sized(r"^x_embedder\.proj\.weight$|\.attn\.proj\.bias$", 0, 2432))),
    Rule("SD3", (named(r"^joint_blocks\.0\.context_block\.attn\.qkv\.weight$"),)),
    Rule("Mage-Flow", (sized(r"^txt_norm\.weight$", 0, 2560), named(r"^transformer_blocks\."))),
    Rule("Qwen-Image", (named(r"^txt_norm\.weight$"), named(r"^transformer_blocks\."))),
    Rule("Z-Image", (named(r"^context_refiner\.0\.attention\."), sized(r"^cap_embedder\.1\.weight$", 0, 3840))),
    Rule("Lumina2", (named(r"^context_refiner\.0\.attention\."), sized(r"^cap_embedder\.1\.weight$", 0, 2304))),
    Rule("Z-Image", (named(r"^context_refiner\.0\.attention\."), named(r"^layers\.0\.adaLN_modulation\.0\.bias$"))),
    Rule("Wan 2.1 1.3B", (sized(r"^head\.modulation$", -1, 1536),)),
    Rule("Wan 2.2 5B", (sized(r"^head\.modulation$", -1, 3072),)),
    Rule("Wan 14B", (sized(r"^head\.modulation$", -1, 5120),)),
    Rule("LTXV2", (named(r"audio_to_video_attn"),)),
    Rule(
        "LTXV",
        (named(r"^adaln_single\.emb\.timestep_embedder\.linear_1\.bias$"),),
        (named(r"^pos_embed\.proj\.bias$"),),
    ),
    Rule("Anima", (named(r"^llm_adapter\."),)),
    Rule("Cosmos-Predict2", (named(r"^blocks\.0\.mlp\.layer1\.weight$"),)),
    Rule("Cosmos", (named(r"^blocks\.block0\.blocks\.0\.block\.attn\.to_q\.0\.weight$"),)),
    Rule("Mochi", (named(r"^t5_yproj\.weight$"),)),
    Rule("AuraFlow", (named(r"^double_layers\.0\.attn\.w1q\.weight$"),)),
    Rule(
        "PixArt",
        (named(r"^t_block\.1\.weight$|^adaln_single\."), named(r"^(y_embedder|caption_projection|pos_embed)\.")),
    ),
    Rule("OmniGen2", (named(r"^time_caption_embed\."),)),
    Rule("Cascade", (named(r"^clf\.1\.weight$|^vquantizer\.codebook\.weight$"),)),
    Rule("Sana", (named(r"^attention_y_norm\.weight$"),)),
    Rule("Kandinsky 5", (named(r"^pooled_text_embeddings\.in_layer"),)),
    Rule("ACE-Step", (named(r"^genre_embedder\.weight$"),)),
    Rule("Stable Audio", (named(r"rotary_pos_emb\.inv_freq$"), named(r"^to_(timestep|cond)_embed"))),
    Rule("Ideogram 4", (named(r"^llm_cond_proj\."), named(r"^embed_image_indicator\."))),
    Rule("Hunyuan3D", (named(r"^latent_in\.weight$"),)),
    Rule("Flux.1 SVDQuant", (named(r"^single_transformer_blocks\.0\.norm\.linear\.qweight$"),)),
    Rule("Flux.1", (_DIFFUSERS_FLUX, sized(r"^x_embedder\.weight$", 0, 3072))),
    Rule("SVD", (_UNET, named(r"time_stack|temporal_transformer_blocks"))),
    Rule("SDXL-refiner", (_UNET, sized(r"^label_emb\.0\.0\.weight$|^add_embedding\.linear_1\.weight$", 1, 2560))),
    Rule("SD x4 upscaler", (sized(r"^input_blocks\.0\.0\.weight$", 0, 256),)),
    Rule("SSD-1B", (_UNET, _SDXL, named(_LAST_DEPTH + r"3\.")), (named(_LAST_DEPTH + r"4\."),)),
    Rule("Vega", (_UNET, _SDXL, named(_LAST_DEPTH + r"1\.")), (named(_LAST_DEPTH + r"2\."),)),
    Rule("SDXL", (_UNET, _SDXL)),
    Rule("SDXL", (_UNET, sized(_CROSS, 1, 2048))),
    Rule("SDXL-refiner", (_UNET, sized(_CROSS, 1, 1280))),
    Rule("SD1", (_UNET, sized(_CROSS, 1, 768))),
    Rule("SD2", (_UNET, sized(_CROSS, 1, 1024))),
)
"""Which diffusion model it is; asked of names without the prefix that some tools put before all of them."""

_INPUT_CHANNELS = r"^(input_blocks\.0\.0|conv_in)\.weight$"
_INPAINTING = Rule("inpainting", (sized(_INPUT_CHANNELS, 1, 9),))
_INSTRUCT = Rule("InstructPix2Pix", (sized(_INPUT_CHANNELS, 1, 8),))
_PATCHES = r"^patch_embedding\.weight$"
_HUNYUAN_INPUT = r"^img_in\.proj\.weight$"

VARIANTS = (
    ("SD1", (_INPAINTING, _INSTRUCT)),
    ("SD2", (_INPAINTING, _INSTRUCT, Rule("depth", (sized(_INPUT_CHANNELS, 1, 5),)))),
    (
        "SDXL",
        (
            _INPAINTING,
            _INSTRUCT,
            Rule("v-prediction", (named(r"^(v_pred|edm_vpred\.sigma_max)$"),)),
            Rule("Playground 2.5", (named(r"^edm_mean$"), named(r"^edm_std$"))),
        ),
    ),
    (
        "Wan",
        (
            Rule("VACE", (named(r"^vace_blocks\."),)),
            Rule("animate", (named(r"^face_adapter\."),)),
            Rule("speech to video", (named(r"^casual_audio_encoder\."),)),
            Rule("camera", (named(r"^control_adapter\."),)),
            Rule("first and last frame to video", (named(r"^img_emb\.emb_pos$"),)),
            Rule("image to video", (sized(_PATCHES, 1, 36),)),
            Rule("text to video", (sized(_PATCHES, 1, 16),)),
        ),
    ),
    (
        "HunyuanVideo",
        (
            Rule("image to video", (sized(_HUNYUAN_INPUT, 1, 33),)),
            Rule("SkyReels image to video", (sized(_HUNYUAN_INPUT, 1, 32),)),
        ),
    ),
    ("Chroma", (Rule("Radiance", (named(r"^nerf_blocks\."),)),)),
    ("Qwen-Image", (Rule("Edit 2511", (named(r"^__index_timestep_zero__$"),)),)),
    ("PixArt", (Rule("alpha", (named(r"^ar_embedder\."),)),)),
    (
        "Cascade",
        (
            Rule("stage A", (named(r"^vquantizer\.codebook\.weight$"),)),
            Rule("stage C", (named(r"^clip_txt_mapper\."),)),
            Rule("stage B", (named(r"^clip_mapper\."),)),
        ),
    ),
)
"""What is added to an architecture whose name begins so."""

HAS_VAE = named(r"^(first_stage_model|vae)\.")
HAS_WHOLE_TEXT_ENCODER = named(r"^(cond_stage_model|conditioner|text_encoders)\.(?!.*lora)")
"""One that is no adapter of it."""
HAS_TEXT_ENCODER = named(r"^(cond_stage_model|conditioner|text_encoders)\.")

BUNDLED_TEXT_ENCODERS = (
    Rule("SDXL", (named(r"^conditioner\.embedders\.0\.transformer\."), named(r"^conditioner\.embedders\.1\.model\."))),
    Rule("SD2", (named(r"^conditioner\.embedders\.0\.model\.ln_final\.bias$"), named(r"^denoiser\.sigmas$"))),
    Rule("SDXL-refiner", (named(r"^conditioner\.embedders\.0\.model\.ln_final\.bias$"),)),
    Rule("SD2", (named(r"^cond_stage_model\.model\.ln_final\.bias$"),)),
    Rule("SD1", (named(r"^cond_stage_model\.transformer\.text_model\."),)),
)
"""Which base a checkpoint is by its text encoder, where its diffusion model does not say."""

PARTS = (
    Rule("Motion module", (named(r"motion_modules|\.temporal_transformer\."),)),
    Rule("IP-Adapter", (named(r"^ip_adapter\.1\.to_k_ip\.weight$|ip_adapter_double_stream_k_proj|^image_proj\."),)),
    Rule(
        "ControlNet",
        (named(r"^control_model\.|^zero_convs\.0\.0\.weight$|^controlnet_cond_embedding\.conv_in\.weight$"),),
    ),
    Rule("ControlNet", (named(r"^controlnet_(down_)?blocks\.0\.weight$|^control_blocks\.0\."),)),
    Rule("T2I-Adapter", (named(r"^(adapter\.)?body\.0\.(resnets\.0|in_conv|block1)\b"),)),
    Rule("TextualInversion", (named(r"^(emb_params|clip_[lg]|string_to_param\..*|<.*>)$"),), (named(r"\.\d+\."),)),
    Rule("Face restorer", (named(r"^stylegan_decoder\.style_mlp\.1\.weight$|^quantize\.embedding\.weight$"),)),
    Rule(
        "Upscaler", (named(r"^((params_ema|params|model|state_dict)\.)?(model\.)?1\.sub\.0\.RDB1\.conv1\.0\.weight$"),)
    ),
    Rule(
        "Upscaler",
        (named(r"conv_first\.weight$"), named(r"(body\.0\.rdb1\.conv1|RRDB_trunk\.0\.RDB1\.conv1)\.weight$")),
    ),
    Rule("Upscaler", (named(r"conv_first\.weight$"), named(r"layers\.0\.residual_group\.(blocks|td)\b"))),
    Rule(
        "Upscaler",
        (named(r"^(params_ema\.|params\.)?body\.0\.weight$"), named(r"^(params_ema\.|params\.)?body\.1\.weight$")),
    ),
    Rule("Upscaler", (named(r"before_RG\.1\.weight$|conv_1\.sk\.weight$|^residual_layer\.0\.|^feats\.1\.lk\."),)),
    Rule(
        "VAE",
        (
            named(
                r"^(taesd_decoder\.1\.weight|decoder\.conv_in(\.conv)?\.weight|decoder\.middle\.0\.residual\.0\.gamma)$"
            ),
        ),
    ),
    Rule("VAE", (sized(r"^1\.weight$", 1, 4, 16), named(r"^3\.conv\.0\.weight$"))),
)
"""Which part of a pipeline it is; asked before `DIFFUSION`, since a ControlNet repeats half of its base."""

TEXT_ENCODERS = (
    Rule("T5", (named(r"^encoder\.block\.0\.layer\.0\.SelfAttention\.|^enc\.blk\.0\.attn_"),)),
    Rule("CLIP vision", (named(r"^vision_model\.encoder\.layers\.|^visual\.transformer\.resblocks\."),)),
    Rule("CLIP", (named(r"^(text_model\.encoder\.layers|transformer\.resblocks)\.\d+\."),)),
    Rule("Qwen-VL", (named(r"^(model\.)?visual\.blocks\.0\."),)),
    Rule("Language model", (named(r"^layers\.0\.self_attn\.q_proj\."), named(r"^(layers\.0\.mlp\.|embed_tokens\.)"))),
    Rule("Language model", (named(r"^blk\.0\.attn_q\.weight$"), named(r"^token_embd\.weight$"))),
)
"""Which text or image encoder it is; asked last."""

PART_BASES = {
    "VAE": (
        Rule("Flux.2", (sized(r"^decoder\.conv_in\.weight$", 1, 32),)),
        Rule("Flux.1", (sized(r"^decoder\.conv_in\.weight$", 1, 16),)),
        Rule("Wan 2.2 5B", (named(r"^decoder\.upsamples\.0\.upsamples\."),)),
        Rule("Wan", (named(r"^decoder\.middle\.0\.residual\.0\.gamma$"),)),
        Rule("HunyuanVideo", (sized(r"^decoder\.conv_in\.conv\.weight$", 1, 16),)),
        Rule("LTXV", (sized(r"^decoder\.conv_in\.conv\.weight$", 1, 128),)),
    ),
    "TextualInversion": (
        Rule("SDXL", (named(r"^clip_l$"), named(r"^clip_g$"))),
        Rule("SD1", (sized(r"^(emb_params|string_to_param\..*|<.*>|clip_l)$", -1, 768),)),
        Rule("SD2", (sized(r"^(emb_params|string_to_param\..*|<.*>)$", -1, 1024),)),
    ),
    "ControlNet": (
        Rule("Qwen-Image", (named(r"^controlnet_x_rms|^txt_norm\.weight$"),)),
        Rule("Flux.1", (named(r"^controlnet_x_embedder\.|^double_blocks\.|^single_transformer_blocks\."),)),
        Rule("SD3", (named(r"^controlnet_blocks\.0\.weight$"),)),
        Rule("SDXL", (sized(r"attn2\.to_k\.weight$", 1, 2048),)),
        Rule("SD1", (sized(r"attn2\.to_k\.weight$", 1, 768),)),
        Rule("SD2", (sized(r"attn2\.to_k\.weight$", 1, 1024),)),
    ),
    "IP-Adapter": (
        Rule("Flux.1", (named(r"ip_adapter_double_stream_k_proj"),)),
        Rule("SDXL", (sized(r"^ip_adapter\.1\.to_k_ip\.weight$", -1, 2048),)),
        Rule("SD1", (sized(r"^ip_adapter\.1\.to_k_ip\.weight$", -1, 768),)),
        Rule("SD2", (sized(r"^ip_adapter\.1\.to_k_ip\.weight$", -1, 1024),)),
    ),
    "Motion module": (
        Rule("SD1", (named(r"down_blocks\.3\.motion_modules"),)),
        Rule("SDXL", (named(r"down_blocks\.2\.motion_modules"),)),
    ),
}
"""Which base a part fits, where that shows. The VAE of SD1, SD2 and SDXL has one shape; that of SD3 has Flux.1's."""
