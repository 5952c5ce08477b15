"""Interactive nuclei segmentation in napari: look, click, train, predict, review."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import evaluate, load_model, open_image, predict, train

__version__ = "0.1.0"

__all__ = ["__version__", "evaluate", "load_model", "open_image", "predict", "train"]


def __getattr__(name: str) -> Any:
    """What `api` offers, loaded when it is first asked for: napari's start must not wait for torch."""
    if name in __all__:
        found = getattr(importlib.import_module(".api", __name__), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
