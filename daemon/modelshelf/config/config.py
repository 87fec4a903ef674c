"""The configuration as the daemon uses it: plain values out of the tree, and the rules that join them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.config.outputs import action_for
from modelshelf.config.sections.folders import DEFAULT_EXCLUDE_PATTERNS, model_type_of
from modelshelf.config.sections.logging import to_settings
from modelshelf.config.sections.notifications import hindrance
from modelshelf.config.sections.section import overlay
from modelshelf.config.show import to_yaml
from modelshelf.domain.folder import Folder
from modelshelf.domain.job import JobKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from modelshelf.config.job import Job
    from modelshelf.config.schema import ConfigFile
    from modelshelf.config.sections.deep_scan import DeepScan
    from modelshelf.config.sections.folders import InputPath
    from modelshelf.domain.output import Output
    from modelshelf.logs import LogSettings


@dataclass(frozen=True, slots=True)
class Config:
    """What `load_config` gives. `file` is the checked tree, `path` None where only the environment spoke.

    `warnings` are for a person to read at start; none of them holds a secret. `log_directory` is where the log file lies if
    the file does not say.
    """

    file: ConfigFile
    path: Path | None
    state_directory: Path
    log_directory: Path
    jobs: tuple[Job, ...]
    outputs: Mapping[str, Output]
    warnings: tuple[str, ...] = ()

    @property
    def api_key(self) -> str | None:
        """The key for Civitai, None where there is none."""
        return self.file.api.key_text

    @property
    def secrets(self) -> tuple[str, ...]:
        """What may never be shown. Hand all of it to `logs.redact` first."""
        return (*filter(None, (self.api_key,)), *self.file.notifications.target_texts)

    @property
    def told_targets(self) -> tuple[str, ...]:
        """The addresses to which notifications go; none where nothing can be told, of which `warnings` has the reason."""
        return () if hindrance(is_offline=self.is_offline) else self.file.notifications.target_texts

    @property
    def hashing_limit_bytes(self) -> int | None:
        """The size above which files are not hashed, None for no limit."""
        return self.file.hashing.max_size

    @property
    def is_offline(self) -> bool:
        """Whether no request may leave this machine."""
        return self.file.offline

    def folders(self) -> tuple[Folder, ...]:
        """Give every watched folder."""
        return tuple(self._folder(folder_id, entry) for folder_id, entry in self.file.input_paths.items())

    def deep_scan_of(self, folder_id: str) -> DeepScan:
        """Give when and how the files of a folder are read that nobody waits for."""
        general, own = self.file.deep_scan, self.file.input_paths[folder_id].deep_scan
        return general if own is None else overlay(general, own)

    def output_for(self, folder_id: str) -> Output:
        """Give what is written for the files of a folder."""
        return self.outputs[folder_id]

    def is_described_skipped(self, folder_id: str) -> bool:
        """Tell whether files of a folder that are described already need no lookup (`skip_existing`)."""
        action = action_for(folder_id, self.jobs, self.file.default_job_name)
        return action.is_described_skipped if action else self.file.scanner.skip_existing

    def log_settings(self) -> LogSettings:
        """Give what `logs.configure` takes."""
        return to_settings(self.file.logging, self.log_directory)

    def not_done(self) -> list[str]:
        """Give what the file asks for and this version does not do, a sentence each, to be named once at start."""
        sentences = []
        if self.file.dry_run:
            sentences.append("dry_run: this version has none; sidecars, pictures and pages are written")
        if self.file.organization is not None and self.file.organization.enabled:
            sentences.append("organization: files are not sorted by this version; they stay where they are")
        for job in self.jobs:
            if any(action.is_lookup_skipped for action in job.actions):
                sentences.append(f"jobs.{job.name}: use_cached_metadata is not done by this version; Civitai is asked")
            if any(action.is_organizing and action.kind is JobKind.SCAN_PATHS for action in job.actions):
                sentences.append(f"jobs.{job.name}: files are not sorted by this version; they stay where they are")
            if any(action.kind is JobKind.SYNC_LORA_TRIGGERS for action in job.actions):
                sentences.append(
                    f"jobs.{job.name}: sync-lora-triggers is not done by this version; loras.json stays as it is"
                )
        return sentences

    def show(self) -> str:
        """Give the effective configuration as YAML, secrets as `***`."""
        return to_yaml(self.file, self.state_directory, self.log_directory, self.folders(), self.secrets)

    def _folder(self, folder_id: str, entry: InputPath) -> Folder:
        scanner, watch = self.file.scanner, self.file.watch
        return Folder(
            id=folder_id,
            path=entry.path,
            model_type=model_type_of(entry.type) if entry.type else None,
            patterns=scanner.patterns if entry.patterns is None else entry.patterns,
            exclude_patterns=tuple(
                dict.fromkeys((*DEFAULT_EXCLUDE_PATTERNS, *scanner.exclude_patterns, *entry.exclude_patterns))
            ),
            is_recursive=self._is_recursive(folder_id, entry),
            watch=entry.watch or watch.mode,
            stability_delay_seconds=watch.stability_delay if entry.stability_delay is None else entry.stability_delay,
        )

    def _is_recursive(self, folder_id: str, entry: InputPath) -> bool:
        action = action_for(folder_id, self.jobs, self.file.default_job_name)
        said = (action.is_recursive if action else None, entry.recursive, self.file.scanner.recursive)
        return next(each for each in said if each is not None)
