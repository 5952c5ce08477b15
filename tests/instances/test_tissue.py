"""What lies over tissue or signal is told from it, and clean pictures have nothing left out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_nucleidomain.instances.tissue import Tissue, find_tissue, is_bright_field

SHAPE = (200, 240)


def nuclei(rng: np.random.Generator) -> np.ndarray:
    y, x = np.indices(SHAPE)
    mask = np.zeros(SHAPE, bool)
    for cy in range(15, SHAPE[0], 26):
        for cx in range(15, SHAPE[1], 26):
            dy, dx = rng.integers(-3, 4, 2)
            mask |= (y - cy - dy) ** 2 + (x - cx - dx) ** 2 <= 8**2
    return mask


def section(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    amount = gaussian_filter(nuclei(rng).astype(float), 1)[..., None] * 0.9
    density = amount * np.array([0.65, 0.70, 0.29]) + 0.25 * np.array([0.07, 0.99, 0.11])
    return np.clip(255 * 10**-density + rng.normal(0, 4, density.shape), 1, 255).astype(np.uint8)


def light(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(900 + 900 * gaussian_filter(nuclei(rng).astype(float), 1) + rng.normal(0, 40, SHAPE), 1, None)


def fluorescence(seed: int = 0) -> np.ndarray:
    return light(seed).astype(np.uint16)[..., None]


def stroke(colour: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A section with a stroke of ink, which lets through what it does of the light below; where."""
    y, x = np.indices(SHAPE)
    where = np.abs(y - 60 - 0.4 * x) < 8
    ink = -np.log10(np.array(colour) / 255) * gaussian_filter(where.astype(float), 1)[..., None]
    return np.clip(section() * 10**-ink, 0, 255).astype(np.uint8), where


@pytest.mark.parametrize("colour", [(20, 20, 22), (28, 62, 165), (20, 110, 60), (190, 30, 35)])
def test_ink_of_every_colour_is_found_and_hardly_more(colour: tuple[int, int, int]) -> None:
    image, where = stroke(colour)
    tissue = find_tissue(image, True)
    assert tissue.ink[where].mean() > 0.97
    assert tissue.ink[~where].mean() < 0.06
    assert tissue.told() == [f"ink was left out ({100 * tissue.ink.mean():.0f} % of the image)"]
    assert not (tissue.signal & where).mean() > 0.01


@pytest.mark.parametrize(
    "image", [section(), section(1), np.full((*SHAPE, 3), 244, np.uint8)], ids=["one", "other", "glass"]
)
def test_clean_sections_stay_as_they_are(image: np.ndarray) -> None:
    tissue = find_tissue(image, True)
    assert tissue.is_clean
    assert not tissue.told()
    assert tissue.signal.all()


def test_dark_nuclei_pigment_and_blood_are_tissue() -> None:
    image = section()
    image[20:26, 30:36] = (25, 22, 20)  # a grain of pigment
    image[100:104, 100:104] = (40, 20, 70)  # a dense nucleus
    image[150:180, 150:190] = (200, 60, 75)  # red blood cells
    assert find_tissue(image, True).is_clean


@pytest.mark.parametrize("side", ["top", "left", "right", "bottom", "corner"])
@pytest.mark.parametrize("kind", ["section", "fluorescence"])
def test_black_padding(side: str, kind: str) -> None:
    image = section() if kind == "section" else fluorescence()
    where = np.zeros(SHAPE, bool)
    y, x = np.indices(SHAPE)
    where |= {"top": y < 40, "left": x < 50, "right": x > 200, "bottom": y > 150, "corner": x + y < 110}[side]
    image[where] = 0
    tissue = find_tissue(image, kind == "section")
    assert tissue.padding[where].mean() > 0.95
    assert tissue.padding[~where].mean() < 0.04
    assert "padding" in tissue.told()[0]


def test_a_ground_cut_off_at_zero_is_no_padding() -> None:
    image = np.clip(light() - 960, 0, None).astype(np.uint16)[..., None]
    image[:30] = 0
    assert (image == 0).mean() > 0.3
    assert find_tissue(image, False).is_clean


@pytest.mark.parametrize("kind", ["one square", "flat discs", "noisy discs", "crowded"])
def test_a_ground_of_one_value_is_no_padding(kind: str) -> None:
    """Of pictures that were cut out, thresholded or made up; the nuclei would be all that is left."""
    image = np.full((128, 160), 10, np.uint8)
    if kind == "one square":
        image[30:46, 40:56] = 200
    else:
        y, x = np.indices(image.shape)
        step = 17 if kind == "crowded" else 30
        for row in range(step, 118, step):
            for column in range(step, 150, step):
                image[(y - row) ** 2 + (x - column) ** 2 < 49] = 200
    if kind == "noisy discs":
        noise = np.random.default_rng(0).integers(0, 20, image.shape, dtype=np.uint8)
        image[image > 10] -= noise[image > 10]
    assert not find_tissue(image[..., None], False).padding.any()


def test_the_brightest_row_of_a_nucleus_is_no_bar() -> None:
    y, x = np.mgrid[:64, :64]
    image = np.where((y - 20) ** 2 + (x - 20) ** 2 < 80, 200, 20) + (y % 7)
    assert find_tissue(image.astype(np.uint8)[..., None], False).is_clean


@pytest.mark.parametrize("kind", ["section", "fluorescence"])
def test_bars_with_text(kind: str) -> None:
    image = section() if kind == "section" else np.clip(light() / 12, 0, 255).astype(np.uint8)[..., None]
    where = np.zeros(SHAPE, bool)
    where[180:186, 20:90] = True
    where[165:175, 40:44] = where[165:175, 50:54] = True
    image[where] = 0 if kind == "section" else 255
    tissue = find_tissue(image, kind == "section")
    assert tissue.bars[where].all()
    assert tissue.bars.mean() < 0.05
    assert "scale bar" in tissue.told()[0]


def test_debris_fibres_and_saturated_spots_are_no_signal() -> None:
    image = fluorescence().astype(np.uint16)
    y, x = np.indices(SHAPE)
    round_one, fibre = (y - 90) ** 2 + (x - 100) ** 2 < 9**2, np.abs(y - 20 - 0.3 * x) < 2
    image[round_one | fibre] = 30000
    tissue = find_tissue(image, False)
    assert tissue.spots[fibre].all()
    # It may be a nucleus, whatever its light: it sets no range, and stays.
    assert tissue.bright[round_one].all() and not tissue.spots[round_one].any()
    assert tissue.spots[~fibre].mean() < 0.1
    assert "far brighter" in tissue.told()[0]
    assert np.percentile(image[tissue.signal], 99.9) < 2500


def test_bright_and_dim_nuclei_in_like_numbers_are_all_nuclei() -> None:
    """Half of the cells shine (transfected, say): none of them is debris."""
    y, x = np.mgrid[:200, :240]
    image = np.random.default_rng(4).normal(18, 3, (200, 240))
    for number, (row, column) in enumerate((r, c) for r in range(25, 190, 38) for c in range(25, 230, 40)):
        image[(y - row) ** 2 + (x - column) ** 2 <= 81] += (120, 24)[number % 2]
    assert find_tissue(np.clip(image, 0, 255).astype(np.uint8)[..., None], False).is_clean


def test_a_few_dividing_nuclei_are_kept() -> None:
    image = light()
    y, x = np.indices(SHAPE)
    image += 3600 * gaussian_filter(((y - 93) ** 2 + (x - 93) ** 2 < 8**2).astype(float), 1)
    tissue = find_tissue(image[..., None].astype(np.float32), False)
    assert not tissue.left_out[85:100, 85:100].any()


def test_hot_pixels_are_told() -> None:
    image = fluorescence()
    hot = np.random.default_rng(3).random(SHAPE) < 0.002
    image[hot] = 60000
    tissue = find_tissue(image, False)
    assert tissue.hot is not None
    assert tissue.told() == ["hot pixels of the camera were evened out"]


@pytest.mark.parametrize("image", [fluorescence(), fluorescence(1), np.zeros((60, 60, 1), np.uint8)])
def test_clean_fluorescence_stays_as_it_is(image: np.ndarray) -> None:
    assert find_tissue(image, False).is_clean


def test_numbers_that_are_not_finite_are_no_signal() -> None:
    image = light().astype(np.float32)[..., None]
    image[10:30, 10:30] = np.inf
    image[50, 50] = np.nan
    tissue = find_tissue(image, False)
    assert isinstance(tissue, Tissue)
    assert tissue.missing.sum() == 401
    assert not tissue.signal[10:30, 10:30].any()
    assert np.isfinite(image[tissue.signal]).all()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_black_padding_does_not_make_a_section_fluorescence(share: float) -> None:
    image = section()
    image[: int(share * SHAPE[0])] = 0
    assert is_bright_field(image)


def test_fluorescence_in_colour_is_no_section() -> None:
    grey = np.clip(light() / 8 - 90, 0, 255).astype(np.uint8)
    blue = np.stack([np.zeros_like(grey), np.zeros_like(grey), np.clip(grey * 2.0, 0, 255).astype(np.uint8)], -1)
    assert not is_bright_field(np.stack([grey] * 3, -1))
    assert not is_bright_field(blue)
