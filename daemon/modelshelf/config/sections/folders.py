"""`input_paths`, `scanner` and `watch`: which folders, which files in them, and how changes are noticed."""

from pydantic import Field

from modelshelf.config.sections.deep_scan import FolderDeepScan
from modelshelf.config.sections.section import Section
from modelshelf.config.sections.values import AbsolutePath, Seconds, Texts
from modelshelf.domain.folder import WatchMode

DEFAULT_PATTERNS = ("*.safetensors", "*.sft", "*.ckpt", "*.pt", "*.pth", "*.bin", "*.gguf", "*.onnx")
UNFINISHED = (
    "*.part", "*.partial", "*.tmp", "*.tmp2", "*.temp", "*.download", "*.downloading", "*.crdownload", "*.opdownload",
    "*.aria2", "*.!qB", "*.!ut", "*.filepart", "*~",
)  # fmt: skip
"""Names that browsers, download tools and editors give to what is not done yet."""
JUNK_DIRECTORIES = (
    ".*", "__pycache__", "@eaDir", "@tmp", "@Recycle", "@Recently-Snapshot", "#recycle", "#snapshot", "$RECYCLE.BIN",
    "System Volume Information", "lost+found", "Network Trash Folder", "Temporary Items", "Thumbs.db",
)  # fmt: skip
"""What file servers and systems leave about; `.*` covers .stversions, .Trash-1000, ._AppleDouble, .cache, .git, ..."""
DEFAULT_EXCLUDE_PATTERNS = JUNK_DIRECTORIES + UNFINISHED

MODEL_TYPES = (
    "Checkpoint", "TextualInversion", "Hypernetwork", "AestheticGradient", "LORA", "LoCon", "DoRA", "Controlnet",
    "Upscaler", "MotionModule", "VAE", "TextEncoder", "UNet", "CLIPVision", "Poses", "Wildcards", "Workflows",
    "ComfyWorkflows", "Detection", "VisionLanguage", "CLIP", "LLM", "Other",
)  # fmt: skip
"""Civitai's own words."""


def model_type_of(text: str) -> str:
    """Give Civitai's spelling of a type whatever its case; any other text stays as it is."""
    return next((known for known in MODEL_TYPES if known.lower() == text.lower()), text)


class InputPath(Section):
    """`input_paths.ID`: one watched folder."""

    path: AbsolutePath = Field(
        description="The directory. It may be missing at times: then its files are offline, not gone"
    )
    type: str | None = Field(
        default=None,
        min_length=1,
        description="What lies in it, in Civitai's words (LORA, Checkpoint, ...); any text will do",
    )
    patterns: Texts | None = Field(default=None, description="Names that are models; default `scanner.patterns`")
    exclude_patterns: Texts = Field(
        default=(), description="Names to pass over, besides those of `scanner.exclude_patterns`"
    )
    recursive: bool | None = Field(
        default=None, description="Whether directories inside count; default `scanner.recursive`"
    )
    watch: WatchMode | None = Field(default=None, description="`auto`, `events` or `poll`; default `watch.mode`")
    stability_delay: Seconds | None = Field(
        default=None, description="Quiet time here; default `watch.stability_delay`"
    )
    deep_scan: FolderDeepScan | None = Field(default=None, description="When and how its files are read")


class Scanner(Section):
    """`scanner`: what holds for every folder and job that says nothing else."""

    recursive: bool = Field(default=True, description="Whether directories inside a folder count")
    skip_existing: bool = Field(
        default=True,
        description="A file that a sidecar describes already is not looked up; `false`: it is, all the same",
    )
    verify_hashes: bool = Field(
        default=True,
        description="Kept, without effect: a file is hashed when it arrives or changes, and looked up by nothing but that hash",
    )
    patterns: Texts = Field(
        default=DEFAULT_PATTERNS, description="Names that are models; a `.bin` only if it is one inside"
    )
    exclude_patterns: Texts = Field(default=(), description="Names to pass over, besides the built-in ones below")
    cache_dir: AbsolutePath | None = Field(
        default=None, description="Directory in which Civitai's answers are kept; default the state directory"
    )
    cache_validity: Seconds = Field(
        default=86400, description="How long an answer holds before Civitai is asked whether it still does"
    )
    version_cache_validity: Seconds | None = Field(
        default=None, description="The same for a model with all its versions; default `cache_validity`"
    )
    force_refresh: bool = Field(default=False, description="Runs of jobs ask again for what is known")


class Watch(Section):
    """`watch`: how a change is noticed, and when a file is done."""

    mode: WatchMode = Field(
        default=WatchMode.AUTO,
        description="`events`: from the kernel; `poll`: by looking; `auto`: events, but looking on NFS, SMB and FUSE",
    )
    stability_delay: Seconds | None = Field(
        default=None,
        description="How long a file that cannot prove itself whole must lie still; by itself 5 s on local disks, 30 s elsewhere",
    )
    rescan_interval: Seconds = Field(
        default=86400, ge=60, description="How often a healthy folder with events is walked again"
    )
    poll_interval: Seconds = Field(
        default=900, ge=10, description="How often a folder is walked that has no events, or too few inotify watches"
    )
