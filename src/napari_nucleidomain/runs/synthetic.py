"""Which images a model has made: their dataset folder says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_nucleidomain.contracts import MethodSpec
    from napari_nucleidomain.data.dataset import Dataset

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


def to_learn_from(dataset: Dataset, spec: MethodSpec, warn: Callable[[str, str], None] | None = None) -> Dataset:
    """A dataset as a method may learn from it: one that needs no annotation would learn a model's own pictures.

    Parameters
    ----------
    dataset : Dataset
    spec : MethodSpec
    warn : callable, optional
        Given message and hint.

    Returns
    -------
    Dataset
        Without synthetic images where the method needs no annotation and others are there to train on, too; else the
        same one.
    """
    made = [example for example in dataset if is_synthetic(example.image)] if spec.needs == "nothing" else []
    if not made:
        return dataset
    hint = "Made images teach a method that learns from outlines, as `panoptic`: their labels are known."
    rest = [example for example in dataset if not is_synthetic(example.image)]
    if not any(example.split == "train" for example in rest):
        if warn is not None:
            warn("All training images were made by a model: this training learns from a model's own pictures.", hint)
        return dataset
    if warn is not None:
        number = f"{len(made)} synthetic image{'s are' if len(made) > 1 else ' is'}"
        warn(f"{number} left out: a training would learn from a model's own pictures.", hint)
    return replace(dataset, all=rest)
