"""Four bundled images with outlines and clicks, as plain data. Sources and licences: `README.md` beside this file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.images import Image

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class SampleInfo:
    """What is known about a sample without opening it.

    Attributes
    ----------
    name : str
        For `load_sample`.
    title : str
        For menus.
    image, labels, points : str
        File names.
    licence, attribution : str
        To be shown with the image.
    """

    name: str
    title: str
    image: str
    labels: str
    points: str
    licence: str
    attribution: str


@dataclass(frozen=True)
class Sample:
    """A sample in memory.

    Attributes
    ----------
    info : SampleInfo
    path : Path
        The image file.
    image : ndarray
        As a viewer shows it: (Y, X), (Y, X, 3) or (Z, Y, X), native number type.
    rgb : bool
    labels : ndarray (*spatial) uint32
    points : ndarray (N, ndim) float64
    kind : str
        "h&e" or "fluorescence".
    """

    info: SampleInfo
    path: Path
    image: np.ndarray
    rgb: bool
    labels: np.ndarray
    points: np.ndarray
    kind: str


SAMPLES: dict[str, SampleInfo] = {
    info.name: info
    for info in (
        SampleInfo(
            "hne",
            "H&E breast tissue (95 nuclei)",
            "hne.jpg",
            "hne_labels.png",
            "hne_points.csv",
            "CC BY 4.0 as stated by Zenodo 1175282",
            "Naylor et al., IEEE Transactions on Medical Imaging, 2018",
        ),
        SampleInfo(
            "fluorescence",
            "Fluorescent U2OS nuclei (120 nuclei)",
            "fluorescence.png",
            "fluorescence_labels.png",
            "fluorescence_points.csv",
            "CC0 1.0",
            "Caicedo et al., Nature Methods, 2019 (Data Science Bowl 2018, BBBC038)",
        ),
        SampleInfo(
            "volume",
            "Synthetic nuclei in 3D (51 nuclei)",
            "volume.tif",
            "volume_labels.tif",
            "volume_points.csv",
            "BSD 3-Clause, © 2018-2023 Uwe Schmidt, Martin Weigert",
            "Weigert et al., WACV, 2020 (StarDist)",
        ),
        SampleInfo(
            "ovule",
            "Fluorescent nuclei in 3D, confocal (54 nuclei)",
            "ovule.tif",
            "ovule_labels.tif",
            "ovule_points.csv",
            "MIT, © the authors of github.com/kreshuklab/go-nuclear",
            "Vijayan et al., Development, 2024 (Arabidopsis ovule, S-BIAD1026)",
        ),
    )
}


def _info(name: str) -> SampleInfo:
    try:
        return SAMPLES[name]
    except KeyError as error:
        raise NucleiError(f"There is no sample {name!r}.", f"There are: {', '.join(SAMPLES)}.") from error


def sample_path(name: str) -> Path:
    """The image file of a sample.

    Parameters
    ----------
    name : {"hne", "fluorescence", "volume", "ovule"}

    Returns
    -------
    Path

    Raises
    ------
    NucleiError
        There is no such sample.
    """
    return _FOLDER / _info(name).image


def sample_example(name: str) -> Example:
    """A sample as an `Example` with points and labels; see `sample_path`."""
    info = _info(name)
    return Example(_FOLDER / info.image, points=_FOLDER / info.points, labels=_FOLDER / info.labels)


def load_sample(name: str) -> Sample:
    """Read a sample; see `sample_path`.

    Returns
    -------
    Sample
    """
    info, example = _info(name), sample_example(name)
    image: Image = example.open()
    labels, points = example.load_labels(image), example.load_points(image)
    if labels is None or points is None:
        raise NucleiError(f"The sample {name!r} is not complete.", "Install napari-nucleidomain again.")
    return Sample(info, example.image, np.asarray(image.levels[0]), image.rgb, labels, points, image.kind)
