"""What every trained model says of itself, whatever the method."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from napari_nucleidomain import __version__
from napari_nucleidomain.contracts import MethodConfig, ModelCard, RunContext
from napari_nucleidomain.data.images import Image


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
    sizes = [one.pixel_size_um[-1] for one in images if one.pixel_size_um]
    same = len(sizes) == len(images) and max(sizes) < 1.05 * min(sizes)
    return ModelCard(
        name=run.name,
        method=method,
        version=__version__,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        channels=channels,
        kind=images[0].kind,
        channel_names=list(images[0].channel_names or []),
        pixel_size_um=float(sizes[0]) if same else None,
        config=config.model_dump(mode="json"),
        preset=run.preset,
        seconds=round(run.seconds, 1),
        seed=run.seed,
        parent=run.parent.name if run.parent else "",
        **facts,
    )
