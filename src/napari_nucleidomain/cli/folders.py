"""`nucleidomain run`, `worker`, `models`, `runs`: what is in a project and what works on it."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path

from napari_nucleidomain.contracts import NucleiError, load_card
from napari_nucleidomain.runs.devices import Busy, refuse_if_in_use
from napari_nucleidomain.runs.execute import ExitCode, is_complete
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.foreign import allow_writing_outside, asked_for, refuse_foreign
from napari_nucleidomain.runs.job import TrainJob, change_job
from napari_nucleidomain.runs.ownership import is_alive
from napari_nucleidomain.runs.publishing import published_at
from napari_nucleidomain.runs.store import Project, StoredModel
from napari_nucleidomain.runs.team_devices import check_job_team

from .bars import duration
from .cleaning import clean_project
from .predict import find_model
from .running import run_here, run_quietly, wait_for_owner, when_busy
from .say import one_line

_SEEN = " (seen in training)"


def command(arguments: argparse.Namespace) -> int:
    """One of the four."""
    return {"run": _run, "worker": _worker, "models": _models, "runs": _runs}[arguments.command](arguments)


def _run(arguments: argparse.Namespace) -> int:
    run = RunFolder(arguments.folder)
    # Read at once: a folder without a run must be said before anything else happens.
    _ = run.job
    if arguments.write_outside and asked_for(run):
        allow_writing_outside(run)
    refuse_foreign(run)
    if is_complete(run):
        print(f"{run.name} is finished already; all it made is there.")
        return ExitCode.DONE
    busy = when_busy(arguments)
    if busy is Busy.REFUSE and run.job.background:
        # Started by the viewer, where a person sees the warning and can stop either.
        busy = Busy.WARN
    if busy is Busy.WAIT:
        wait_for_owner(run)
    if arguments.device:
        run = _on_another_device(run, arguments.device)
    refuse_if_in_use(run.job, busy)
    if arguments.progress:
        return run_here(run, started=arguments.started, busy=busy)
    return run_quietly(run, started=arguments.started, busy=busy)


def _on_another_device(run: RunFolder, device: str) -> RunFolder:
    """The run with its device changed for good; what it learned stays, since no device is part of that.

    Raises
    ------
    NucleiError
        Somebody works on it, or the devices will not do.
    """
    if is_alive(run.path):
        raise NucleiError(f"{run.name} is running; its device cannot be changed now.", "Stop it first, or say --wait.")
    if isinstance(run.job, TrainJob):
        check_job_team(run.job, device)
    change_job(run.path, device=device)
    return RunFolder(run.path)


def _worker(arguments: argparse.Namespace) -> int:
    from napari_nucleidomain.runs.worker import Worker

    if not arguments.project.is_dir():
        # The viewer was closed and its project removed before this process had started.
        raise NucleiError(f"There is no project in {arguments.project}.", "Give the folder of a project.")
    Worker(Project.open(arguments.project), idle_seconds=arguments.idle).serve()
    return ExitCode.DONE


def _models(arguments: argparse.Namespace) -> int:
    if arguments.model:
        return _one_model(arguments)
    project = Project(arguments.project)
    found = project.list_models()
    found.models += _published(project, {model.folder.resolve() for model in found.models})
    if arguments.json:
        print(
            json.dumps([{"folder": str(model.folder), **model.card.model_dump(mode="json")} for model in found.models])
        )
    else:
        for model in found.models:
            kept = model.folder.parent == project.models_folder
            print(f"{one_line(model.name if kept else model.folder):<24} {model.card.line()}")
        if not found.models:
            print(f"No models in {arguments.project}{_no_folder(arguments.project)}.")
    for folder, message in found.problems:
        print(f"{one_line(folder.name):<24} cannot be used: {message}")
    return ExitCode.SKIPPED if found.problems else ExitCode.DONE


def _one_model(arguments: argparse.Namespace) -> int:
    """Everything a person may want to know of a model, a fact a line."""
    folder = find_model(arguments.model, arguments.project)
    card = load_card(folder)
    if arguments.json:
        print(json.dumps({"folder": str(folder), **card.model_dump(mode="json")}))
        return ExitCode.DONE
    print(f"{card.name}  ({card.line()})")
    facts = [
        ("folder", str(folder)),
        ("method", card.method + (f", preset {card.preset}" if card.preset else "")),
        ("for", {2: "flat images", 3: "volumes"}[card.ndim]),
        ("channels", ", ".join(card.channel_names) or str(card.channels)),
        ("made", card.created[:10]),
        ("learned from", card.learned_from()),
        ("training", f"{card.steps:,} steps in {duration(card.seconds)}" if card.steps else ""),
        ("continued from", card.parent),
        *(("score", f"{one.name} {one.value:.3f} on {one.on}{_SEEN * one.seen_in_training}") for one in card.scores),
        *(("otsu's score", f"{one.name} {one.value:.3f} on {one.on}") for one in card.classical),
        ("licence", card.licence),
        *(("note", note) for note in card.notes),
        ("note", card.verdict() or card.caution()),
    ]
    for name, value in facts:
        if value:
            print(f"  {name + ':':<16} {one_line(value)}")
    return ExitCode.DONE


def _published(project: Project, known: set[Path]) -> list[StoredModel]:
    """Models that trainings of the project published elsewhere (`train --out`) and that are still there."""
    models = []
    for run in project.runs():
        with contextlib.suppress(NucleiError):
            job = run.job
            if not isinstance(job, TrainJob) or not job.publish:
                continue
            folder = published_at(run.path, Path(job.publish))
            if folder.resolve() not in known:
                models.append(StoredModel(folder, load_card(folder)))
                known.add(folder.resolve())
    return models


def _runs(arguments: argparse.Namespace) -> int:
    for request in ("stop", "pause", "resume"):
        folder = getattr(arguments, request)
        if folder is not None:
            run = RunFolder(folder)
            _ = run.job
            if run.state not in ("running", "paused"):
                raise NucleiError(
                    f"{run.name} is not running: it is {run.state}.", "`nucleidomain run FOLDER` goes on with it."
                )
            run.request(request)
            return ExitCode.DONE
    if arguments.answer:
        folder, answer = arguments.answer
        run = RunFolder(folder)
        _ = run.job
        run.answer(answer)
        return ExitCode.DONE
    if arguments.clean:
        return clean_project(arguments)
    if arguments.yes or arguments.copies:
        raise NucleiError("--yes and --copies belong to --clean.", "Add --clean.")
    runs = Project(arguments.project).runs()
    if arguments.json:
        print(json.dumps([{"folder": str(run.path), "state": run.state, **_asked(run)} for run in runs]))
        return ExitCode.DONE
    for run in runs:
        print(f"{run.state:<12} {one_line(run.path)}")
        asked = _asked(run)
        if asked:
            print(f"{'':<12} asks: {asked['question']}")
        if "picture" in asked:
            print(f"{'':<12} look at: {asked['picture']}")
    if not runs:
        print(f"No runs in {arguments.project}{_no_folder(arguments.project)}.")
    return ExitCode.DONE


def _asked(run: RunFolder) -> dict[str, str]:
    question = run.open_question()
    if question is None:
        return {}
    picture = run.picture_of(question)
    return {"question": question.text} | ({"picture": str(picture)} if picture is not None else {})


def _no_folder(project: Path | str) -> str:
    """What is amiss with a project's path itself: a slip in it should not read as an empty project."""
    path = Path(project)
    return ": there is no such folder" if not path.exists() else ": it is a file" if not path.is_dir() else ""
