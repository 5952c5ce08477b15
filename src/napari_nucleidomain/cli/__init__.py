"""The command line: `nucleidomain train | predict | evaluate | export | run | worker | models | runs | demo`."""

from __future__ import annotations

from .main import build_parser, main

__all__ = ["build_parser", "main"]
