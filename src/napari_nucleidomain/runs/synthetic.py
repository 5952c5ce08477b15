"""Which images a model has made: their dataset folder says so."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

ABOUT = "synthetic.json"
# Images lie in OUT/train/images.
_ABOVE = 3


def is_synthetic(image: Path | str | None) -> bool:
    """Whether an image was made by a model (`runs.synthesize`), not taken with a microscope.

    Parameters
    ----------
    image : Path, str or None
        A file; None (pixels without one) is not synthetic.
    """
    return image is not None and _is_synthetic_folder(Path(image).parent)


@lru_cache(maxsize=1024)
def _is_synthetic_folder(folder: Path) -> bool:
    # What kind of images a folder holds never changes, and lists of images ask at every click.
    return any((one / ABOUT).is_file() for one in (folder, *folder.parents)[:_ABOVE])
