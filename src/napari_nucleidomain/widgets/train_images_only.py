"""What images without any annotation offer for a training and what they lack. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleidomain.runs.synthetic import is_synthetic

from .train_checklist import Check
from .wording import count

if TYPE_CHECKING:
    from .entry import ImageEntry

_MOST_PLANES = 8


def used_images(entries: Iterable[ImageEntry]) -> list[ImageEntry]:
    """Those that a training learns from and that can be read; a model's own pictures teach nothing."""
    return [entry for entry in _for_training(entries) if not is_synthetic(entry.path)]


def _for_training(entries: Iterable[ImageEntry]) -> list[ImageEntry]:
    return [entry for entry in entries if entry.use == "train" and not entry.problem]


def axes_of(entries: Iterable[ImageEntry], able: Sequence[int]) -> int:
    """Axes of the images that a method learns from: 3 where there are volumes alone and it can do with them."""
    found = {entry.image.ndim for entry in used_images(entries) if entry.image is not None}
    return 3 if found == {3} and 3 in able else 2


def planes_to_learn_from(entries: Iterable[ImageEntry]) -> dict[str, list[int]]:
    """Of images whose planes are pictures each for itself: id -> up to eight planes, evenly through all of them."""
    several = [entry for entry in entries if entry.image is not None and entry.image.plane_axes]
    return {
        entry.id: [int(one) for one in np.linspace(0, number - 1, min(_MOST_PLANES, number)).round()]
        for entry in several
        if entry.image is not None and entry.image.understanding.plane is None and (number := entry.image.n_planes)
    }


def all_fluorescence(entries: Iterable[ImageEntry]) -> bool:
    """Whether there are images to learn from, all of them opened, and every one shows fluorescence."""
    used = used_images(entries)
    return bool(used) and all(entry.image is not None and entry.image.kind == "fluorescence" for entry in used)


def images_alone(entries: Iterable[ImageEntry]) -> bool:
    """Whether all that there is to learn from are fluorescence images, with nothing clicked or outlined in them."""
    used = used_images(entries)
    known = any(len(one.points) or one.labels is not None or one.corrections is not None for one in used)
    return not known and all_fluorescence(used)


def without_channel(entries: Iterable[ImageEntry]) -> list[ImageEntry]:
    """Images of several channels of which nobody said which one shows the nuclei."""
    used = [entry for entry in used_images(entries) if not is_stained(entry)]
    return [entry for entry in used if entry.image is not None and entry.image.nuclei_channel is None]


def without_voxel_size(entries: Iterable[ImageEntry]) -> list[ImageEntry]:
    """Volumes of which nobody knows how far apart their planes are."""
    used = used_images(entries)
    return [
        entry for entry in used if entry.image is not None and entry.image.ndim == 3 and not entry.image.pixel_size_um
    ]


def is_stained(entry: ImageEntry) -> bool:
    """Whether an image is a colour picture of stained tissue: what this kind of training cannot learn from."""
    image = entry.image
    return image is not None and (image.kind == "h&e" or (bool(image.rgb) and image.kind != "fluorescence"))


def check_images_only(usable: Sequence[ImageEntry]) -> list[Check]:
    """Every line for a method that needs nothing but fluorescence images."""
    used = used_images(usable)
    made = len(_for_training(usable)) - len(used)
    if made and not used:
        text = "Only synthetic images are used for training, and a model's own pictures teach nothing: open others in"
        return [Check("stop", text, "images")]
    if not used:
        return [Check("stop", "No image is used for training: set Use to “train and check” in", "images")]
    stained = [entry for entry in used if is_stained(entry)]
    checks = [_stained(stained, used)] if stained else []
    checks += _mixed(used)
    if asked := without_channel(used):
        text = f"{_names(asked)}: which channel shows the nuclei?"
        checks.append(Check("stop", text, "" if stained else "images"))
    if asked := without_voxel_size(used):
        text = f"{_names(asked)}: the distance between planes is not known, so that nuclei have no shape."
        checks.append(Check("stop", text, "images"))
    good = len(used) - len(stained)
    if good:
        said = f"{count(good, 'fluorescence image')}; no clicks or outlines are needed."
        checks.insert(0, Check("ok", said))
    if made:
        text = f"{count(made, 'synthetic image')} left out: a training would learn from a model's own pictures."
        checks.append(Check("ok", text))
    unsure = [entry for entry in used if not is_stained(entry) and _kind(entry) == "other"]
    if unsure:
        text = f"{_names(unsure)}: not known to be fluorescence. Nuclei must be bright on a dark ground."
        checks.append(Check("warning", text, "images"))
    return checks


def _kind(entry: ImageEntry) -> str:
    return entry.image.kind if entry.image is not None else "fluorescence"


def _stained(stained: Sequence[ImageEntry], used: Sequence[ImageEntry]) -> Check:
    what = "a colour picture of stained tissue" if len(stained) == 1 else "colour pictures of stained tissue"
    text = f"{_names(stained)}: {what}. Without clicks only fluorescence can be learned."
    if len(stained) < len(used):
        text += " Give it another Use, or click nuclei in it."
    return Check("stop", text, "images", instead="points")


def _mixed(used: Sequence[ImageEntry]) -> list[Check]:
    flat = [entry for entry in used if entry.image is not None and entry.image.ndim == 2]
    deep = [entry for entry in used if entry.image is not None and entry.image.ndim == 3]
    if not flat or not deep:
        return []
    text = (
        f"Flat images ({_names(flat[:1])}) and volumes ({_names(deep[:1])}) cannot be learned together: give one kind "
        "another Use in"
    )
    return [Check("stop", text, "images")]


def _names(entries: Sequence[ImageEntry]) -> str:
    more = f" and {len(entries) - 2} more" if len(entries) > 2 else ""
    return ", ".join(entry.name for entry in entries[:2]) + more
