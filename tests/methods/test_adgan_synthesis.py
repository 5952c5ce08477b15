"""Labelled images from a model of adgan: shapes, ids, scales, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_nucleidomain.contracts import NucleiError, SynthesisWish, load_card
from napari_nucleidomain.instances.scalespace import find_blobs
from napari_nucleidomain.instances.synthesis import MaskSettings, draw_mask, semi_major_of
from napari_nucleidomain.methods.adgan.interpolate import interpolate
from napari_nucleidomain.methods.adgan.lessons import painted
from napari_nucleidomain.methods.adgan.segment import load
from napari_nucleidomain.methods.adgan.synthesize import synthesis
from napari_nucleidomain.networks.adgan import IMAGES, MASKS, domain_label

from .tiny_adgan import untrained


class Mirror:
    """Instead of a network: the mask itself, as an image."""

    def image_of(self, mask: np.ndarray) -> np.ndarray:
        assert all(side % 4 == 0 for side in mask.shape)
        return mask


def of(folder: Path, **wish: Any) -> Any:
    return synthesis(load_card(folder), SynthesisWish(**wish))


@pytest.mark.parametrize(("ndim", "shape"), [(2, (90, 131)), (3, (17, 40, 50))])
def test_every_nucleus_has_its_id_and_lies_where_it_is_painted(tmp_path: Path, ndim: Any, shape: Any) -> None:
    made = of(untrained(tmp_path / "m", ndim), shape=shape).make(Mirror(), np.random.default_rng(1))
    assert made.image.shape == made.labels.shape == shape
    assert made.image.dtype == np.uint8
    ids = np.unique(made.labels)
    assert ids.tolist() == list(range(len(ids)))
    assert len(ids) > 3
    # Half way between ground and grey rim: where something is painted, there is a nucleus, but for a pixel's edge.
    drawn, nuclei = made.image > 64, made.labels > 0
    assert (drawn & nuclei).sum() / (drawn | nuclei).sum() > 0.9


def test_the_same_state_gives_the_same_image_and_another_another(tmp_path: Path) -> None:
    folder = untrained(tmp_path / "m")
    segmenter = load(folder, load_card(folder), "cpu")
    one, same, other = (of(folder, shape=(64, 64)).make(segmenter, np.random.default_rng(k)) for k in (0, 0, 1))
    assert np.array_equal(one.image, same.image)
    assert np.array_equal(one.labels, same.labels)
    assert not np.array_equal(one.labels, other.labels)


def test_sizes_are_those_of_the_training_images_unless_others_are_asked_for(tmp_path: Path) -> None:
    folder = untrained(tmp_path / "m")
    usual = of(folder)
    assert usual.wish.shape == (512, 512)
    assert usual.wish.diameter == (15.0, 25.0)
    wished = of(folder, shape=(300, 300), diameter=(30, 30), nuclei=(12, 12), eccentricity=(0, 0.1))
    made = wished.make(Mirror(), np.random.default_rng(0))
    inner = np.zeros_like(made.labels, bool)
    inner[1:-1, 1:-1] = True
    ids, sizes = np.unique(made.labels, return_counts=True)
    cut = set(np.unique(made.labels[~inner]).tolist())
    whole = [size for k, size in zip(ids, sizes, strict=True) if k and k not in cut]
    assert len(ids) == 13
    assert np.allclose(np.sqrt(np.array(whole) * 4 / np.pi), 30, rtol=0.03)


@pytest.mark.parametrize(("ndim", "shape"), [(2, (500, 500)), (3, (32, 64, 64))])
def test_images_are_as_full_as_crops_in_training(tmp_path: Path, ndim: Any, shape: Any) -> None:
    """Unless said otherwise; also with nuclei of other sizes."""
    folder = untrained(tmp_path / "m", ndim)
    crop = (48, 48) if ndim == 2 else (24, 32, 32)
    low, high = (semi_major_of(size * 0.6, ndim) for size in (15, 25))
    trained = MaskSettings(crop, (3, 8), (low, high))
    rng = np.random.default_rng(0)
    aim = np.mean([(draw_mask(trained, rng).labels > 0).mean() for _ in range(400)])
    for wish in ({}, {"diameter": (20, 30)}):
        planned = of(folder, shape=shape, **wish)
        full = np.mean([(draw_mask(planned._masks, rng).labels > 0).mean() for _ in range(80)])
        assert full == pytest.approx(aim, rel=0.15)


def test_voxels_keep_their_size_and_nuclei_are_round_in_them(tmp_path: Path) -> None:
    planned = of(untrained(tmp_path / "m", 3), shape=(40, 80, 80), nuclei=(6, 6), eccentricity=(0, 0.1))
    assert planned.pixel_size_um == (1.0, 0.5, 0.5)
    made = planned.make(Mirror(), np.random.default_rng(0))
    assert len(find_blobs(made.image / 255.0, np.array(planned.spacing)).sigma) > 0
    spans = []
    for k in range(1, int(made.labels.max()) + 1):
        where = np.argwhere(made.labels == k)
        low, high = where.min(0), where.max(0)
        if (low > 0).all() and (high < np.array(made.labels.shape) - 1).all():
            spans.append((high - low + 1) * np.array(planned.spacing))
    assert spans
    assert all(abs(span[0] - span[2]) <= 3 for span in spans)


def test_sixteen_bits_and_gamma(tmp_path: Path) -> None:
    folder = untrained(tmp_path / "m", gamma=0.5)
    grey = np.unique(of(folder, shape=(80, 80), bits=16).make(Mirror(), np.random.default_rng(0)).image)
    assert grey.dtype == np.uint16
    assert grey.max() == 65535
    half = np.unique(of(untrained(tmp_path / "n"), shape=(80, 80)).make(Mirror(), np.random.default_rng(0)).image)
    # The rim is grey in the work, and darker again without gamma.
    assert half.max() == 255
    assert np.median(grey / 65535) < np.median(half / 255)


def test_small_images_are_painted_as_a_whole_and_large_ones_in_windows(tmp_path: Path) -> None:
    folder = untrained(tmp_path / "m", window_crops=2.0)
    segmenter = load(folder, load_card(folder), "cpu")
    mask = painted(draw_mask(MaskSettings((144, 144), (9, 9), (6, 8)), np.random.default_rng(0)), "instance")
    corner = np.ascontiguousarray(mask[:96, :96])
    x = torch.from_numpy(corner)[None, None]
    with torch.inference_mode():
        images, masks = (domain_label(one, 1) for one in (IMAGES, MASKS))
        alone = segmenter.generator(x, masks, images)[0, 0].numpy()
    assert np.allclose(segmenter.image_of(corner), alone, atol=1e-5)
    whole = segmenter.image_of(mask)
    assert whole.shape == mask.shape
    # Windows of 96 overlap by 48: what only the first sees is as if it were alone.
    assert np.allclose(whole[:48, :48], alone[:48, :48], atol=1e-5)
    assert not np.allclose(whole[50:90, 50:90], alone[50:90, 50:90], atol=1e-3)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"shape": (64, 64, 64)}, "flat images: two sides"),
        ({"shape": (4, 64)}, "too small"),
        ({"shape": (20_000, 20_000)}, "too large"),
        ({"shape": (64, 64), "diameter": (10, 90)}, "larger than the image"),
        ({"diameter": (30, 20)}, "cannot be 30 to 20"),
        ({"diameter": (0, 20)}, "cannot be 0 to 20"),
        ({"shape": (64, 64), "nuclei": (900, 1000)}, "find no room"),
        ({"nuclei": (0, 3)}, "cannot be 0 to 3 nuclei"),
        ({"nuclei": (5, 3)}, "cannot be 5 to 3 nuclei"),
        ({"eccentricity": (0.5, 1.0)}, "Eccentricities"),
    ],
)
def test_what_cannot_be_is_refused_in_the_users_pixels(tmp_path: Path, wish: Any, said: str) -> None:
    with pytest.raises(NucleiError, match=said) as caught:
        of(untrained(tmp_path / "m"), **wish)
    assert caught.value.hint


def test_planning_needs_no_torch() -> None:
    import subprocess

    code = "import sys, napari_nucleidomain.methods.adgan.synthesize; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("ndim", "shape"), [(2, (32, 48)), (3, (24, 24, 32))])
def test_labels_between_mask_and_image_change_what_is_painted_bit_by_bit(tmp_path: Path, ndim: Any, shape: Any) -> None:
    folder = untrained(tmp_path / "m", ndim, mirrored=False)
    segmenter = load(folder, load_card(folder), "cpu")
    given = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    made = interpolate(segmenter, given, intervals=4)
    assert made.shape == (5, *shape)
    assert np.allclose(made[0], segmenter.paint_work(given), atol=1e-5)
    assert np.allclose(interpolate(segmenter, given, mask=True, intervals=1)[-1], segmenter.image_of(given), atol=1e-5)
    far = np.abs(made[-1] - made[0]).mean()
    assert 0 < np.abs(np.diff(made, axis=0)).mean((1, *range(2, made.ndim))).max() < far
    with pytest.raises(NucleiError, match="0 intervals"):
        interpolate(segmenter, given, intervals=0)
