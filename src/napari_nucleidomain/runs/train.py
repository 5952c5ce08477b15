"""A training run: the method's own loop inside a run context, and the model it leaves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from napari_nucleidomain.contracts import Interrupted, NucleiError, StopRun, find_method, load_card
from napari_nucleidomain.contracts.events import Warned
from napari_nucleidomain.data.dataset import Dataset
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.misfits import check_parent_kind

from .context import FolderRun
from .event_log import EventWriter
from .folder import RunFolder
from .inputs import training_inputs
from .job import TrainJob
from .requests import Requests
from .speed import computer_id
from .synthetic import to_learn_from
from .team import Leader
from .team_devices import check_team, split_devices

# A run keeps one checkpoint and one model, each also aside while it is replaced.
_SPACE_NEEDED = 200 * 2**20
# Whether a model that is continued fits shows in so many of the images.
_MOST_LOOKED_AT = 20


def train(run: RunFolder, events: EventWriter, requests: Requests, started: float | None = None) -> dict[str, Any]:
    """Train what the job says.

    Returns
    -------
    dict
        Summary for the last event: model folder, seconds, problems with the data.

    Raises
    ------
    NucleiError
        The method, the settings or the data will not do.
    StopRun
        The user stopped it; a model is left where one existed.
    Interrupted
        The system ends the process; a checkpoint is left.
    """
    job = run.job
    if not isinstance(job, TrainJob):
        raise TypeError("not a training")
    spec = find_method(job.method)
    if not spec.trainable:
        raise NucleiError(f"{spec.title} has nothing to train.", "Use it with `predict` as it is.")
    preset = spec.preset(job.preset or next(iter(spec.presets)))
    config = spec.config.build(preset.values, job.config)
    devices = split_devices(job.device)
    check_team(spec, config, devices)
    dataset = training_inputs(run, _SPACE_NEEDED)
    # Started now, so that they come up while this process does.
    team = Leader(run, devices, requests) if len(devices) > 1 else None
    context = FolderRun(run, events, requests, time.monotonic() if started is None else started, team)
    try:
        with _ended_with(team):
            _warn_of_data(context, dataset)
            dataset = to_learn_from(dataset, spec, context.warn)
            _warn_of_parent(context, dataset)
            spec.resolve(spec.train)(context, dataset, config)
    except (Interrupted, StopRun) as ended:
        if team is not None and team.half_step:
            context.save_checkpoint()
        if isinstance(ended, Interrupted):
            # Seconds are left, and the checkpoint has all there is: the run goes on from it.
            raise
        folder = context.publish()
        raise StopRun(_summary(run, context, folder, dataset)) from None
    folder = context.publish()
    if folder is None:
        raise NucleiError("The training ended without a model.", "Train for longer, or report it with the log.")
    return _summary(run, context, folder, dataset)


@contextmanager
def _ended_with(team: Leader | None) -> Iterator[None]:
    """End the other processes with the loop, before the model is written: others want their memory."""
    clean = False
    try:
        yield
        clean = True
    except StopRun:
        clean = True
        raise
    finally:
        if team is not None:
            team.close(clean=clean)


def _warn_of_data(context: FolderRun, dataset: Dataset) -> None:
    for path, message in dataset.problems:
        context.emit(Warned(message=f"{path}: {message}", hint="It is left out; the rest is used.", left_out=True))
    for group, splits in dataset.divided_groups().items():
        context.emit(
            Warned(
                message=f"Images of the group {group} lie in {' and '.join(splits)}: scores on those will be too good.",
                hint="Give all images of a patient, slide or culture one split in the dataset.",
            )
        )


def _warn_of_parent(context: FolderRun, dataset: Dataset) -> None:
    """Say where the model that is continued was trained on another kind of image than there is now to learn from."""
    if context.parent is None or context.resumed:
        return
    images = []
    for example in dataset.examples("train")[:_MOST_LOOKED_AT]:
        # What cannot be read is told where it is read to learn from.
        with suppress(NucleiError):
            images.append(open_image(example.image, example.understanding))
    for sentence in check_parent_kind(load_card(context.parent), images):
        context.warn(sentence, "What it has learned may be of little use here; a new model may do better.")


def _summary(run: RunFolder, context: FolderRun, folder: Any, dataset: Dataset) -> dict[str, Any]:
    job = run.job
    publishing = context.publishing if folder else None
    published = str(publishing.place) if publishing is not None else None
    problems = [[str(path), message] for path, message in dataset.problems]
    if publishing is not None and publishing.elsewhere:
        problems.append([str(job.publish), f"another training has put its model there; this one is {published}"])  # type: ignore[union-attr]
    card = load_card(folder) if folder else None
    return {
        "model": str(folder.relative_to(run.path)) if folder else None,
        "published": published,
        "seconds": round(context.seconds, 2),
        # For the forecast of the next training.
        "rates": context.rates,
        "computer": computer_id(),
        "device": job.device,
        "ndim": card.ndim if card else None,
        # Of the model that was saved, as its card has it.
        "checked": card.checked if card else None,
        "problems": problems,
    }
