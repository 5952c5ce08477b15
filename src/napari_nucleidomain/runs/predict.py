"""A prediction run: one model over one or many images."""

from __future__ import annotations

import json
import logging
import os
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
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
from napari_nucleidomain.contracts.card import CARD_FILE, WEIGHTS_FILE
from napari_nucleidomain.contracts.events import StageEvent, Warned, is_result
from napari_nucleidomain.contracts.files import LISTS, read_json, write_json
from napari_nucleidomain.contracts.memory import is_memory_full
from napari_nucleidomain.data.dataset import file_digest
from napari_nucleidomain.data.images import Image, open_image
from napari_nucleidomain.data.labels_out import FORMATS
from napari_nucleidomain.data.naming import unique_names
from napari_nucleidomain.data.understanding import Understanding
from napari_nucleidomain.inference.assemble import Wishes
from napari_nucleidomain.inference.scale import Scale, choose_scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.inference.tile_store import TileStore

from .event_log import EventWriter
from .folder import FOUND, RunFolder
from .halves import Halves
from .job import CLASSICAL, ImageRef, PredictJob
from .places import record_to_real, record_to_stored
from .predict_key import key_of, key_of_result, refuse_changed, stamp_of, why_not
from .predict_misfits import Misfits, misfits_of
from .predict_output import Output
from .predict_planes import choose_view
from .predict_report import Report
from .requests import Requests
from .result_names import result_name

# Readings of a model in vain, because it was replaced meanwhile.
_REPLACED_OFTEN = 5


class LoadedModels:
    """The last model used, kept loaded."""

    def __init__(self) -> None:
        self._key: tuple[str, str, str] | None = None
        self._held: tuple[Segmenter, ModelCard] | None = None
        # Of weights and card of the model that is held, so that what it found is told from what another finds.
        self.digest = ""

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
        for _ in range(_REPLACED_OFTEN):
            stamp = _stamp(model)
            if model == CLASSICAL:
                saved = ModelCard(name=CLASSICAL, method=CLASSICAL, channels=0, ndim=ndim)
            else:
                saved = load_card(model)
            card = saved.model_copy(update={"config": {**saved.config, **(settings or {})}})
            key = (str(model), device, json.dumps([settings, ndim, stamp, saved.model_dump_json()], default=str))
            if self._key == key and self._held is not None:
                return self._held
            self.clear()
            spec = find_method(card.method)
            held = (spec.resolve(spec.load)(Path(model), card, device), card)
            digest = _digest(Path(model), saved)
            # Replaced while it was read: card and weights may be of two models.
            if _stamp(model) == stamp:
                self._held, self._key, self.digest = held, key, digest
                return held
        raise NucleiError(f"The model {Path(model).name} is being replaced again and again.", "Try again in a minute.")

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
        self.digest = ""


def _stamp(model: str) -> list[list[int]]:
    """What changes where a model's files are replaced, even within one tick of the clock and with the same sizes."""
    if model == CLASSICAL:
        return []
    found = []
    for name in (CARD_FILE, WEIGHTS_FILE):
        try:
            known = (Path(model) / name).stat()
        except OSError:
            # Said by whoever reads it.
            found.append([0])
            continue
        found.append([known.st_size, known.st_mtime_ns, known.st_ctime_ns, known.st_ino])
    return found


def _digest(folder: Path, card: ModelCard) -> str:
    """Of a model's card and weights; the weights were compared with the card when they were read."""
    weights = folder / WEIGHTS_FILE
    said = card.weights or (file_digest(weights) if weights.exists() else "")
    return f"{card.model_dump_json()} {said}"


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
    model = _OneModel(models, job)
    names = _unique_names(job.images)
    files = label_files(job)
    refuse_over_images(files, job)
    halves = Halves(run.path, files)
    halves.remove_left()
    misfits = Misfits(events, len(names))
    with halves.noted():
        done, problems = _all(run, events, requests, model, list(zip(job.images, names, strict=True)), misfits)
    misfits.finish()
    if problems and not done:
        raise NucleiError(
            problems[0][1]
            if len(problems) == 1
            else f"None of the {len(problems)} images could be used. {problems[0][1]}"
        )
    return {"images": done, "problems": problems}


class _OneModel:
    """The model of a run from its beginning to its end, though another may take its name meanwhile."""

    def __init__(self, models: LoadedModels, job: PredictJob) -> None:
        self._models, self._job = models, job
        self._held = (*models.get(job.model, job.device, job.settings), models.digest)

    def of(self, ndim: Literal[2, 3]) -> tuple[Segmenter, ModelCard, str]:
        """The model, its card and its digest; the classical method for so many axes."""
        if self._job.model != CLASSICAL:
            return self._held
        return (*self._models.get(CLASSICAL, self._job.device, self._job.settings, ndim), self._models.digest)


def _all(
    run: RunFolder,
    events: EventWriter,
    requests: Requests,
    model: _OneModel,
    images: list[tuple[ImageRef, str]],
    misfits: Misfits,
) -> tuple[list[dict[str, Any]], list[list[str]]]:
    """What was found in each image, and those that were left out."""
    done: list[dict[str, Any]] = []
    problems: list[list[str]] = []
    for number, (ref, name) in enumerate(images):
        try:
            done.append(_one(run, events, requests, model, ref, name, (number, len(images)), misfits))
        except WriteError:
            # What finds no place for this image has none for the next one.
            raise
        except StopRun as stop:
            if isinstance(stop, Interrupted):
                raise
            raise StopRun({"images": done, "problems": problems}) from None
        except BaseException as error:
            said = error if isinstance(error, NucleiError) else _of_memory(error, ref) or _unreadable(error, ref)
            if said is None:
                raise
            problems.append([ref.path, str(said)])
            if len(images) > 1:
                # Of a single image the run's end says it.
                events.write(Warned(message=f"{Path(ref.path).name}: {said}", left_out=True))
    return done, problems


def _of_memory(error: BaseException, ref: ImageRef) -> NucleiError | None:
    """An image for which memory was too small does not end the others; None for any other error."""
    if not is_memory_full(error):
        return None
    logging.getLogger("napari_nucleidomain").error("%s", "".join(traceback.format_exception(error)))
    return NucleiError(
        f"The memory is not enough for {Path(ref.path).name}.",
        "End other programs that use it, or choose a smaller part of the image.",
    )


def _unreadable(error: BaseException, ref: ImageRef) -> NucleiError | None:
    """An image that the system will not let be read does not end the others; None for any other error."""
    if not isinstance(error, OSError):
        return None
    return NucleiError(
        f"{Path(ref.path).name} cannot be opened: {error.strerror or error}.",
        "Check that you may read the file and try again.",
    )


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
    there = [file for file in files if os.path.exists(file)]
    images = {_identity(ref.path) for ref in job.images} if there else set()
    for file in there:
        if _identity(file) in images:
            raise NucleiError(
                f"The labels {file.name} would replace the image {file}.", "Choose another folder for the labels."
            )


def _identity(path: Path | str) -> tuple[int, int] | str:
    """The same for every spelling of one file: a link, or capitals on Windows and Macs."""
    try:
        known = os.stat(path)
    except (OSError, ValueError):
        return os.path.realpath(path)
    return known.st_dev, known.st_ino


def _one(
    run: RunFolder,
    events: EventWriter,
    requests: Requests,
    model: _OneModel,
    ref: ImageRef,
    name: str,
    place: tuple[int, int],
    misfits: Misfits,
) -> dict[str, Any]:
    job = run.job
    assert isinstance(job, PredictJob)
    before = _read_record(run.result_folder / f"{name}.json", run)
    if before is not None and not Path(ref.path).exists():
        # Done, and the image was taken away since.
        misfits.add(name, [str(one) for one in before.get("misfits", [])], again=True)
        return before
    quick = job.box is not None
    # From before the image is opened, so that what is opened is not older.
    stamp = stamp_of(ref, quick=quick) if Path(ref.path).exists() else ""
    with open_image(ref.path, Understanding.from_json(ref.understanding) if ref.understanding else None) as opened:
        told: list[tuple[str, str]] = []
        flat = job.model != CLASSICAL and load_card(job.model).ndim == 2
        image, job = choose_view(opened, job, flat, lambda message, hint: told.append((message, hint)))
        volume = len(image.spatial_shape) == 3 and job.plane is None
        segmenter, card, digest = model.of(3 if volume else 2)
        scale = choose_scale(card, _pixel_um(image), pixel_size_um=job.pixel_size_um, diameter_px=job.diameter_px)
        key = key_of(job, ref, image, stamp, digest, scale.factor, segmenter.spec.ndim)
        result_key = key_of_result(job, key)
        if before is not None and _still_of(before, result_key, run, name, events):
            misfits.add(name, [str(one) for one in before.get("misfits", [])], again=True)
            return before
        events.write(StageEvent(name=name, index=place[0], count=place[1]))
        for warning in (*image.warnings, *image.assumptions):
            events.write(Warned(message=f"{name}: {warning}"))
        if job.model == CLASSICAL and (question := image.channel_question) is not None:
            hint = f"Choose with --channels N, 0 to {image.file_channels - 1}; in Images under *Nuclei in*."
            told.insert(0, (f"{question.text} Taken: {question.assumed}.", hint))
        if job.plane and image.n_planes == 1 and len(image.spatial_shape) == 2:
            told.append((f"It is a flat image and has no plane {job.plane}; it is taken as it is.", ""))
        for message, hint in told:
            events.write(Warned(message=f"{name}: {message}", hint=hint))
        unlike = misfits_of(card, image, job)
        misfits.add(name, unlike)
        output = Output(run, job, image, name)
        report = Report(run, events, requests, ref, name, place, large=output.large)
        store = TileStore(run.path / "tiles" / name, job.large_px, key)
        _drop_others(store, key, name, events, report)
        unchanged = partial(refuse_changed, ref, stamp, quick=quick)
        entry = _segmented(job, image, segmenter, scale, store, output, report, unchanged)
        entry = {"name": name, "image": ref.path, **entry, "misfits": unlike, "key": result_key}
    write_json(run.result_folder / f"{name}.json", record_to_stored(entry, run.path))
    store.clear()
    report.clear()
    events.write(StageEvent(name=name, state="done", index=place[0], count=place[1]))
    return entry


def _segmented(
    job: PredictJob,
    image: Image,
    segmenter: Segmenter,
    scale: Scale,
    store: TileStore,
    output: Output,
    report: Report,
    unchanged: Callable[[], None],
) -> dict[str, Any]:
    """Find the nuclei of one image and write them; what is noted of the result."""
    began = time.monotonic()
    box = tuple((int(a), int(b)) for a, b in job.box) if job.box else None
    wishes = Wishes(output.place, output.inside, report.joining)
    found = segment(image, segmenter, scale, box=box, plane=job.plane, store=store, hooks=report.hooks(), wishes=wishes)
    try:
        unchanged()
    except NucleiError:
        # Some of it is of the image before, some of the one after.
        store.clear()
        raise
    written = output.write(found, report.check)
    return {
        "nuclei": len(found.scores),
        "labels": str(written),
        "origin": list(found.origin),
        "shape": list(found.labels.shape),
        "scale": found.scale.factor,
        "scale_reason": found.scale.reason,
        "plane": job.plane if job.plane is not None else image.understanding.plane,
        "pixel_size_um": job.pixel_size_um or _pixel_um(image),
        "settings": job.settings,
        "seconds": round(time.monotonic() - began, 3),
    }


def _still_of(
    before: Mapping[str, Any], key: Mapping[str, str], run: RunFolder, name: str, events: EventWriter
) -> bool:
    """Whether a result that is there already is of what is asked for now; where it is not, it is said."""
    why = why_not(before.get("key"), key)
    if not why:
        return True
    by_hand = (run.result_folder / f"{name}{FOUND}").exists()
    if by_hand:
        message = f"{name} was corrected by hand and stays as it is, though {why} since it was found."
        events.write(Warned(message=message, hint="To have it done anew, start a new prediction."))
    else:
        events.write(Warned(message=f"{name} is done again: {why} since it was done."))
    return by_hand


def _drop_others(store: TileStore, key: Mapping[str, str], name: str, events: EventWriter, report: Report) -> None:
    """Remove tiles of another model, image or settings, which must not be joined with those of this one."""
    before = store.drop_others()
    if before is not None:
        report.clear()
        why = why_not(before, key)
        events.write(Warned(message=f"{name} is begun again from its first tile: {why} since it was begun."))


def _read_record(file: Path, run: RunFolder) -> dict[str, Any] | None:
    """What an earlier process wrote of an image; None where it did not get so far, or its labels are gone since."""
    if not file.exists():
        return None
    try:
        record = record_to_real(dict(read_json(file, LISTS)), run.path, run.job.written_in)
        return record if is_result(record) and Path(record["labels"]).exists() else None
    except (NucleiError, KeyError, TypeError, ValueError):
        # Damaged: the image is done again, most of it from the tiles that are there.
        return None


def _pixel_um(image: Image) -> float | None:
    """Pixel size in the plane; None where the file is silent."""
    return float(image.pixel_size_um[-1]) if image.pixel_size_um else None


def _unique_names(refs: list[ImageRef]) -> list[str]:
    """A name for each image's results: the file's, numbered where two folders hold the same."""
    return unique_names([ref.name or _stem(Path(ref.path)) for ref in refs])


def _stem(path: Path) -> str:
    name = path.name
    for double in (".ome.tif", ".ome.tiff", ".ome.zarr", ".ome.zarr.zip", ".zarr.zip"):
        if name.lower().endswith(double):
            return result_name(name[: -len(double)])
    return result_name(path.stem)
