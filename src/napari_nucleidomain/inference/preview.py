"""The live preview of a training: what the user looks at, segmented with the network of the moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import ModelCard, NucleiError, RunContext, Segmenter, Step, load_card
from napari_nucleidomain.data.images import Image, open_image

from .scale import Scale
from .segment import segment

_AS_IT_IS = Scale(1.0, "")
# The longest sides shown, of a plane and of a volume.
_SIDES = {2: (384, 384), 3: (48, 160, 160)}
# Before so many steps there is nothing to see.
_FIRST_STEP = 8

_Box = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Place:
    """A part of a training image worth looking at.

    Attributes
    ----------
    path : str
    image : Image
        Opened lazily.
    middle : tuple of float
        Pixels of the image.
    """

    path: str
    image: Image
    middle: tuple[float, ...]


class Previewer:
    """Makes previews when they are due.

    Parameters
    ----------
    run : RunContext
    places : sequence of Place
        The training images; the first is shown while the user looks at nothing that fits.
    load : callable
        Opens a model of the method: `load(folder, card, device)`. Where a training goes on from a model, what that one
        finds is shown beside it.
    """

    def __init__(
        self, run: RunContext, places: Sequence[Place], load: Callable[[Path, ModelCard, str], Segmenter]
    ) -> None:
        self._run, self._places, self._load = run, places, load
        self._parent: Segmenter | None = None
        self._parent_gone = False
        self._seen: tuple[str, _Box] | None = None
        self._found_before: np.ndarray | None = None

    @property
    def parent(self) -> Segmenter | None:
        """The model that this training goes on from, opened when it is first asked for; None where there is none."""
        if self._parent is None and self._run.parent is not None and not self._parent_gone:
            try:
                self._parent = self._load(self._run.parent, load_card(self._run.parent), self._run.device)
            except NucleiError as error:
                # Removed meanwhile: the training has its weights, and there is nothing to compare with.
                self._parent_gone = True
                self._run.warn(f"Not compared with the model before: {error.message}", error.hint)
        return self._parent

    def due(self, step: Step) -> bool:
        """Whether a preview is due; not before the networks have seen a few batches."""
        return step.index >= _FIRST_STEP and self._run.preview_due()

    def show(self, segmenter: Segmenter, note: str, **arrays: np.ndarray) -> None:
        """Segment what is looked at, at most 384 px a side, and publish it; a failure is told and does no harm.

        Parameters
        ----------
        segmenter : Segmenter
        note : str
        **arrays : ndarray
            What else to publish beside the labels.
        """
        image, path, box = self._wanted()
        try:
            found = segment(image, segmenter, _AS_IT_IS, box=box)
        except NucleiError as error:
            self._run.warn(f"No preview: {error.message}", error.hint)
            return
        before = self._before(image, path, box)
        # The same part: where the model before fails on it, there is nothing to compare with.
        more = {"before": before} if before is not None and before.shape == found.labels.shape else {}
        self._run.preview(path, found.origin, note, labels=found.labels.astype(np.uint32), **more, **arrays)

    def _before(self, image: Image, path: str, box: _Box) -> np.ndarray | None:
        """What the model that this training goes on from finds there; worked out once for each part looked at."""
        parent = self.parent
        if parent is None:
            return None
        if self._seen != (path, box):
            try:
                found = segment(image, parent, _AS_IT_IS, box=box)
            except NucleiError as error:
                self._run.warn(f"No preview of the model before: {error.message}", error.hint)
                found = None
            self._seen = (path, box)
            self._found_before = found.labels.astype(np.uint32) if found is not None else None
        return self._found_before

    def _wanted(self) -> tuple[Image, str, _Box]:
        request = self._run.preview_request()
        if request:
            opened = self._open(str(request.get("image")))
            # A flat view of a volume asks for a flat box.
            if opened is not None and len(request["box"]) == opened.ndim:
                box = _middle([tuple(side) for side in request["box"]])
                if all(a < side and b > 0 for (a, b), side in zip(box, opened.spatial_shape, strict=False)):
                    return opened, str(request["image"]), box
        first = self._places[0]
        halves = [side // 2 for side in _SIDES[len(first.middle)]]
        box = tuple((int(c) - half, int(c) + half) for c, half in zip(first.middle, halves, strict=True))
        return first.image, first.path, box

    def _open(self, path: str) -> Image | None:
        for one in self._places:
            if Path(one.path) == Path(path):
                return one.image
        try:
            image = open_image(path)
        except NucleiError:
            # The user looks at something that is no file; the training image is shown instead.
            return None
        mine = self._places[0].image
        fits = image.ndim == mine.ndim and image.n_channels == mine.n_channels
        return image if fits else None


def _middle(box: list[tuple[int, ...]]) -> _Box:
    """The middle of a box, not larger than what is shown."""
    centre = [(int(a) + int(b)) // 2 for a, b in box]
    half = [min(most, int(b) - int(a)) // 2 for (a, b), most in zip(box, _SIDES[len(box)], strict=True)]
    return tuple((max(0, c - h), c + max(1, h)) for c, h in zip(centre, half, strict=True))
