"""`nucleidomain train`."""

from __future__ import annotations

import argparse
import contextlib
import math
from pathlib import Path
from typing import Any

from napari_nucleidomain.contracts import NucleiError, find_method
from napari_nucleidomain.contracts.card import CARD_FILE, load_card
from napari_nucleidomain.contracts.files import JsonTextError, parse_json
from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.runs.devices import refuse_if_in_use
from napari_nucleidomain.runs.execute import ExitCode
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.ownership import is_alive
from napari_nucleidomain.runs.store import Project
from napari_nucleidomain.runs.team_devices import check_team, split_devices

from .ranges import check_sizes
from .running import drop_if_nothing_done, run_here, when_busy


def command(arguments: argparse.Namespace) -> int:
    """Check the arguments, make the run folder, train."""
    job = new_job(
        arguments.data,
        arguments.out,
        method=arguments.method,
        preset=arguments.preset,
        settings=parse_settings(arguments.settings),
        parent=arguments.parent,
        minutes=arguments.minutes,
        steps=arguments.steps,
        threads=arguments.threads,
        device=arguments.device,
        seed=arguments.seed,
        overwrite=arguments.overwrite,
        pixel_size=arguments.pixel_size,
    )
    busy = when_busy(arguments)
    refuse_if_in_use(job, busy)
    project = Project.open(arguments.project)
    _refuse_if_awaited(project, arguments.out)
    run = project.new_run(job)
    print(f"run    {run.path}", flush=True)
    code = run_here(run, started=arguments.started, quiet=arguments.quiet, busy=busy)
    if code in (ExitCode.DONE, ExitCode.SKIPPED, ExitCode.STOPPED) and run.model_folder:
        place = run.summary().get("published") or arguments.out
        card = load_card(place)
        print(f"model  {place}  ({card.line()})")
        for note in card.notes:
            print(f"       {note}")
        if verdict := card.verdict():
            print(f"       {verdict} Use it with: nucleidomain predict otsu IMAGE... --out DIR")
        elif caution := card.caution():
            print(f"       {caution}")
    drop_if_nothing_done(run, code)
    return code


def _refuse_if_awaited(project: Project, out: Path) -> None:
    """Refuse a place to which a training of the project that works at this moment will put its model."""
    for run in project.runs():
        with contextlib.suppress(NucleiError):
            job = run.job
            if not isinstance(job, TrainJob) or not job.publish or not is_alive(run.path):
                continue
            if Path(job.publish).resolve() == out.resolve():
                break
    else:
        return
    raise NucleiError(
        f"The training {run.name}, which is at work, will put its model to {out}.",
        "Choose another name with --out, or stop that one.",
    )


def new_job(
    data: Path,
    out: Path,
    *,
    method: str,
    preset: str | None = None,
    settings: dict[str, Any] | None = None,
    parent: Path | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    threads: int | None = None,
    device: str = "auto",
    seed: int = 0,
    overwrite: bool = False,
    pixel_size: tuple[float, ...] | None = None,
) -> TrainJob:
    """A training whose faults are said before a folder is made.

    Raises
    ------
    NucleiError
        The method, a setting, the images, the place for the model or the model to continue from will not do.
    """
    spec = find_method(method)
    if not spec.trainable:
        raise NucleiError(f"{method} has nothing to train.", "Use it with `nucleidomain predict` as it is.")
    preset = preset or next(iter(spec.presets))
    settings = settings or {}
    check_team(spec, spec.config.build(spec.preset(preset).values, settings), split_devices(device))
    for name, value in (("--minutes", minutes), ("--steps", steps), ("--threads", threads)):
        if value is not None and not 0 < value < math.inf:
            raise NucleiError(f"{name} must be a number more than 0, not {value}.", "")
    if not 0 <= seed < 2**32:
        raise NucleiError(f"--seed must be 0 to 4294967295, not {seed}.", "")
    sizes = check_sizes(pixel_size)
    check_place(out, parent, overwrite=overwrite)
    dataset = open_dataset(data)
    if parent:
        check_parent(parent, method)
    if minutes is None and steps is None:
        minutes = spec.preset(preset).minutes
    return TrainJob(
        method=method,
        preset=preset,
        config=settings,
        data=str(dataset.path.absolute()),
        name=out.name,
        seed=seed,
        device=device,
        threads=threads,
        minutes=minutes,
        steps=steps,
        parent=str(parent.absolute()) if parent else None,
        pixel_size_um=list(sizes) or None,
        publish=str(out.absolute()),
    )


def check_parent(folder: Path, method: str) -> None:
    """Refuse a model to continue from that another method made; channels and networks are the method's to compare.

    Raises
    ------
    NucleiError
        It is no model, or of another method.
    """
    card = load_card(folder)
    if card.method != method:
        raise NucleiError(
            f"The model {card.name} was made by the method {card.method}; {method} cannot continue from it.",
            f"Train with --method {card.method}, or leave --from out.",
        )


def check_place(out: Path, parent: Path | None = None, *, overwrite: bool = False) -> None:
    """Refuse a place for the model that something else has; hours later would be too late.

    Parameters
    ----------
    out : Path
        Where the model is to be written.
    parent : Path, optional
        The model that is continued; it may be replaced by what becomes of it.
    overwrite : bool
        Whether any other model may be replaced.

    Raises
    ------
    NucleiError
        It is a file, a folder that holds something but no model, or a model that is not to be replaced.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / CARD_FILE).exists():
        raise NucleiError(f"{out} is there already and is not a model.", "Choose another name for the model.")
    if not overwrite and not (parent is not None and parent.exists() and out.samefile(parent)):
        raise NucleiError(
            f"There is a model in {out} already, and this training would replace it.",
            "Choose another name with --out, or say --overwrite. To go on with a training that was stopped: "
            "nucleidomain run FOLDER, with its run folder.",
        )


def parse_settings(pairs: list[str], example: str = "learning_rate=0.001") -> dict[str, Any]:
    """`["spn_steps=100", "decoder=ien"]` -> values by name; JSON where it is JSON, else text.

    Raises
    ------
    NucleiError
        A pair has no `=`.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise NucleiError(f"--set takes key=value, not {pair!r}.", f"For example: --set {example}")
        try:
            found[name.strip()] = parse_json(text)
        except JsonTextError:
            found[name.strip()] = text
    return found
