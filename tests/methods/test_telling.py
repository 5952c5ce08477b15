"""Where too few clicks are left, the message names what cost them and what to do about that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.data.points import write_points
from napari_nucleidomain.data.regions import Region, write_regions
from napari_nucleidomain.methods.spn_ien.clicked import load_clicked
from napari_nucleidomain.methods.spn_ien.config import SpnIenConfig

CLICKS = np.array([[row, column] for row in range(5, 60, 10) for column in range(5, 50, 10)], float)


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[..., NucleiError]:
    """What is said of a folder of one image (60, 50) with the given clicks beside three bad files."""

    def go(clicks: np.ndarray | None, *, blank: bool = False, region: Region | None = None) -> NucleiError:
        for name in ("images", "points", "regions"):
            (tmp_path / name).mkdir()
        noise = np.random.default_rng(0).integers(0, 255, (60, 50), np.uint8)
        tifffile.imwrite(tmp_path / "images" / "good.tif", np.full_like(noise, 7) if blank else noise)
        (tmp_path / "images" / "empty.tif").write_bytes(b"")
        (tmp_path / "images" / "cut.tif").write_bytes((tmp_path / "images" / "good.tif").read_bytes()[:100])
        (tmp_path / "images" / "notes.txt").write_text("no image")
        if clicks is not None:
            write_points(clicks, tmp_path / "points" / "good.csv")
        if region is not None:
            write_regions([region], tmp_path / "regions" / "good.geojson")
        with pytest.raises(NucleiError) as raised:
            load_clicked(open_dataset(tmp_path), SpnIenConfig(), lambda message, hint: None)
        return raised.value

    return go


def test_clicks_outside_the_image(refusal: Callable) -> None:
    said = refusal(CLICKS + 1000)
    assert "Left out: good.csv: 30 of 30 clicks lie outside the image" in said.message
    assert "its own clicks" in said.hint and "more nuclei" not in said.hint


def test_clicks_of_a_volume(refusal: Callable) -> None:
    said = refusal(np.column_stack([np.arange(1, 31), CLICKS]))
    assert "The clicks have 3 coordinates, but the image has 2 axes." in said.message
    assert "axis-0 and axis-1" in said.hint and "more nuclei" not in said.hint


def test_no_clicks_beside_bad_files(refusal: Callable) -> None:
    """The bad files are no cause: nobody clicked in them either."""
    said = refusal(None)
    assert said.message.endswith("The training image has no clicks.")
    assert "empty.tif" not in said.message and "points/a.csv" in said.hint


def test_clicks_outside_the_regions(refusal: Callable) -> None:
    said = refusal(CLICKS, region=Region.box(0, 0, 12, 12))
    assert said.message.startswith("Only 1 click;") and "29 clicks lie outside every region" in said.message
    assert "regions" in said.hint


def test_a_blank_image(refusal: Callable) -> None:
    said = refusal(CLICKS, blank=True)
    assert "every pixel is the same" in said.message and "Export the image again" in said.hint


def test_fewer_clicks_with_nothing_left_out(refusal: Callable) -> None:
    said = refusal(CLICKS[:7])
    assert (said.message, said.hint[:17]) == ("Only 7 clicks; 20 is the least that works.", "Click more nuclei")
