"""The bundled samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data import samples
from napari_nucleidomain.data.points import check_points, pixels_of


@pytest.mark.parametrize(
    ("name", "shape", "nuclei", "kind"),
    [
        ("hne", (512, 512, 3), 95, "h&e"),
        ("fluorescence", (520, 696), 120, "fluorescence"),
        ("volume", (31, 61, 57), 51, "fluorescence"),
        ("ovule", (100, 100, 100), 54, "fluorescence"),
    ],
)
def test_sample(name: str, shape: tuple[int, ...], nuclei: int, kind: str) -> None:
    """Image, outlines and clicks belong together: each click lies in the nucleus of its row."""
    sample = samples.load_sample(name)
    assert sample.image.shape == shape
    assert sample.rgb == (len(shape) == 3 and shape[-1] == 3)
    assert sample.kind == kind
    assert sample.labels.shape == (shape[:2] if sample.rgb else shape)
    assert len(np.unique(sample.labels)) == nuclei + 1 == len(sample.points) + 1
    np.testing.assert_array_equal(sample.labels[tuple(pixels_of(sample.points).T)], np.arange(1, nuclei + 1))
    assert not [f for f in check_points(sample.points, sample.labels.shape) if f.severity == "error"]
    assert samples.sample_path(name) == sample.path


def test_the_3d_sample_is_one_volume_and_knows_its_voxels() -> None:
    with samples.sample_example("ovule").open() as image:
        assert image.spatial_axes == "ZYX" and image.pixel_size_um == pytest.approx(
            (0.28372, 0.12679, 0.12679), rel=1e-4
        )
        assert not image.questions and "z, planes of one volume" in image.third_axis_reason


def test_samples_are_small_attributed_and_free() -> None:
    folder = Path(samples.__file__).parent
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "CC BY 4.0 as stated by Zenodo 1175282" in readme
    assert "kumar" not in readme.lower()
    for info in samples.SAMPLES.values():
        assert info.licence and info.attribution
        assert f"`{Path(info.image).stem}.*`" in readme
        for file in (info.image, info.labels, info.points):
            assert 0 < (folder / file).stat().st_size < 2_000_000
    with pytest.raises(NucleiError, match="There is no sample 'kumar'"):
        samples.sample_path("kumar")
