"""A stand-in for Civitai, and a shelf that asks it."""

from __future__ import annotations

from tests.asking import civitai, shelf

__all__ = ["civitai", "shelf"]
