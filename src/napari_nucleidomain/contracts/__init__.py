"""The vocabulary of the whole program, in pure Python: no numpy-heavy code, no torch, no Qt."""

from __future__ import annotations

from .errors import NucleiError

__all__ = ["NucleiError"]
