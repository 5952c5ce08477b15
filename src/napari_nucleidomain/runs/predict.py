"""A prediction run: one model over one or many images."""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_nucleidomain.contracts import (
    Interrupted,
    ModelCard,
    NucleiError,
    Segmenter,
    StopRun,
    WriteError,
    find_method,
    load_card,
)
from napari_nucleidomain.contracts.card import CARD_FILE
from napari_nucleidomain.contracts.events import StageEvent, Warned
from napari_nucleidomain.contracts.files import read_json, remove_with_retry, write_json
from napari_nucleidomain.data.images import Image, open_image
from napari_nucleidomain.data.labels_out import FORMATS
from napari_nucleidomain.data.understanding import Understanding
from napari_nucleidomain.inference.assemble import Wishes
from napari_nucleidomain.inference.scale import Scale, choose_scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.inference.tile_store import TileStore

from .event_log import EventWriter
from .folder import RunFolder
from .job import CLASSICAL, JOB_FILE, ImageRef, PredictJob
from .places import record_to_real, record_to_stored
from .predict_misfits import Misfits, misfits_of
from .predict_output import Output
from .predict_report import Report
from .requests import Requests


class LoadedModels:
    """The last model used, kept loaded."""

    def __init__(self) -> None:
        self._key: tuple[str, str, str] | None = None
        self._held: tuple[Segmenter, ModelCard] | None = None

    def get(
        self, model: str, device: str, settings: dict[str, Any] | None = None, ndim: Literal[2, 3] = 2
    ) -> tuple[Segmenter, ModelCard]:
        """A model by folder, or the classical method by name.

        Parameters
        ----------
        model : str
        device : str
        settings : dict, optional
            Settings of the method that differ from those on the card.
        ndim : {2, 3}
            Axes the classical method is to work on; a trained model has its own.

        Raises
        ------
        NucleiError
            It is no model, damaged, of a method that is not installed, or the device is not there.
        """
        if model == CLASSICAL:
            card, stamp = ModelCard(name=CLASSICAL, method=CLASSICAL, channels=0, ndim=ndim), 0.0
        else:
            card, stamp = load_card(model), (Path(model) / CARD_FILE).stat().st_mtime
        card = card.model_copy(update={"config": {**card.config, **(settings or {})}})
        key = (str(model), device, json.dumps([settings, ndim, stamp], default=str))
        if self._key != key or self._held is None:
            self.clear()
            spec = find_method(card.method)
            self._held = (spec.resolve(spec.load)(Path(model), card, device), card)
            self._key = key
        return self._held

    @property
    def on_accelerator(self) -> bool:
        """Whether a model lies in the memory of a graphics card."""
        if self._key is None or self._held is None or self._key[0] == CLASSICAL:
            return False
        # "auto" is the processor where there is nothing better; a method that does not say goes by what was asked for.
        return str(getattr(self._held[0], "device", self._key[1])) != "cpu"

    def clear(self) -> None:
        """Let the model go."""
        self._key = self._held = None


def warm_up(segmenter: Segmenter) -> None:
    """Segment a small tile of noise: what is imported, compiled or allocated at the first tile is then there.

    Raises
    ------
    NucleiError
        Memory is too small for one tile.
    """
    spec = segmenter.spec
    channels = spec.channels or 1
    most = 160 if spec.ndim == 2 else 48
    shape = spec.tile if spec.fixed else tuple(min(side, most) for side in spec.tile)
    pixels = np.random.default_rng(0).integers(0, 255, (*shape, channels), dtype=np.uint8)
    axes = "ZYXC"[-pixels.ndim :]
    image = open_image(pixels, Understanding(axes=axes, rgb=channels == 3), name="noise")
    segment(image, segmenter, Scale(1.0, "as it is"))


def predict(run: RunFolder, events: EventWriter, requests: Requests, models: LoadedModels) -> dict[str, Any]:
    """Segment the images of a job, one after the other. An image that is done is not done again.

    Returns
    -------
    dict
        `images`: one entry each (name, nuclei, labels file, scale); `problems`: [name, message] of those left out.

    Raises
    ------
    NucleiError
        The model cannot be used, or no image could be.
    WriteError
        The disk is full or read-only; what is done stays.
    StopRun
        The user stopped it; what is done stays.
    """
    job = run.job
    if not isinstance(job, PredictJob):
        raise TypeError("not a prediction")
    models.get(job.model, job.device, job.settings)
    done: list[dict[str, Any]] = []
    problems: list[list[str]] = []
    names = _unique_names(job.images)
    misfits = Misfits(events, len(names))
    if job.out and job.format in FORMATS:
        refuse_over_images(label_files(job), job)
        _remove_halves([Path(job.out) / f"{name}{FORMATS[job.format]}" for name in names], run.path / JOB_FILE)
    for number, (ref, name) in enumerate(zip(job.images, names, strict=True)):
        try:
            done.append(_one(run, events, requests, models, ref, name, (number, len(names)), misfits))
        except WriteError:
            # What finds no place for this image has none for the next one.
            raise
        except NucleiError as error:
            problems.append([ref.path, str(error)])
            if len(names) > 1:
                # Of a single image the run's end says it.
                events.write(Warned(message=f"{Path(ref.path).name}: {error}", left_out=True))
        except Interrupted:
            raise
        except StopRun:
            raise StopRun({"images": done, "problems": problems}) from None
    misfits.finish()
    if problems and not done:
        raise NucleiError(
            problems[0][1]
            if len(problems) == 1
            else f"None of the {len(problems)} images could be used. {problems[0][1]}"
        )
    return {"images": done, "problems": problems}


def label_files(job: PredictJob) -> list[Path]:
    """Where the labels of each image will be written; empty where they stay in the run folder."""
    if not job.out or job.format not in FORMATS:
        return []
    return [Path(job.out) / f"{name}{FORMATS[job.format]}" for name in _unique_names(job.images)]


def refuse_over_images(files: list[Path], job: PredictJob) -> None:
    """Refuse labels that would replace the very images they are made of.

    Raises
    ------
    NucleiError
        One would.
    """
    images = {os.path.realpath(ref.path) for ref in job.images}
    for file in files:
        if file.exists() and (os.path.realpath(file) in images or any(_same(file, image) for image in images)):
            raise NucleiError(
                f"The labels {file.name} would replace the image {file}.", "Choose another folder for the labels."
            )


def _same(one: Path, other: str) -> bool:
    # Another spelling of one file: a link, or capitals on Windows and Macs.
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _remove_halves(files: list[Path], job_file: Path) -> None:
    """Remove what an earlier process of this run left aside in the user's folder when it was killed."""
    since = job_file.stat().st_mtime
    for path in files:
        for half in path.parent.glob(f".{glob.escape(path.stem[:40])}.*{path.suffix}"):
            mark = half.name[len(path.stem[:40]) + 2 : -len(path.suffix)]
            if re.fullmatch(r"[0-9a-f]{8}(\.old)?", mark) and half.stat().st_mtime >= since:
                if half.is_dir():
                    shutil.rmtree(half, ignore_errors=True)
                else:
                    remove_with_retry(half)


def _one(
    run: RunFolder,
    events: EventWriter,
    requests: Requests,
    models: LoadedModels,
    ref: ImageRef,
    name: str,
    place: tuple[int, int],
    misfits: Misfits,
) -> dict[str, Any]:
    job = run.job
    assert isinstance(job, PredictJob)
    record = run.result_folder / f"{name}.json"
    before = _read_record(record, run)
    if before is not None:
        misfits.add(name, [str(one) for one in before.get("misfits", [])], again=True)
        return before
    began = time.monotonic()
    events.write(StageEvent(name=name, index=place[0], count=place[1]))
    image = open_image(ref.path, Understanding.from_json(ref.understanding) if ref.understanding else None)
    for warning in (*image.warnings, *image.assumptions):
        events.write(Warned(message=f"{name}: {warning}"))
    if job.plane and image.n_planes == 1 and len(image.spatial_shape) == 2:
        events.write(Warned(message=f"{name}: It is a flat image and has no plane {job.plane}; it is taken as it is."))
    volume = len(image.spatial_shape) == 3 and job.plane is None
    segmenter, card = models.get(job.model, job.device, job.settings, 3 if volume else 2)
    scale = choose_scale(card, _pixel_um(image), pixel_size_um=job.pixel_size_um, diameter_px=job.diameter_px)
    unlike = misfits_of(card, image, job)
    misfits.add(name, unlike)
    box = tuple((int(a), int(b)) for a, b in job.box) if job.box else None
    output = Output(run, job, image, name)
    report = Report(run, events, requests, ref, name, place, large=output.large)
    store = TileStore(run.path / "tiles" / name, job.large_px)
    wishes = Wishes(output.place, output.inside, report.joining)
    found = segment(image, segmenter, scale, box=box, plane=job.plane, store=store, hooks=report.hooks(), wishes=wishes)
    written = output.write(found, report.check)
    entry = {
        "name": name,
        "image": ref.path,
        "nuclei": len(found.scores),
        "labels": str(written),
        "origin": list(found.origin),
        "shape": list(found.labels.shape),
        "scale": found.scale.factor,
        "scale_reason": found.scale.reason,
        "pixel_size_um": job.pixel_size_um or _pixel_um(image),
        "misfits": unlike,
        "seconds": round(time.monotonic() - began, 3),
    }
    write_json(record, record_to_stored(entry, run.path))
    store.clear()
    report.clear()
    events.write(StageEvent(name=name, state="done", index=place[0], count=place[1]))
    return entry


def _read_record(file: Path, run: RunFolder) -> dict[str, Any] | None:
    """What an earlier process wrote of an image; None where it did not get so far, or its labels are gone since."""
    if not file.exists():
        return None
    try:
        record = record_to_real(dict(read_json(file)), run.path, run.job.written_in)
        return record if Path(record["labels"]).exists() and "nuclei" in record else None
    except (NucleiError, KeyError, TypeError, ValueError):
        # Damaged: the image is done again, most of it from the tiles that are there.
        return None


def _pixel_um(image: Image) -> float | None:
    """Pixel size in the plane; None where the file is silent."""
    return float(image.pixel_size_um[-1]) if image.pixel_size_um else None


def _unique_names(refs: list[ImageRef]) -> list[str]:
    """A name for each image's results: the file's, numbered where two folders hold the same."""
    names: list[str] = []
    taken: set[str] = set()
    for ref in refs:
        base = ref.name or _stem(Path(ref.path))
        name, number = base, 2
        # To Windows and Macs Liver and liver are one file.
        while name.casefold() in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def _stem(path: Path) -> str:
    name = path.name
    for double in (".ome.tif", ".ome.tiff", ".ome.zarr"):
        if name.lower().endswith(double):
            return name[: -len(double)]
    return path.stem
