"""The run folder, the process that executes it, the warm worker, and the store of runs, models and projects."""

from __future__ import annotations
