"""A file as CivitScraper's users have it, with every key of its examples and documentation, loads as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.job import JobKind
from modelshelf.domain.output import HtmlOutput, ImagesOutput, MetadataOutput

if TYPE_CHECKING:
    from tests.unit.config.conftest import Load

CIVITSCRAPER = """\
api:
  key: "YOUR_API_KEY_HERE"
  base_url: "https://civitai.com/api/v1"
  timeout: 30
  max_retries: 3
  user_agent: "CivitScraper/0.2.0"
  domains: {sfw: "civitai.com", nsfw: "civitai.red"}
  nsfw: {level_threshold: 4, browsing_level: "X"}
  batch:
    enabled: true
    max_concurrent: 4
    rate_limit: 100
    retry_delay: 1000
    cache_size: 100
    circuit_breaker: {failure_threshold: 5, reset_timeout: 60}
    adaptive_batch: {min_size: 2, max_size: 50, scale_up_rate: 0.95, scale_down_rate: 0.5}
input_paths:
  lora: {path: "/path/to/loras", type: LORA, patterns: ["*.safetensors"], recursive: true}
  checkpoints: {path: "/path/to/checkpoints", type: Checkpoint, patterns: ["*.safetensors"]}
  embeddings: {path: "./models/embeddings", type: TextualInversion, patterns: ["*.pt", "*.safetensors"]}
default_job: "fetch-all"
dry_run: false
jobs:
  fetch-all:
    type: scan-paths
    recursive: true
    skip_existing: true
    verify_hashes: true
    use_cached_metadata: false
    force_refresh: false
    paths: ["lora"]
    output:
      base_dir: "/srv/out"
      metadata:
        format: "json"
        path: "{model_dir}"
        filename: "{model_name}.json"
        html:
          enabled: true
          filename: "{model_name}.html"
          skip_existing_html: true
          generate_gallery: false
          gallery_path: "gallery.html"
          gallery_title: "Model Gallery"
          include_existing_in_gallery: true
      images:
        save: true
        path: "{model_dir}"
        max_count: 4
        filenames: {preview: "{model_name}.preview{ext}"}
    organization:
      enabled: false
      dry_run: false
      template: "by_type_and_basemodel"
      custom_template: ""
      output_dir: "{model_dir}/organized"
      operation_mode: "move"
      on_collision: skip
  generate-gallery:
    type: scan-paths
    paths: ["lora", "checkpoints"]
    generate_gallery: true
    gallery_path: "gallery.html"
    gallery_title: "Model Gallery"
  update-loras:
    description: "Update LORA metadata"
    actions:
      - {type: scan-paths, paths: ["lora"], recursive: true, skip_existing: false, verify_hashes: true, organize: true}
  everything:
    actions:
      - {type: scan-paths, paths: ["all"]}
  sync-triggers:
    type: sync-lora-triggers
    description: "Synchronize LoRA trigger words"
    recursive: true
    loras_file: "loras.json"
    overwrite_triggers: true
    paths: ["lora"]
organization: {enabled: false, template: by_type, move_files: true, create_symlinks: false}
scanner:
  recursive: true
  skip_existing: true
  verify_hashes: true
  patterns: ["*.safetensors", "*.ckpt", "*.pt", "*.pth"]
  exclude_patterns: ["*.tmp", "*.bak", ".DS_Store"]
  cache_dir: ".civitscraper_cache"
  cache_validity: 86400
  version_cache_validity: 604800
  force_refresh: false
logging:
  level: DEBUG
  console: {enabled: true, level: INFO, simple: false}
  file: {enabled: true, level: DEBUG, directory: logs, filename: civitscraper.log, max_size: 10, backup_count: 5}
"""


def test_civitscrapers_file_loads_as_it_is(load: Load) -> None:
    config = load(CIVITSCRAPER)
    assert config.api_key is None
    assert [job.name for job in config.jobs] == [
        "fetch-all", "generate-gallery", "update-loras", "everything", "sync-triggers", "nightly-verification"
    ]  # fmt: skip
    assert [action.kind for job in config.jobs for action in job.actions][-2] is JobKind.SYNC_LORA_TRIGGERS


def test_civitscrapers_output_keeps_its_meaning(load: Load) -> None:
    output = load(CIVITSCRAPER).output_for("lora")
    assert output.metadata == MetadataOutput("{model_dir}", "{model_name}.json")
    assert output.images == ImagesOutput(max_count=4, is_numbered=True)
    assert output.html == HtmlOutput(
        is_existing_skipped=True, is_gallery_generated=False, gallery_title="Model Gallery"
    )


def test_what_civitscraper_would_have_done_and_we_do_not_is_named(load: Load) -> None:
    assert [each.split(":")[0] for each in load(CIVITSCRAPER).not_done()] == ["jobs.update-loras", "jobs.sync-triggers"]
