"""A model of another kind of image is told: every kind of model on every kind of image."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from napari_nucleidomain.contracts import ModelCard
from napari_nucleidomain.data.images import Image, open_image
from napari_nucleidomain.data.misfits import check_parent_kind, facts_of_model, kind_of_all, misfits, other_size
from napari_nucleidomain.data.understanding import Understanding


def _discs(shape: tuple[int, ...] = (96, 96), seed: int = 0) -> np.ndarray:
    """1 inside a nucleus, else 0."""
    rng = np.random.default_rng(seed)
    grid = np.mgrid[tuple(slice(0, n) for n in shape)]
    found = np.zeros(shape, bool)
    for _ in range(12):
        centre = [rng.uniform(6, n - 6) for n in shape]
        found |= sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) < 36
    return found


def _noisy(values: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.clip(values + np.random.default_rng(seed).normal(0, 3, values.shape), 0, 255).astype(np.uint8)


def _coloured(nuclei: tuple[int, int, int], ground: tuple[int, int, int]) -> np.ndarray:
    inside = _discs()
    return _noisy(np.where(inside[..., None], np.array(nuclei), np.array(ground)))


def _named(pixels: np.ndarray, axes: str, names: list[str]) -> Image:
    return open_image(pixels, Understanding(axes=axes, channel_names=names), name="image")


def _pictures() -> dict[str, Image]:
    inside = _discs()
    bright, dark = _noisy(20 + 180.0 * inside), _noisy(220 - 150.0 * inside)
    volume = _noisy(20 + 180.0 * _discs((24, 48, 48)))
    return {
        "H&E": open_image(_coloured((90, 40, 130), (235, 190, 215)), name="image"),
        "other colours": open_image(_coloured((60, 110, 60), (225, 235, 215)), name="image"),
        "colours of fluorescence": open_image(_coloured((20, 40, 220), (4, 4, 10)), name="image"),
        "fluorescence": open_image(bright, name="image"),
        "grey, dark nuclei": open_image(dark, name="image"),
        "DAPI": _named(bright[..., None], "YXC", ["DAPI"]),
        "GFP": _named(bright[..., None], "YXC", ["GFP"]),
        "DAPI and GFP": _named(np.stack([bright, dark], -1), "YXC", ["DAPI", "GFP"]),
        "GFP and DAPI": _named(np.stack([dark, bright], -1), "YXC", ["GFP", "DAPI"]),
        "volume": open_image(volume, Understanding(axes="ZYX"), name="image"),
    }


# Alike enough that nothing speaks against it.
_ALIKE = {("fluorescence", "DAPI"), ("DAPI", "fluorescence"), ("fluorescence", "GFP"), ("GFP", "fluorescence")}


def _card(image: Image, **more: object) -> ModelCard:
    shown = kind_of_all([image])
    names = list(image.channel_names)
    known = {"channels": image.n_channels, "channel_names": names, "ndim": image.ndim, **more}
    return ModelCard(name="m", method="x", kind=shown.kind, kinds=shown.kinds, nuclei=shown.nuclei, **known)


def test_every_kind_of_model_on_every_kind_of_image() -> None:
    pictures = _pictures()
    wrong = []
    for (taught, model), (seen, image) in itertools.product(pictures.items(), repeat=2):
        told = misfits(_card(model), image)
        if bool(told) != (taught != seen and (taught, seen) not in _ALIKE):
            wrong.append((taught, seen, told))
    assert wrong == []


def test_the_sentence_says_what_differs() -> None:
    pictures = _pictures()
    grey = open_image(np.repeat(pictures["fluorescence"].read(), 3, -1), name="image")
    (told,) = misfits(_card(pictures["H&E"]), grey)
    assert told == (
        "The model m was trained on H&E images with dark nuclei on a bright ground, and here they are bright: "
        "this looks like fluorescence."
    )
    assert (
        "channels DAPI, GFP, and here they are GFP, DAPI"
        in misfits(_card(pictures["DAPI and GFP"]), pictures["GFP and DAPI"])[0]
    )
    assert "3 channels, and this image has 1" in misfits(_card(pictures["H&E"]), pictures["fluorescence"])[0]
    assert "of which it can look at single planes" in misfits(_card(pictures["fluorescence"]), pictures["volume"])[0]
    assert misfits(_card(pictures["fluorescence"]), pictures["volume"], plane=3) == []


def test_an_old_card_is_read_and_compared_by_what_it_says() -> None:
    old = ModelCard.model_validate({"name": "m", "method": "x", "channels": 1, "kind": "fluorescence"})
    assert (facts_of_model(old).nuclei, facts_of_model(old).kinds) == ("bright", ("fluorescence",))
    pictures = _pictures()
    assert misfits(old, pictures["fluorescence"]) == []
    assert "bright nuclei" in misfits(old, pictures["grey, dark nuclei"])[0]
    silent = ModelCard(name="m", method="x", channels=1)
    assert misfits(silent, pictures["grey, dark nuclei"]) == [], "nobody knows"
    classical = ModelCard(name="otsu", method="otsu", channels=0)
    assert all(misfits(classical, image) == [] for image in pictures.values())


def test_a_blank_image_and_a_person_s_word() -> None:
    model = _card(_pictures()["H&E"])
    blank = open_image(np.full((64, 64, 3), 230, np.uint8), name="image")
    assert misfits(model, blank) == [], "glass says nothing of its stain"
    said = open_image(_coloured((60, 110, 60), (225, 235, 215)), Understanding(kind="h&e"), name="image")
    assert misfits(model, said) == []


@pytest.mark.parametrize(
    ("model_um", "image_um", "said", "factor"),
    [(0.25, 0.5, {}, None), (0.25, 1.3, {}, "enlarged 5.2"), (0.5, 0.1, {}, "reduced 5 times"), (None, 0.1, {}, None),
     (0.25, 1.3, {"pixel_size_um": 0.25}, None), (0.25, 1.3, {"diameter_px": 12.0}, None),
     (0.25, 0.25, {"diameter_px": 2.0}, "enlarged 6 times")],
)  # fmt: skip
def test_scales_that_no_network_bears(model_um, image_um, said, factor) -> None:  # type: ignore[no-untyped-def]
    image = open_image(_pictures()["fluorescence"].read()[..., 0], Understanding(pixel_size_um=image_um), name="image")
    card = _card(image, pixel_size_um=model_um, nucleus_diameter_px=12.0)
    told = " ".join(misfits(card, image, **said))
    assert factor in told if factor else not told


def test_nuclei_of_another_size() -> None:
    card = ModelCard(name="m", method="x", channels=1, nucleus_diameter_px=20.0)
    assert other_size(card, 24.0) == other_size(card, None) == ""
    assert "about 8 px wide here" in other_size(card, 8.0) and "of 20 px" in other_size(card, 8.0)


def test_a_training_says_of_what_kind_most_images_were() -> None:
    pictures = _pictures()
    many = [pictures["grey, dark nuclei"], *[pictures["fluorescence"]] * 11]
    shown = kind_of_all(many)
    assert (shown.kind, shown.kinds, shown.nuclei) == ("fluorescence", ["fluorescence"], "bright")
    both = kind_of_all([pictures["H&E"], pictures["other colours"]])
    assert (sorted(both.kinds), both.nuclei) == (["h&e", "other"], "dark")
    told = check_parent_kind(_card(pictures["fluorescence"]), [pictures["grey, dark nuclei"], pictures["fluorescence"]])
    assert len(told) == 1 and told[0].endswith("(1 of 2 images)")
