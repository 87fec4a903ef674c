"""`organization`: CivitScraper's sorting of files into directories. Read and checked; this version does not do it."""

from typing import Literal

from pydantic import Field

from modelshelf.config.sections.section import Section

Template = Literal[
    "by_rating", "by_type_and_rating", "by_raw_rating", "by_type_and_raw_rating", "by_type", "by_creator",
    "by_type_and_creator", "by_type_and_basemodel", "by_base_model", "by_nsfw", "by_type_basemodel_nsfw", "by_date",
    "by_model_info",
]  # fmt: skip


class Organization(Section):
    """`organization`. No file is moved, copied or linked by this version; a notice at start says so."""

    enabled: bool = Field(default=False, description="Kept, not done: sort files into directories")
    template: Template = Field(default="by_type", description="Kept, not done: one of CivitScraper's templates")
    custom_template: str = Field(default="", description="Kept, not done: a template of your own")
    output_dir: str = Field(default="{model_dir}/organized", description="Kept, not done: where sorted files go")
    operation_mode: Literal["copy", "move", "symlink"] = Field(default="copy", description="Kept, not done")
    on_collision: Literal["skip", "overwrite", "fail"] = Field(default="skip", description="Kept, not done")
    dry_run: bool = Field(default=False, description="Kept, not done")
    move_files: bool | None = Field(default=None, description="Kept, not done: older form of `operation_mode: move`")
    create_symlinks: bool | None = Field(
        default=None, description="Kept, not done: older form of `operation_mode: symlink`"
    )
