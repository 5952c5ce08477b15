"""The command line: `nucleidomain train | predict | evaluate | export | run | worker | models | runs | demo`."""

from __future__ import annotations

import sys

try:
    from .main import build_parser, main
except (ImportError, MemoryError, OSError, RuntimeError) as error:
    # Too little memory even for the libraries: there is nothing loaded yet that could tell it better.
    _words = ("failed to map segment", "cannot allocate memory", "unable to allocate", "paging file is too small")
    if not isinstance(error, MemoryError) and not any(one in str(error).lower() for one in _words):
        raise
    print("nucleidomain: This computer's memory is not enough to start the program.", file=sys.stderr)
    print("  End other programs that use it, and try again.", file=sys.stderr)
    raise SystemExit(2) from None

__all__ = ["build_parser", "main"]
