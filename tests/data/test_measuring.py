"""`nuclei.csv` and `images.csv`: every column that is promised, of every kind of image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.measuring import image_row, measure_on, stack_rows
from napari_nucleidomain.data.tables import read_table, write_table
from napari_nucleidomain.data.understanding import Understanding
from napari_nucleidomain.instances.stains import haematoxylin

RNG = np.random.default_rng(8)
LABELS = np.zeros((40, 50), np.uint32)
LABELS[5:15, 5:13] = 4
LABELS[20:30, 45:50] = 9  # at the border


def test_every_channel_is_measured_also_those_not_used(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 4000, (3, 40, 50), dtype=np.uint16)
    names = ["DAPI", "GFP", "GFP"]
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels, metadata={"axes": "CYX", "Channel": {"Name": names}})
    image = open_image(tmp_path / "a.ome.tif", Understanding(channels=[0]))
    assert image.n_channels == 1
    table = measure_on(LABELS, image, pixel_size_um=(0.5, 0.5), scores=np.linspace(0, 1, 9), uncertainty=np.ones(9))
    inside = LABELS == 4
    for name, channel in (("DAPI", 0), ("GFP_2", 1), ("GFP_3", 2)):
        assert table[f"mean_intensity_{name}"][0] == pytest.approx(pixels[channel][inside].mean())
        assert table[f"integrated_intensity_{name}"][0] == pixels[channel][inside].sum()
    assert "haematoxylin_od" not in table
    promised = (
        "id", "centroid_y_px", "centroid_x_px", "centroid_y_um", "centroid_x_um", "area_px", "area_um2", "perimeter_px",
        "perimeter_um", "eccentricity", "solidity", "score", "uncertainty", "touches_border",
    )  # fmt: skip
    assert [name for name in promised if name not in table] == []
    assert table["touches_border"].tolist() == [False, True] and table["score"][0] == pytest.approx(3 / 8)
    assert table["area_um2"].tolist() == [20, 12.5] and table["centroid_x_um"][0] == 8.5 * 0.5


def test_haematoxylin_of_stained_sections_only() -> None:
    pixels = np.full((40, 50, 3), 235, np.uint8)
    pixels[LABELS > 0] = (90, 60, 140)
    pixels[::7] += 5
    stained = open_image(pixels, Understanding(rgb=True, kind="h&e"))
    table = measure_on(LABELS, stained)
    assert table["haematoxylin_od"][0] == pytest.approx(haematoxylin(pixels)[LABELS == 4].mean(), rel=1e-5)
    assert table["mean_intensity_blue"][0] > table["mean_intensity_green"][0]
    dark = open_image(255 - pixels, Understanding(rgb=True, kind="fluorescence"))
    found = measure_on(LABELS, dark)
    assert "haematoxylin_od" not in found and "mean_intensity_red" in found


def test_a_part_and_a_slide_are_measured_where_they_lie() -> None:
    image = open_image(RNG.integers(0, 255, (40, 50), dtype=np.uint8))
    whole = measure_on(LABELS, image, pixel_size_um=(2.0, 2.0))
    part = measure_on(LABELS[3:, 4:], image, origin=(3, 4), pixel_size_um=(2.0, 2.0))

    class Lazy:
        """Read with slices, as a slide's labels are."""

        shape, dtype, ndim = LABELS.shape, LABELS.dtype, 2

        def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
            return LABELS[key]

    slide = measure_on(Lazy(), image, pixel_size_um=(2.0, 2.0))
    assert list(part) == list(whole) == list(slide)
    for name in whole:
        np.testing.assert_allclose(part[name], whole[name], err_msg=name)
        np.testing.assert_allclose(slide[name], whole[name], err_msg=name)


def test_images_csv(tmp_path: Path) -> None:
    """Images with and without a pixel size in one table, and one in which nothing was found."""
    table = measure_on(LABELS, None)
    sized = image_row("a", table, 2, 2000, (0.5, 0.5), "liver-2", "2026-11-21 14:02")
    bare = image_row("b", table, 2, 2000, None)
    empty = image_row("c", measure_on(np.zeros((40, 50), np.uint8), None), 2, 2000, None)
    columns = read_table(write_table(stack_rows([bare, sized, empty]), tmp_path / "images.csv"))
    assert list(columns) == [
        "image", "area_analysed_px", "area_analysed_mm2", "nuclei", "nuclei_per_megapixel", "nuclei_per_mm2",
        "median_area_px", "median_area_um2", "model", "date",
    ]  # fmt: skip
    assert columns["nuclei"] == ["2", "2", "0"] and columns["median_area_px"] == ["65", "65", ""]
    assert columns["area_analysed_mm2"] == ["", "0.0005", ""] and columns["nuclei_per_mm2"] == ["", "4000", ""]
    assert columns["median_area_um2"][1] == "16.25" and columns["nuclei_per_megapixel"][0] == "1000"
    assert columns["model"] == ["", "liver-2", ""] and columns["date"][1] == "2026-11-21 14:02"
    deep = image_row("d", measure_on(np.stack([LABELS] * 2), None), 3, 4000, (2.0, 0.5, 0.5))
    assert deep["median_volume_um3"] == 65 and deep["volume_analysed_mm3"] == pytest.approx(2e-6)
