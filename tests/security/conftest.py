"""A shelf and a stand-in for Civitai for each attack."""

from __future__ import annotations

from tests.asking import civitai, shelf

__all__ = ["civitai", "shelf"]
