"""`python -m napari_nucleidomain.cli`: how child processes are started."""

from __future__ import annotations

import sys
import time

_STARTED = time.monotonic()

if __name__ == "__main__":
    from .main import main

    sys.exit(main(started=_STARTED))
