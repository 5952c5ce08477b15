"""What a prediction says where its model was trained on another kind of image: once, with a count."""

from __future__ import annotations

import re

from napari_nucleidomain.contracts import ModelCard
from napari_nucleidomain.contracts.events import Warned
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.data.misfits import misfits
from napari_nucleidomain.inference.size_check import size_warning

from .event_log import EventWriter
from .job import CLASSICAL, PredictJob

_HINT = "Look at the result, or choose a model for images like this one; `otsu` needs none."
_SIZE_HINT = "Say how large nuclei are here: --diameter, or Predict > scale."


def misfits_of(card: ModelCard, image: Image, job: PredictJob) -> list[str]:
    """Why an image of a job is of another kind than those its model was trained on.

    Parameters
    ----------
    card : ModelCard
    image : Image
    job : PredictJob

    Returns
    -------
    list of str
    """
    if card.channels and image.n_channels != card.channels:
        # It is refused by name, which says it.
        return []
    said = {"pixel_size_um": job.pixel_size_um, "diameter_px": job.diameter_px}
    found = misfits(card, image, plane=job.plane, **said)
    if not found and job.model != CLASSICAL and job.box is None:
        # In the viewer's part of an image the dock says it.
        pixel = job.pixel_size_um or (float(image.pixel_size_um[-1]) if image.pixel_size_um else None)
        doubt = size_warning(card, image, image_pixel_um=pixel, diameter_px=job.diameter_px, plane=job.plane)
        found += [doubt] if doubt else []
    return found


class Misfits:
    """Tells misfits of a batch: each reason at its first image, and at the end how many there were.

    Parameters
    ----------
    events : EventWriter
    total : int
        Images of the job.
    """

    def __init__(self, events: EventWriter, total: int) -> None:
        self._events, self._total = events, total
        self._found: dict[str, list[str]] = {}
        self._told: dict[str, str] = {}

    def add(self, name: str, sentences: list[str], *, again: bool = False) -> None:
        """Take in what was found of an image; `again` where an earlier process has told it."""
        for sentence in sentences:
            # Alike but for the numbers of each image.
            reason = re.sub(r"\d[\d.,]*", "#", sentence)
            if reason not in self._told:
                self._told[reason] = sentence
                if not again:
                    self._events.write(Warned(message=f"{name}: {sentence}", hint=_hint(sentence)))
            self._found.setdefault(reason, []).append(name)

    def finish(self) -> None:
        """Say of how many images it was so, where it was of more than the one that was named."""
        for reason, names in self._found.items():
            if len(names) > 1:
                shown = ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
                message = f"{len(names):,} of {self._total:,} images ({shown}): {self._told[reason]}"
                self._events.write(Warned(message=message, hint=_hint(reason)))


def _hint(sentence: str) -> str:
    if "--diameter" in sentence:
        return ""
    return _SIZE_HINT if sentence.startswith("Nuclei look") else _HINT
