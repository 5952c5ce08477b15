"""Arguments that hold several numbers."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any


def sides(text: str) -> tuple[int, ...]:
    """`512x512` or `64,128,128`."""
    try:
        found = tuple(int(part) for part in re.split("[x×,]", text.lower()))
    except ValueError:
        found = ()
    if len(found) not in (2, 3):
        raise argparse.ArgumentTypeError(f"it is two or three sides in pixels, as in 512,512 or 512x512; not {text!r}")
    return found


def span(kind: type[int] | type[float]) -> Callable[[str], tuple[Any, Any]]:
    """`20-30`, or one number for both."""

    def read(text: str) -> tuple[Any, Any]:
        low, dash, high = text.strip().partition("-")
        try:
            return kind(low), kind(high if dash else low)
        except ValueError:
            raise argparse.ArgumentTypeError(f"it is a number, or two as in 20-30; not {text!r}") from None

    return read
