"""OME-Zarr whose descriptions do not fit: what fits is used, the rest is told, nothing is lost in silence."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.images import open_image

from .zarr_variants import CHANGES, draw, outcome, put_array


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 30))
def test_no_description_ends_in_a_traceback_or_in_silence(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        case = draw(random.Random(seed), Path(folder))
        what, why = outcome(case)
    assert what in ("right", "said", "refused"), (case.changes, why)
    assert what != "refused" or {"level 0 not copied", "one of several series", "two series"} & {*case.changes}, why


@pytest.mark.parametrize(
    "change",
    ["omero null", "transforms dict", "global scale without channel", "level 1 not copied", "multiscales dict"],
)
def test_what_the_field_sends(tmp_path: Path, change: str) -> None:
    assert change in CHANGES
    for seed in range(40):
        case = draw(random.Random(seed), tmp_path / str(seed), only=change)
        if case.changes:
            break
    assert outcome(case)[0] in ("right", "said")


def _stored(path: Path, pixels: np.ndarray, **attributes: object) -> Path:
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    put_array(group, "0", pixels)
    (path / ".zattrs").write_text(json.dumps(attributes))
    return path


def test_sizes_and_names_that_fit_are_used(tmp_path: Path) -> None:
    axes = [{"name": "c", "type": "channel"}] + [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
    sets = [{"path": "0", "coordinateTransformations": {"type": "scale", "scale": [1, 0.5, 0.25]}}, {"path": "1"}]
    one = {
        "version": 0.4,
        "axes": axes,
        "datasets": sets,
        "coordinateTransformations": [{"type": "scale", "scale": [2, 2]}],
    }
    pixels = np.arange(2 * 40 * 30, dtype=np.uint16).reshape(2, 40, 30)
    image = open_image(_stored(tmp_path / "a.zarr", pixels, multiscales=one, omero={"channels": ["DAPI", "GFP"]}))
    assert image.pixel_size_um == (1.0, 0.5) and image.channel_names == ["DAPI", "GFP"] and image.nuclei_channel == 0
    notes = " ".join(image.notes)
    assert "level 1 is not there" in notes and "2 numbers for 3 axes" in notes
    np.testing.assert_array_equal(image.read()[..., 1], pixels[1])


def test_what_a_scale_cannot_tell_is_not_known(tmp_path: Path) -> None:
    """No scale, and units all the same: one micrometre a pixel would be a plausible lie."""
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
    for number, transforms in enumerate(
        ([], None, [{"type": "identity"}], [{"type": "scale", "scale": [float("inf")] * 2}])
    ):
        scale = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": transforms}]}
        image = open_image(_stored(tmp_path / f"{number}.zarr", np.eye(40, dtype=np.uint16), multiscales=[scale]))
        assert image.pixel_size_um is None and any("pixel size is not known" in note for note in image.notes)


def test_several_arrays_without_description_are_named(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    for name in ("raw", "mask"):
        put_array(group, name, np.eye(40, dtype=np.uint16))
    with pytest.raises(NucleiError, match="2 arrays") as caught:
        open_image(tmp_path / "a.zarr")
    assert "mask" in caught.value.hint
    assert open_image(tmp_path / "a.zarr" / "raw").shape == (40, 40)
