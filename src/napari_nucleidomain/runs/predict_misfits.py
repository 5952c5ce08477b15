"""What a prediction says where its model was trained on another kind of image: once, with a count."""

from __future__ import annotations

import re

from napari_nucleidomain.contracts import ModelCard, NucleiError
from napari_nucleidomain.contracts.events import Warned
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.data.misfits import misfits, other_size
from napari_nucleidomain.inference.classical import ClassicalSegmenter

from .event_log import EventWriter
from .job import PredictJob

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
    said = {"pixel_size_um": job.pixel_size_um, "diameter_px": job.diameter_px}
    found = misfits(card, image, plane=job.plane, **said)
    if not found and _unscaled(card, image, job):
        told = other_size(card, _looks_wide(image, job.plane))
        found += [told] if told else []
    return found


def _unscaled(card: ModelCard, image: Image, job: PredictJob) -> bool:
    """Whether nobody knows how large nuclei are here: then what they look like is compared."""
    known = job.diameter_px or job.pixel_size_um or image.pixel_size_um
    return not known and bool(card.channels) and card.ndim == 2 and not card.scales_itself


def _looks_wide(image: Image, plane: int | None) -> float | None:
    """How wide nuclei look, in pixels, by the classical method; None where nothing is seen."""
    try:
        seen = ClassicalSegmenter(2).prepare(image, plane)
    except NucleiError:
        # Nothing to see: the prediction itself tells what is wrong.
        return None
    return None if seen.blank else float(seen.diameter)


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
    return _SIZE_HINT if sentence.startswith("Nuclei look") else _HINT
