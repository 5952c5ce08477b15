"""The same pixels, with a pyramid of averages and without, are the same image to every method."""

from __future__ import annotations

import numpy as np

from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.intensity import IntensityRange
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.runs.predict import LoadedModels


def test_a_pyramid_of_averages_changes_neither_range_nor_labels() -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:1280, :1280]
    bright = 0.5 + rng.random((20, 20)).repeat(64, 0).repeat(64, 1)
    discs = np.hypot(y % 64 - 32, x % 64 - 32) < 10
    full = (200 + 2500 * discs * bright + rng.normal(0, 150, y.shape)).clip(0).astype(np.uint16)
    half = np.rint(full.reshape(640, 2, 640, 2).mean(axis=(1, 3))).astype(np.uint16)
    flat, pyramid = open_image(full), open_image([full, half])
    assert len(pyramid.levels) == 2
    assert not np.array_equal(flat.overview(512), pyramid.overview(512)), "averages: what is looked at may differ"
    segmenter, _ = LoadedModels().get("otsu", "cpu")
    assert segmenter.prepare(flat, None) == segmenter.prepare(pyramid, None)
    ranges = [IntensityRange.fit(one.overview(1024, exact=True), one.dtype, rgb=one.rgb) for one in (flat, pyramid)]
    assert ranges[0] == ranges[1]
    labels = [segment(one, segmenter, Scale(1.0, ""), box=((0, 512), (0, 512))).labels for one in (flat, pyramid)]
    assert labels[0].max() >= 64
    np.testing.assert_array_equal(*labels)
