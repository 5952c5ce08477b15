"""JSON from anybody: bounded in size, depth and digits, so that no file can end a thread, a process or a list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Longer whole numbers are read as floats: 1e25 written out is one, 4,000 digits are none that anything here counts.
_DIGITS = 25
# What begins the escape of half a character, or of a character that ends texts in other languages.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_NUL = "\\u0000"
_STRANGE = re.compile("[\ud800-\udbff]|[\udc00-\udc7f\udd00-\udfff]")


@dataclass(frozen=True)
class JsonLimits:
    """What a JSON text may be at most.

    Attributes
    ----------
    most_bytes : int
    most_values : int or None
        Values in all, counted generously before anything is made of them; None where only bytes are counted.
    depth : int
        Lists and objects within one another.
    nul : bool
        Whether texts may hold the character NUL, which is legal in JSON and in no name or path.
    """

    most_bytes: int
    most_values: int | None = None
    depth: int = 64
    nul: bool = False


SMALL = JsonLimits(1 << 20, 100_000)
"""Requests, markers, tickets: files that this program writes with some lines in them."""
CARD = JsonLimits(16 << 20, 1_000_000)
"""Model cards, and what is said of a whole model or project."""
LISTS = JsonLimits(64 << 20, 2_000_000)
"""Jobs and datasets, which name every image."""
GEOMETRY = JsonLimits(8 << 30, depth=64, nul=True)
"""Outlines of other programs, which may be as large as a slide has nuclei."""


class JsonTextError(ValueError):
    """Why a text is not read, in words that follow "it"."""


def parse_json(content: bytes | str, limits: JsonLimits = SMALL) -> Any:
    """What a JSON text says.

    Parameters
    ----------
    content : bytes or str
        Bytes may be in UTF-8, UTF-16 or UTF-32, with or without a mark of the order of bytes.
    limits : JsonLimits

    Returns
    -------
    Any
        Halves of characters are replaced (but those that stand for bytes of a file's name), whole numbers of more than
        25 digits are floats, of several values of one name the last counts. NaN and Infinity are let through: whoever
        wants a number refuses them.

    Raises
    ------
    JsonTextError
        It is beyond the limits, or no JSON.
    """
    if len(content) > limits.most_bytes:
        raise JsonTextError(f"is damaged: it has more than {limits.most_bytes:,} bytes")
    text = _decoded(content) if isinstance(content, bytes) else content
    # Every value stands behind one of these, or alone.
    if limits.most_values is not None and sum(map(text.count, ",[{")) >= limits.most_values:
        raise JsonTextError(f"is damaged: it holds more than {limits.most_values:,} values")
    if not limits.nul and _NUL in text and _holds_nul(text):
        raise JsonTextError("is damaged: it holds a character that ends texts (NUL)")
    try:
        made = json.loads(text, parse_int=_whole)
    except RecursionError as error:
        raise JsonTextError(_deep(limits)) from error
    except ValueError as error:
        raise JsonTextError("is damaged or not a JSON file") from error
    _refuse_deep(made, limits)
    return _whole_characters(made) if _HALF.search(text) else made


def _decoded(content: bytes) -> str:
    try:
        return content.decode(json.detect_encoding(content))
    except UnicodeDecodeError as error:
        raise JsonTextError("is damaged or not a JSON file") from error


def _holds_nul(text: str) -> bool:
    """Whether the escape is one: a backslash that is escaped itself begins none."""
    return re.search(r"(?<!\\)(?:\\\\)*\\u0000", text) is not None


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else float(digits)


def _deep(limits: JsonLimits) -> str:
    return f"is damaged: it has more than {limits.depth} levels within one another"


def _refuse_deep(made: Any, limits: JsonLimits) -> None:
    """Level by level and not by recursion, which is what is to be prevented."""
    level = [made]
    for _ in range(limits.depth):
        level = [inner for one in level for inner in _inside(one) if isinstance(inner, (list, dict))]
        if not level:
            return
    raise JsonTextError(_deep(limits))


def _inside(one: Any) -> Iterator[Any]:
    return iter(one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())


def _whole_characters(made: Any) -> Any:
    """The same with halves of characters replaced; the depth is bounded by now."""
    if isinstance(made, str):
        return _STRANGE.sub("\ufffd", made)
    if isinstance(made, list):
        return [_whole_characters(one) for one in made]
    if isinstance(made, dict):
        return {_whole_characters(key): _whole_characters(value) for key, value in made.items()}
    return made
