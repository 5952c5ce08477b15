"""Films and thin stacks in a prediction: which moment and plane is looked at, and that it is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.understanding import Understanding
from napari_nucleidomain.inference.thin import thin_stack
from napari_nucleidomain.runs.job import CLASSICAL, PredictJob
from napari_nucleidomain.runs.predict_planes import choose_view


def stack(planes: int, best: int = 1) -> np.ndarray:
    """Discs 18 pixels wide, brightest in one plane."""
    rows, columns = np.indices((120, 120))
    flat = gaussian_filter(((rows % 30 - 15) ** 2 + (columns % 30 - 15) ** 2 <= 81).astype(float), 1)
    noise = np.random.default_rng(0).normal(0, 12, (planes, 120, 120))
    strength = np.array([800 if plane == best else 500 for plane in range(planes)])
    return (100 + strength[:, None, None] * flat + noise).clip(0).astype(np.uint16)


def view(image: object, flat: bool = False, **asked: object) -> tuple[object, PredictJob, list[str]]:
    said: list[str] = []
    job = PredictJob(model=CLASSICAL if not flat else "model", images=[], **asked)
    opened, job = choose_view(image, job, flat, lambda message, hint: said.append(f"{message} {hint}"))
    return opened, job, said


def test_a_thin_stack_is_looked_at_in_one_plane(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", stack(4, best=2), metadata={"axes": "ZYX"}, photometric="minisblack")
    image = open_image(tmp_path / "a.ome.tif")
    _, job, said = view(image)
    assert job.plane == 2 and "too thin for a volume" in said[0] and "--plane" in said[0]
    _, job, said = view(image, plane=0)
    assert job.plane == 0 and not said
    _, job, said = view(image, background=True)
    assert job.plane is None and "every plane for itself" in said[0]
    known = open_image(tmp_path / "a.ome.tif", Understanding(pixel_size_um=(2.0, 0.4, 0.4)))
    assert thin_stack(known) is None, "20 pixels deep hold a nucleus"


def test_deep_and_blank_stacks_stay_volumes() -> None:
    assert thin_stack(open_image(stack(20), Understanding(axes="ZYX"))) is None
    blank = np.random.default_rng(0).normal(100, 5, (4, 64, 64)).astype(np.uint16)
    assert thin_stack(open_image(blank, Understanding(axes="ZYX"))) is None


def test_the_moment_of_a_film_is_said_and_chosen() -> None:
    film = open_image(stack(4), Understanding(axes="TYX"))
    opened, _, said = view(film)
    assert opened.default_plane == 0 and "only moment 1 of 4" in said[0] and "--time" in said[0]
    for asked in ({"time": 2}, {"plane": 2}):
        opened, job, said = view(film, **asked)
        np.testing.assert_array_equal(opened.read()[..., 0], stack(4)[2])
        assert not said and job.plane is None
    with pytest.raises(NucleiError, match="4 moments; there is no moment 4"):
        view(film, time=4)
    with pytest.raises(NucleiError, match="no film"):
        view(open_image(stack(4)[0]), time=1)


def test_a_plane_of_a_moment_of_volumes() -> None:
    pixels = np.stack([stack(20, best=k) for k in (3, 5)])
    image = open_image(pixels, Understanding(axes="TZYX"))
    opened, job, said = view(image, time=1)
    assert opened.ndim == 3 and not said
    np.testing.assert_array_equal(opened.read()[..., 0], pixels[1])
    opened, job, said = view(image, time=1, plane=7)
    assert opened.ndim == 2 and job.plane is None and not said
    np.testing.assert_array_equal(opened.read()[..., 0], pixels[1, 7])
    opened, job, said = view(image, flat=True, plane=7)
    assert "moment 1 of 2" in said[0]
    np.testing.assert_array_equal(opened.read()[..., 0], pixels[0, 7])
