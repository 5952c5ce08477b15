"""A synthesis run: labelled images from one model, as a plain dataset folder that trains as it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain import __version__
from napari_nucleidomain.contracts import (
    Interrupted,
    MethodSpec,
    ModelCard,
    NucleiError,
    StopRun,
    Synthesis,
    SynthesisWish,
    find_method,
    load_card,
)
from napari_nucleidomain.contracts.card import WEIGHTS_FILE
from napari_nucleidomain.contracts.events import Progress, StageEvent, Warned
from napari_nucleidomain.contracts.files import (
    SMALL,
    check_version,
    disk_error,
    read_json,
    remove_with_retry,
    write_json,
)
from napari_nucleidomain.data.dataset import file_digest
from napari_nucleidomain.data.images_out import write_grey
from napari_nucleidomain.data.labels_out import write_labels

from .event_log import EventWriter
from .folder import RunFolder
from .job import SynthesizeJob
from .predict import LoadedModels
from .requests import Requests
from .spare import require_space
from .synthetic import ABOUT

KIND = "nucleidomain-synthetic"
SCHEMA = 1
STAGE = "images"
_REPORT_SECONDS = 0.2
# So much of what was asked for must find room before it is told.
_ROOM = 0.9


def plan(model: Path | str, wish: SynthesisWish) -> tuple[Synthesis, ModelCard]:
    """What a model would make; without torch, to be asked before anything is begun.

    Parameters
    ----------
    model : Path or str
        Folder.
    wish : SynthesisWish

    Raises
    ------
    NucleiError
        It is no model, of a method that makes no images, or the wish cannot be.
    """
    card = load_card(model)
    spec: MethodSpec = find_method(card.method)
    if not spec.synthesis:
        raise NucleiError(
            f"The model {card.name} was made by the method {card.method}, which finds nuclei but makes no images.",
            "Choose a model that was trained with adgan, from images alone.",
        )
    return spec.resolve(spec.synthesis)(card, wish), card


def check_job(job: SynthesizeJob) -> Synthesis:
    """Say what is wrong with a job before a folder is made for it.

    Raises
    ------
    NucleiError
        As `plan`; there is nothing to make; or the folder holds something else.
    """
    if not 1 <= job.count <= 99_999:
        raise NucleiError(f"{job.count} images cannot be made.", "Ask for 1 to 99,999 of them.")
    planned, card = plan(job.model, job.wish)
    _check_folder(job, _about(job, planned, card))
    return planned


def image_files(job: SynthesizeJob, number: int) -> tuple[Path, Path]:
    """Image and labels of one, counted from 0."""
    part, name = Path(job.out) / "train", f"synthetic-{number + 1:05d}.tif"
    return part / "images" / name, part / "labels" / name


def is_made(job: SynthesizeJob) -> bool:
    """Whether all images are there."""
    return all(file.exists() for number in range(job.count) for file in image_files(job, number))


def synthesize(run: RunFolder, events: EventWriter, requests: Requests, models: LoadedModels) -> dict[str, Any]:
    """Make the images of a job, one after the other. One that is there is not made again.

    Returns
    -------
    dict
        `synthetic`: the folder; `made`: how many images it holds.

    Raises
    ------
    NucleiError
        The model cannot be used, the wish cannot be, or the folder holds something else.
    WriteError
        The disk is full or read-only; what is done stays.
    StopRun
        The user stopped it; what is done stays.
    """
    job = run.job
    if not isinstance(job, SynthesizeJob):
        raise TypeError("not a synthesis")
    planned = check_job(job)
    _prepare(job, planned)
    events.write(StageEvent(name=STAGE, index=0, count=1))
    segmenter, _ = models.get(job.model, job.device)
    teller = _Teller(events, job.count)
    for number in range(job.count):
        image, labels = image_files(job, number)
        if not (image.exists() and labels.exists()):
            try:
                _check(requests)
            except Interrupted:
                raise
            except StopRun:
                raise StopRun({"synthetic": job.out, "made": number}) from None
            # Of its own number alone, whatever was made before it.
            made = planned.make(segmenter, np.random.default_rng((job.seed, number)))
            # Labels first: an image that is there has its labels.
            write_labels(made.labels, labels, format="tif", pixel_size_um=planned.pixel_size_um)
            write_grey(made.image, image, planned.pixel_size_um)
            teller.made(number + 1, int(made.labels.max(initial=0)), made.wanted)
    teller.sum_up()
    events.write(StageEvent(name=STAGE, state="done", index=0, count=1))
    return {"synthetic": job.out, "made": job.count}


def _check(requests: Requests) -> None:
    requests.refuse_if_lost()
    requests.wait_while_paused()
    if requests.stopped:
        raise StopRun
    if requests.interrupted:
        raise Interrupted


class _Teller:
    """Progress, and whether nuclei found room."""

    def __init__(self, events: EventWriter, total: int) -> None:
        self._events, self._total = events, total
        self._began, self._said = time.monotonic(), 0.0
        self._new = self._nuclei = self._wanted = 0

    def made(self, number: int, nuclei: int, wanted: int) -> None:
        """One image more; `number` of them are there."""
        self._new += 1
        self._nuclei += nuclei
        self._wanted += wanted
        now = time.monotonic()
        if now - self._said < _REPORT_SECONDS and number < self._total:
            return
        self._said = now
        each = (now - self._began) / self._new
        done = number / self._total
        self._events.write(
            Progress(
                stage=STAGE,
                step=number,
                total=self._total,
                fraction=done,
                overall=done,
                rate=1 / each if each > 0 else 0.0,
                eta=(self._total - number) * each,
            )
        )

    def sum_up(self) -> None:
        """Say it where images are emptier than they were to be."""
        if self._nuclei < _ROOM * self._wanted:
            share = self._nuclei / self._wanted
            self._events.write(
                Warned(
                    message=f"Only {share:.0%} of the nuclei asked for found room in the images.",
                    hint="Ask for fewer or smaller nuclei if images should be less full.",
                )
            )


def _about(job: SynthesizeJob, planned: Synthesis, card: ModelCard) -> dict[str, Any]:
    """What the folder says of itself; images of one folder are all of one kind."""
    weights = Path(job.model) / WEIGHTS_FILE
    if not weights.exists():
        raise NucleiError(f"The model {card.name} has no weights.", "Ask for the model again.")
    return {
        "kind": KIND,
        "schema_version": SCHEMA,
        "program": __version__,
        "synthetic": "Made by a model, not taken with a microscope.",
        "model": {"name": card.name, "method": card.method, "weights": file_digest(weights), "licence": card.licence},
        "seed": job.seed,
        "settings": planned.wish.model_dump(mode="json"),
        "spacing": list(planned.spacing),
        "pixel_size_um": list(planned.pixel_size_um) if planned.pixel_size_um else None,
    }


def _check_folder(job: SynthesizeJob, about: dict[str, Any]) -> None:
    """Refuse a folder that holds anything but images of this very kind."""
    out = Path(job.out)
    if not out.exists():
        return
    if not out.is_dir():
        raise NucleiError(f"{out} is a file.", "Give a folder for the images.")
    try:
        inside = [one for one in out.iterdir() if not one.name.startswith(".")]
    except OSError as error:
        raise disk_error(error, out) from error
    if not inside:
        return
    if not (out / ABOUT).is_file():
        raise NucleiError(f"{out} is there already and holds something else.", "Choose a new folder.")
    there = read_json(out / ABOUT, SMALL)
    check_version(there, SCHEMA, f"The folder {out.name}", "Choose a new folder.")
    if any(there.get(key) != about[key] for key in ("kind", "model", "seed", "settings")):
        raise NucleiError(
            f"{out} holds synthetic images of another model, seed or other settings.",
            "Choose a new folder, or ask for the same as then: more images of that kind are added.",
        )


def _prepare(job: SynthesizeJob, planned: Synthesis) -> None:
    """Make the folders, say what they are, remove halves of a process that was killed."""
    out = Path(job.out)
    try:
        for kind in ("images", "labels"):
            (out / "train" / kind).mkdir(parents=True, exist_ok=True)
            for half in (out / "train" / kind).glob(".synthetic-*.tif"):
                remove_with_retry(half)
    except OSError as error:
        raise disk_error(error, out) from error
    missing = sum(not file.exists() for number in range(job.count) for file in image_files(job, number))
    assert planned.wish.shape
    # Half of both files together: zlib packs labels to little and images not at all.
    require_space(out, int(missing / 2 * np.prod(planned.wish.shape) * planned.wish.bits / 8))
    write_json(out / ABOUT, _about(job, planned, load_card(job.model)))
