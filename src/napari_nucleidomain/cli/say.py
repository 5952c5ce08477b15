"""What a command says: names and texts come from files of anybody, and a terminal obeys the characters it is sent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from napari_nucleidomain.contracts.shown import shown


def one_line(text: object) -> str:
    """A name or text of a file as part of a line: its own ends of lines are written out, too."""
    return shown(str(text))


class _ShownStream:
    """A text stream that writes control characters out, but for those by which commands lay out their own lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """As that of a stream."""
        parts = (shown(part, lines=True) for part in text.split("\r"))
        self._stream.write("\r".join(parts))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """As that of a stream."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def shown_streams() -> Iterator[None]:
    """Within it whatever is printed, by whom ever, sends a terminal no commands."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, _ShownStream(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
