"""What AD-GAN is shown of an image: smoothed, scaled, the same for every tile; and what sizes are drawn for volumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from scipy.ndimage import gaussian_filter

from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.instances.sizes import NucleusSizes
from napari_nucleidomain.methods.adgan import SPEC, sizes
from napari_nucleidomain.methods.adgan.config import AdganConfig
from napari_nucleidomain.methods.adgan.pictures import blocks_of, find_smoothing, load_pictures, sigma_of, to_work
from napari_nucleidomain.methods.adgan.segment import AdganSegmenter, network_settings
from napari_nucleidomain.networks.adgan import Generator

QUICK = AdganConfig.build(SPEC.preset("quick").values, {})


def noisy_volume(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(24, 60, 60) a ball of voxels twice as deep as wide in noise, and where it is."""
    z, y, x = np.mgrid[:24, :60, :60]
    inside = ((z - 12) * 2.0) ** 2 + (y - 30) ** 2 + (x - 30) ** 2 <= 15**2
    noise = np.random.default_rng(seed).normal(0, 0.15, inside.shape)
    return np.clip(0.3 + 0.2 * inside + noise, 0, 1).astype(np.float32), inside


def test_sigma_is_a_part_of_a_nucleus_along_each_axis() -> None:
    assert sigma_of(0.1, 20.0, (2.0, 1.0, 1.0), 1.5) == pytest.approx((1.5, 2.0, 2.0))
    assert sigma_of(0.1, 20.0, (1.0, 1.0), 1.5) == pytest.approx((2.0, 2.0))


def test_no_smoothing_where_none_is_wanted_or_nothing_is_left() -> None:
    unit, _ = noisy_volume()
    assert find_smoothing([unit], (0.0, 0.0, 0.0)) is None
    assert find_smoothing([np.full((8, 8), 0.5)], (1.0, 1.0)) is None


def test_smoothing_lifts_nuclei_out_of_the_noise_and_fills_the_range() -> None:
    unit, inside = noisy_volume()
    smoothing = find_smoothing([unit], sigma_of(0.08, 30.0, (2.0, 1.0, 1.0), 1.0))
    plain, smooth = (to_work(unit, (1.0, 1.0, 1.0), 1.0, how) for how in (None, smoothing))

    def apart(work: np.ndarray) -> float:
        return float((work[inside].mean() - work[~inside].mean()) / work[~inside].std())

    assert apart(smooth) > 3 * apart(plain)
    assert smooth.dtype == np.float32 and (smooth.min(), smooth.max()) == (-1, 1)


def test_a_tile_is_smoothed_as_the_whole_image_is() -> None:
    unit, _ = noisy_volume()
    smoothing = find_smoothing([unit], (1.2, 2.4, 2.4))
    assert smoothing is not None
    tile = (slice(None), slice(10, 50), slice(10, 50))
    halo = (slice(None), slice(10, -10), slice(10, -10))
    np.testing.assert_allclose(smoothing.of(unit[tile])[halo], smoothing.of(unit)[tile][halo], atol=1e-5)


def test_blocks_of_a_large_noisy_volume_tell_the_same_range_as_the_whole() -> None:
    rng = np.random.default_rng(0)
    volume = gaussian_filter(rng.random((20, 420, 430)).astype(np.float32), (3, 9, 9))
    volume = 0.3 + 0.2 * (volume > np.percentile(volume, 80)) + rng.normal(0, 0.15, volume.shape)
    boxes = blocks_of(volume.shape)
    assert len(boxes) == 4 and all(box[0] == (0, 20) for box in boxes)
    assert {box[2][1] for box in boxes} == {128, 430}, "from one end to the other"
    parts = [volume[tuple(slice(*side) for side in box)] for box in boxes]
    whole, seen = (find_smoothing(given, (1.0, 2.0, 2.0)) for given in ([volume], parts))
    assert whole is not None and seen is not None
    assert (seen.low, seen.high) == pytest.approx((whole.low, whole.high), rel=0.05)


def test_small_images_are_looked_at_as_a_whole() -> None:
    assert blocks_of((100, 250, 60)) == [[(0, 100), (0, 250), (0, 60)]]


def test_volumes_have_their_own_scale_or_that_of_flat_images() -> None:
    assert (QUICK.work_diameter(2), QUICK.work_diameter(3)) == (16.0, 12.0)
    assert QUICK.smooth(2) == 0 and QUICK.smooth(3) > 0
    assert AdganConfig(work_diameter_px=20.0).work_diameter(3) == 20.0
    assert AdganConfig().work_diameter(3) == AdganConfig().smooth(3) == AdganConfig().edge == 0, "the paper's"


@pytest.mark.parametrize(("found", "drawn"), [((0.5, 1.1), (0.8, 1.2)), ((0.9, 1.4), (0.9, 1.4))])
def test_noise_draws_no_tiny_nuclei_into_volumes(
    found: tuple[float, float], drawn: tuple[float, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images").mkdir()
    unit, _ = noisy_volume()
    volume = (unit * 200).astype(np.uint8)
    metadata = {"spacing": 2.0, "unit": "um", "axes": "ZYX"}
    tifffile.imwrite(tmp_path / "images" / "a.tif", volume, imagej=True, resolution=(1, 1), metadata=metadata)
    pictures = load_pictures(open_dataset(tmp_path), 2.0, lambda message, hint: None)
    made = NucleusSizes(30.0, 30.0 * found[0], 30.0 * found[1], 1.0, 9, 1)
    monkeypatch.setattr(sizes, "estimate_sizes", lambda images, spacings=None: made)
    told = sizes.find_sizes(pictures, QUICK, lambda message, hint: None)
    assert (told.low / told.diameter, told.high / told.diameter) == pytest.approx(drawn)
    told = sizes.find_sizes(pictures, AdganConfig(z_step=2.0), lambda message, hint: None)
    assert (told.low / told.diameter, told.high / told.diameter) == pytest.approx(found), "the paper's presets go by it"


@pytest.mark.parametrize("edge", [0.0, 0.5])
def test_outlines_lie_where_brightness_falls_half_way_if_so_configured(edge: float, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    y, x = np.mgrid[:96, :96]
    away = np.hypot(y - 48, x - 48)
    image = gaussian_filter(100 + 800.0 * (away <= 16), 2)
    tifffile.imwrite(tmp_path / "images" / "a.tif", image.astype(np.uint16))
    picture = open_image(tmp_path / "images" / "a.tif")
    config = QUICK.model_copy(update={"edge": edge, "width": 4, "blocks": 1, "style_width": 8})
    made = AdganSegmenter(
        Generator(network_settings(config, 2)), config, 32.0, 1.0, (48, 48), torch.device("cpu"), (1.0, 1.0)
    )
    # What a network would paint: the right nucleus, too small.
    made.paint = lambda unit, scene: np.where(away <= 12, 1.0, -1.0).astype(np.float32)
    found = made.forward([picture.read()], made.prepare(picture, None))[0]
    assert found.labels.max() == 1 and len(found.scores) == 1
    radius = float(np.sqrt((found.labels > 0).sum() / np.pi))
    assert radius == pytest.approx(16 if edge else 12, abs=0.5)
