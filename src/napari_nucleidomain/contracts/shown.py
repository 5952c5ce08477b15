"""Texts from files as they may be shown: characters that command a terminal or turn a line round are written out."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

# Control characters; marks that change the direction of what follows; ends of lines that only some programs know; what
# is drawn as nothing; halves of characters.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
    "|[\U000e0000-\U000e007f]"
)


def shown(text: str, *, lines: bool = False) -> str:
    """A text in which every character can be seen: an escape is ``\\x1b``, the end of a line ``\\n``.

    Parameters
    ----------
    text : str
    lines : bool
        Whether ends of lines and tabs stay what they are.

    Returns
    -------
    str
        What is harmless is left alone, so that doing it twice changes nothing.
    """
    return _HIDDEN.sub(lambda found: found[0] if lines and found[0] in "\n\t" else _written_out(found[0]), text)


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


Shown = Annotated[str, AfterValidator(shown)]
"""A field whose text is shown to people."""
