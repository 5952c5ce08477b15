"""What every trained model says of itself, whatever the method."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_nucleidomain import __version__
from napari_nucleidomain.contracts import MethodConfig, ModelCard, RunContext, load_card
from napari_nucleidomain.data.images import Image
from napari_nucleidomain.data.misfits import kind_of_all


def begin_card(
    run: RunContext, method: str, config: MethodConfig, images: Sequence[Image], channels: int, **facts: Any
) -> ModelCard:
    """A card with all that does not depend on the method.

    Parameters
    ----------
    run : RunContext
    method : str
        As on the command line.
    config : MethodConfig
    images : sequence of Image
        What it learned from, at least one.
    channels : int
        Per pixel.
    **facts
        Further fields of `ModelCard`.

    Returns
    -------
    ModelCard
        Its pixel size is that of the images where all say the same, within 5 %.
    """
    shown = kind_of_all(images)
    sizes = [one.pixel_size_um[-1] for one in images if one.pixel_size_um]
    same = len(sizes) == len(images) and max(sizes) < 1.05 * min(sizes)
    return ModelCard(
        name=run.name,
        method=method,
        version=__version__,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        channels=channels,
        kind=shown.kind,
        kinds=shown.kinds,
        nuclei=shown.nuclei,
        channel_names=list(images[0].channel_names or []),
        pixel_size_um=float(sizes[0]) if same else None,
        config=config.model_dump(mode="json"),
        preset=run.preset,
        seconds=round(run.seconds, 1),
        seed=run.seed,
        parent=run.parent.name if run.parent else "",
        **facts,
    )


def short_digest(digest: str) -> str:
    """One hash of everything a joined digest names."""
    return hashlib.blake2b(digest.encode(), digest_size=16).hexdigest()


def flattering(card: ModelCard, parent: Path | None, kept_back: Sequence[Sequence[Any]]) -> ModelCard:
    """Say on a card where the model that was continued has learned from what the new one is checked with.

    Parameters
    ----------
    card : ModelCard
        Of the new model.
    parent : Path or None
        The model that was continued.
    kept_back : sequence of (name, top, bottom, left, right)
        What the new one is checked with: the image's name and a box in its pixels.

    Returns
    -------
    ModelCard
    """
    if parent is None or not card.scores:
        return card
    taught = load_card(parent).trained_on
    before = taught.get("kept_back_in", [])

    def safe(name: str, box: Sequence[int]) -> bool:
        top, bottom, left, right = box
        return name not in taught.get("images", ()) or any(
            name == other and a <= top and bottom <= b and c <= left and right <= d for other, a, b, c, d in before
        )

    if all(safe(name, box) for name, *box in kept_back):
        return card
    scores = [one.model_copy(update={"seen_in_training": True}) for one in card.scores]
    note = f"The model it was continued from, {parent.name}, learned from some of what it is checked with."
    return card.model_copy(update={"scores": scores, "notes": [*card.notes, note]})
