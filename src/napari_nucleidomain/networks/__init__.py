"""Torch modules that more than one method uses."""

from __future__ import annotations
