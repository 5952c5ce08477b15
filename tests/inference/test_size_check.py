"""A model without pixel size cannot know the scale of an image: it is said, with how large nuclei look."""

from __future__ import annotations

import numpy as np

from napari_nucleidomain.contracts import ModelCard
from napari_nucleidomain.data.images import Image, open_image
from napari_nucleidomain.data.understanding import Understanding
from napari_nucleidomain.inference.size_check import size_warning


def _cells(diameter: int, pixel_um: float | None = None) -> Image:
    rng = np.random.default_rng(0)
    pixels = rng.normal(20, 2, (400, 400))
    rows, columns = np.mgrid[:400, :400]
    for y in range(40, 400, 80):
        for x in range(40, 400, 80):
            pixels[(rows - y) ** 2 + (columns - x) ** 2 <= (diameter / 2) ** 2] += 120
    return open_image(pixels.astype(np.uint8), Understanding(pixel_size_um=pixel_um), name="cells")


def _card(diameter: float | None, pixel_um: float | None = None, **more: object) -> ModelCard:
    return ModelCard(name="m", method="spn-ien", nucleus_diameter_px=diameter, pixel_size_um=pixel_um, **more)


def _said(image: Image, card: ModelCard, **more: float) -> str:
    pixel = image.pixel_size_um[-1] if image.pixel_size_um else None
    return size_warning(card, image, image_pixel_um=pixel, plane=None, **more) or ""


def test_a_model_without_pixel_size_on_an_image_that_has_one() -> None:
    large = _said(_cells(40, 0.25), _card(18.0))
    assert "--diameter" in large and "as it is" in large and "0.25 µm/px" in large
    times = float(large.split("Nuclei look ")[1].split()[0])
    assert 1.7 < times < 2.8
    alike = _said(_cells(40, 0.25), _card(38.0))
    assert "about as large" in alike and "--diameter" in alike
    assert "--diameter" in _said(_cells(40, 0.25), _card(None)), "even where the model knows no size at all"


def test_nothing_is_said_where_the_scale_is_known_or_nothing_speaks_against_it() -> None:
    assert not _said(_cells(40, 0.25), _card(18.0, 0.5))
    assert not _said(_cells(40, 0.25), _card(18.0), diameter_px=40)
    assert not _said(_cells(40), _card(38.0))
    assert not _said(_cells(40), _card(None))
    assert not _said(_cells(40, 0.25), _card(18.0, config={"own_scale": True}))


def test_an_image_without_pixel_size_that_looks_otherwise() -> None:
    assert "the image has no pixel size" in _said(_cells(40), _card(18.0, 0.5))
    assert "neither" in _said(_cells(20), _card(45.0))
