"""From choices to a running training: what is looked up, what is written, what is started. No widgets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nucleidomain.contracts import NucleiError

from .points_region import hull_corners, needs_region, whole_corners

if TYPE_CHECKING:
    from napari_nucleidomain.runs.devices import Holder
    from napari_nucleidomain.runs.folder import RunFolder
    from napari_nucleidomain.runs.store import Project, StoredModel

    from .entry import ImageEntry
    from .session import Session
    from .train_choices import Planned


def look_round(project: Project, want_run: bool) -> tuple[list[StoredModel], str, RunFolder | None]:
    """Models, a free name, and the training to follow again. Reads files; not for the event loop.

    Returns
    -------
    models : list of StoredModel
    name : str
        For the next model.
    run : RunFolder or None
        One that runs; else the newest if it is paused or was interrupted.
    """
    from napari_nucleidomain.runs.launch import running_training

    models = project.models()
    name = project.free_model_name(models[0].name if models else "model")
    return models, name, (running_training(project) or _left_over(project)) if want_run else None


def _left_over(project: Project) -> RunFolder | None:
    from napari_nucleidomain.runs.job import TrainJob

    for run in project.runs():
        try:
            if isinstance(run.job, TrainJob):
                return run if run.state in ("interrupted", "paused") else None
        except NucleiError:
            # Half-written: not a training yet.
            continue
    return None


def draw_area(session: Session, entry: ImageEntry, *, whole: bool = False) -> None:
    """Draw the area that will be used where a person drew none, or the whole image; a step that can be undone."""
    if needs_region(entry):
        session.annotations.change(entry, regions=whole_corners(entry) if whole else hull_corners(entry))


def in_the_way(run: RunFolder | None = None) -> Holder | None:
    """Another training that computes on this computer, of whatever project: one at a time."""
    from napari_nucleidomain.runs.devices import training_now

    return training_now(run.path if run is not None else None)


def begin(session: Session, planned: Planned) -> RunFolder:
    """Save the clicks, write the run folder and start its process.

    Raises
    ------
    NucleiError
        Something could not be saved or started.
    """
    from napari_nucleidomain.runs.launch import start

    project = session.project
    data = session.training_data(planned.method.needs)
    run = project.new_run(make_job(project, planned, data))
    start(run)
    return run


def device_in_doubt(run: RunFolder, chosen: str) -> bool:
    """Whether a training goes on on its several cards or on what is chosen now, only the person knows.

    One that failed does not go on on all of them for sure: one of them may have failed it.
    """
    return _other_than_several(run, chosen) and run.state != "failed"


def _other_than_several(run: RunFolder, chosen: str) -> bool:
    return "," in run.job.device and chosen not in ("", run.job.device)


def go_on(run: RunFolder, device: str) -> None:
    """Go on with a training; one on several devices on what is given here.

    Raises
    ------
    NucleiError
        It is running, its folder cannot be written to, or its process not be started.
    """
    from napari_nucleidomain.runs.job import change_job
    from napari_nucleidomain.runs.launch import start
    from napari_nucleidomain.runs.team_devices import check_job_team

    job = run.job
    if _other_than_several(run, device):
        check_job_team(job, device)
        change_job(run.path, device=device)
    start(run)


def make_job(project: Project, planned: Planned, data: Path) -> Any:
    """The job for what was chosen; its model gets a name that is free."""
    from napari_nucleidomain.runs.job import TrainJob

    name = project.free_model_name(planned.name)
    return TrainJob(
        method=planned.method.name,
        preset=planned.preset,
        config=planned.config,
        data=str(data),
        name=name,
        device=planned.device,
        seed=planned.seed,
        minutes=planned.minutes,
        parent=str(planned.parent) if planned.parent else None,
        publish=str(project.models_folder / name),
        background=True,
    )
