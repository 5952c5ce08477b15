"""A model that goes by the size of the nuclei in an image is not told to take the image as it is."""

from __future__ import annotations

from napari_nucleidomain.contracts import ModelCard
from napari_nucleidomain.inference.scale import choose_scale


def test_the_reason_says_that_the_model_sees_to_it() -> None:
    card = ModelCard(name="x", method="adgan", config={"own_scale": True}, nucleus_diameter_px=20)
    assert choose_scale(card, None).factor == 1.0
    assert "in the image itself" in choose_scale(card, None).reason
    assert choose_scale(card, None, diameter_px=40).factor == 0.5
    other = card.model_copy(update={"config": {}})
    assert "as it is" in choose_scale(other, None).reason
    assert "as it is" in choose_scale(card.model_copy(update={"ndim": 3}), None).reason
