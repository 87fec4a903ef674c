"""A shelf and its stand-in for Civitai; every test of the hall has both."""

from __future__ import annotations

from tests.asking import civitai, shelf

__all__ = ["civitai", "shelf"]
