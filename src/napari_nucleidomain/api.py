"""The loop for scripts and notebooks: open, train, predict, evaluate, on files or on arrays in memory.

The same machinery as the docks and the command line: a model trained in one is used in the others.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_nucleidomain.cli.evaluate import is_points, score
from napari_nucleidomain.cli.train import new_job
from napari_nucleidomain.contracts import ModelCard, NucleiError, Segmenter, load_card
from napari_nucleidomain.contracts.events import Failed
from napari_nucleidomain.data.images import Image, open_image
from napari_nucleidomain.data.labels_io import read_labels, separated, voxel_size
from napari_nucleidomain.data.misfits import misfits
from napari_nucleidomain.data.points import read_points
from napari_nucleidomain.inference.scale import choose_scale
from napari_nucleidomain.inference.segment import Hooks, Segmentation, segment
from napari_nucleidomain.instances.scores import score_labels, score_points
from napari_nucleidomain.runs.event_log import last_event
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.job import PredictJob
from napari_nucleidomain.runs.predict import CLASSICAL, LoadedModels
from napari_nucleidomain.runs.predict_planes import choose_view
from napari_nucleidomain.runs.store import Project

__all__ = ["Model", "evaluate", "load_model", "open_image", "predict", "train"]


@dataclass(frozen=True)
class Model:
    """A model that is loaded and ready.

    Attributes
    ----------
    segmenter : Segmenter
        Does the work.
    card : ModelCard
        What is known of it: method, channels, scale, scores.
    """

    segmenter: Segmenter
    card: ModelCard


def load_model(
    model: Path | str = CLASSICAL,
    *,
    device: str = "auto",
    settings: dict[str, Any] | None = None,
    ndim: Literal[2, 3] = 2,
) -> Model:
    """Load a model once, to predict many images with it.

    Parameters
    ----------
    model : Path or str
        Folder of a trained model, or "otsu".
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    settings : dict, optional
        Settings of the method that differ from those the model was trained with, e.g. ``{"decoder": "watershed"}``.
    ndim : {2, 3}
        Whether "otsu" is to work on flat images or on volumes; a trained model has its own.

    Returns
    -------
    Model

    Raises
    ------
    NucleiError
        It is no model, damaged, of a method that is not installed, or the device is not there.
    """
    return Model(*LoadedModels().get(str(model), device, settings, ndim))


def predict(
    image: Any,
    model: Model | Path | str = CLASSICAL,
    *,
    box: Sequence[Sequence[int]] | None = None,
    plane: int | None = None,
    pixel_size_um: float | None = None,
    diameter_px: float | None = None,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
    warn: Callable[[str, str], None] | None = None,
) -> Segmentation:
    """Find the nuclei of one image, in memory. For whole slides use ``nucleidomain predict``, which writes to disk.

    Parameters
    ----------
    image : Image, str, Path or array
        As `open_image` takes it, or what it gave.
    model : Model, Path or str
        From `load_model`, or a model's folder, or "otsu".
    box : sequence of (start, stop), optional
        Rows and columns, (planes first for a volume), in pixels; the whole image by default.
    plane : int, optional
        z plane of a volume that a 2D model is to look at.
    pixel_size_um : float, optional
        Pixel size of the image in micrometres, where its file is silent or wrong.
    diameter_px : float, optional
        Median nucleus diameter in the image, in pixels, instead of a pixel size.
    device : str
        Used where the model is loaded here.
    progress : callable, optional
        Told (tiles done, tiles in all).
    warn : callable, optional
        Told (message, hint) of what goes otherwise than wished, such as too little memory, or a model that was trained
        on another kind of image. The latter is a Python warning where this is not given.

    Returns
    -------
    Segmentation
        `labels`, ndarray (*box shape) uint32 with 0 for background; `scores` and `uncertainty` of nucleus k at k - 1;
        `origin` of the box; `scale`, with the sentence that says why.

    Raises
    ------
    NucleiError
        The image or the model cannot be used, they do not fit each other, or the box lies outside.
    """
    opened = image if isinstance(image, Image) else open_image(image)
    flat = model.card.ndim == 2 if isinstance(model, Model) else str(model) != CLASSICAL
    asked = PredictJob(
        model=CLASSICAL if not isinstance(model, Model) and str(model) == CLASSICAL else "",
        images=[],
        plane=plane,
        box=[[int(start), int(stop)] for start, stop in box] if box is not None else None,
    )
    opened, asked = choose_view(opened, asked, flat, warn or (lambda message, hint: None))
    plane, box = asked.plane, asked.box
    if not isinstance(model, Model):
        volume = len(opened.spatial_shape) == 3 and plane is None
        model = load_model(model, device=device, ndim=3 if volume else 2)
    own = float(opened.pixel_size_um[-1]) if opened.pixel_size_um else None
    scale = choose_scale(model.card, own, pixel_size_um=pixel_size_um, diameter_px=diameter_px)
    area = tuple((int(start), int(stop)) for start, stop in box) if box is not None else None
    tell = warn or _warn_as_python_does
    for sentence in misfits(model.card, opened, plane=plane, pixel_size_um=pixel_size_um, diameter_px=diameter_px):
        tell(sentence, "Look at the result, or choose a model for images like this one.")
    nothing = Hooks()
    hooks = Hooks(progress=progress or nothing.progress, warn=warn or nothing.warn)
    return segment(opened, model.segmenter, scale, box=area, plane=plane, hooks=hooks)


def _warn_as_python_does(message: str, hint: str) -> None:
    warnings.warn(f"{message} {hint}", stacklevel=3)


def train(
    data: Path | str,
    out: Path | str,
    *,
    method: str = "spn-ien",
    preset: str | None = None,
    settings: dict[str, Any] | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    parent: Path | str | None = None,
    device: str = "auto",
    threads: int | None = None,
    seed: int = 0,
    project: Path | str = "nucleidomain-runs",
    overwrite: bool = False,
    pixel_size_um: float | tuple[float, ...] | None = None,
) -> ModelCard:
    """Train a model from clicks and wait until it is done.

    Parameters
    ----------
    data : Path or str
        A dataset file or a folder with `images` and `points`; see "File formats".
    out : Path or str
        Folder for the model.
    method : str
    preset : str, optional
        The method's first by default.
    settings : dict, optional
        Settings that differ from the preset's.
    minutes : float, optional
        How long, at most; the preset's by default.
    steps : int, optional
        Training steps instead of minutes.
    parent : Path or str, optional
        Folder of a model to continue from.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps"; for `panoptic` also several cards, "cuda:0,cuda:1".
    threads : int, optional
        CPU threads; chosen by the program by default.
    seed : int
    project : Path or str
        Folder in which the run's own folder, with checkpoints and log, is made.
    overwrite : bool
        Whether a model that is in `out` already may be replaced; that of `parent` always may.
    pixel_size_um : float or tuple of float, optional
        Of the images in µm, where their files are silent; of volumes z, y, x.

    Returns
    -------
    ModelCard
        What is known of the model; the model itself lies in `out`.

    Raises
    ------
    NucleiError
        The data, a setting, the device or the disk will not do, or it was stopped before there was a model.
    RuntimeError
        A defect of the program; the log is named.
    """
    out = Path(out)
    job = new_job(
        Path(data),
        out,
        method=method,
        preset=preset,
        settings=settings,
        parent=Path(parent) if parent is not None else None,
        minutes=minutes,
        steps=steps,
        threads=threads,
        device=device,
        seed=seed,
        overwrite=overwrite,
        pixel_size=(pixel_size_um,) if isinstance(pixel_size_um, int | float) else pixel_size_um,
    )
    run = Project.open(project).new_run(job)
    code = execute(run.path)
    event = last_event(run.path)
    if isinstance(event, Failed):
        if code == ExitCode.DEFECT:
            raise RuntimeError(f"{event.message} {event.hint} Log: {run.log}")
        raise NucleiError(event.message, event.hint)
    if run.model_folder is None:
        raise NucleiError("The training was stopped before there was a model.", f"Go on with the run {run.path}.")
    return load_card(out)


def evaluate(predicted: Any, truth: Any = None, *, points: Any = None) -> dict[str, Any]:
    """Score predicted nuclei against outlines or against clicks.

    Parameters
    ----------
    predicted : array (Y, X) or (Z, Y, X) of integers, Segmentation, str or Path
        Labels, or a file of labels.
    truth : array of integers, str or Path, optional
        Reference of the same image and shape: labels, or a file of labels, outlines or clicks.
    points : array (N, ndim) of float, optional
        Instead of `truth`: one click in each nucleus, (y, x) or (z, y, x) in pixels.

    Returns
    -------
    dict
        Scores by name, as ``nucleidomain evaluate`` writes them: `aji`, `pq`, `f1@0.5`, ... against outlines (of
        volumes a distance only where a file says its voxel size);
        `point_f1`, `merged`, `missed`, ... against clicks.

    Raises
    ------
    NucleiError
        Not exactly one reference is given, a file cannot be read, or the two are not of one image.
    """
    if (truth is None) == (points is None):
        raise NucleiError("A prediction is scored against one reference.", "Give either truth or points.")
    if isinstance(truth, str | Path) and isinstance(predicted, str | Path):
        return score(Path(predicted), Path(truth))
    labels = _labels_of(predicted)
    if isinstance(truth, str | Path) and is_points(Path(truth)):
        truth, points = None, read_points(Path(truth))
    if points is not None:
        return dict(score_points(labels, points).as_dict())
    reference = _labels_of(truth, labels.shape)
    sizes = [voxel_size(one) for one in (predicted, truth) if isinstance(one, str | Path)] if labels.ndim == 3 else []
    spacing = next((size for size in sizes if size), None)
    # Planes lie further apart than pixels: without the voxel size a distance through them means nothing.
    distance = labels.ndim == 2 or spacing is not None
    return dict(score_labels(labels, reference, hausdorff=distance, spacing=spacing).as_dict())


def _labels_of(source: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    if isinstance(source, str | Path):
        return separated(read_labels(source, shape)).labels
    return np.asarray(source.labels if isinstance(source, Segmentation) else source)
