"""`log.txt`: tracebacks and everything else that a report needs."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from napari_nucleidomain.contracts.shown import shown


class _LogFile(logging.FileHandler):
    """A log that a full disk makes shorter and nothing else: the run itself says what is wrong, once."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name logging has for it
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)

    def close(self) -> None:
        try:
            super().close()
        except OSError:
            # Its last lines found no place.
            self.stream = None


class _Formatter(logging.Formatter):
    """Texts of files stand in messages and tracebacks, and logs are looked at in terminals."""

    def format(self, record: logging.LogRecord) -> str:
        return shown(super().format(record), lines=True)


def open_log(path: Path) -> logging.Handler:
    """Have everything this program logs written to a file, until the handler is removed."""
    handler = _LogFile(path, encoding="utf-8", delay=True)
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("napari_nucleidomain")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    return handler
