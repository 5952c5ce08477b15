"""Run folders that somebody else made: where they would write outside themselves, and links in them.

A run folder may be mailed, or unpacked from an archive. What is in it was not chosen by the person who runs it, so
nothing outside it is written unless that person says so, and no link in it is followed.
"""

from __future__ import annotations

import os
from pathlib import Path

from napari_nucleidomain.contracts import WritesOutside
from napari_nucleidomain.contracts.files import write_atomic
from napari_nucleidomain.contracts.paths import lies_in, refuse_links, same_place

from .folder import RunFolder
from .job import Job, PredictJob, SynthesizeJob, TrainJob, change_job
from .places import project_id, project_of

# What the program writes, replaces or removes in a run folder; a portable job's images and outlines are only read.
_OURS = (
    "checkpoint",
    "models",
    "previews",
    "result",
    "stages",
    "tiles",
    "inputs",
    ".inputs",
    "inputs.json",
    "run.json",
    "owner.json",
    "owner.lock",
    "events.jsonl",
    "control.json",
    "answers.json",
    "view.json",
    "model.json",
    "log.txt",
    "spare.bin",
)
# Files that are written where they lie, not aside.
_IN_PLACE = ("events.jsonl", "log.txt", "owner.lock", "spare.bin")


def refuse_foreign(run: RunFolder) -> None:
    """Refuse a run that would write where its folder does not reach, before anything of it is touched.

    Raises
    ------
    WritesOutside
        It was made in another place and names a folder outside itself to write to.
    NucleiError
        A link lies where the program writes.
    """
    refuse_links(run.path, _OURS)
    targets = asked_for(run)
    if not targets:
        return
    places = " and ".join(str(one) for one in targets)
    raise WritesOutside(
        f"{run.name} was made in another place, and would write to {places}.",
        f"Is that what you want? Then say so: nucleidomain run {run.path} --write-outside",
        targets,
    )


def asked_for(run: RunFolder) -> tuple[Path, ...]:
    """Where a run would write outside its folder without anybody here having said so; empty where all is well."""
    job = run.job
    if any(place and same_place(place, run.path) for place in (job.written_in, job.allowed_in)):
        return ()
    targets = [Path(target) for target in _targets(job) if not lies_in(target, run.path)]
    home = project_of(run.path)
    # A project that was moved or copied as a whole: its id is known to nobody who has not had it.
    if home is not None and job.project and job.project == project_id(home):
        targets = [target for target in targets if not lies_in(target, home)]
    return tuple(targets)


def allow_writing_outside(run: RunFolder) -> None:
    """Note that a person wants a run from elsewhere to write where it says; holds for this folder only.

    Raises
    ------
    NucleiError
        The folder holds no run, or cannot be written to.
    """
    change_job(run.path, allowed_in=str(run.path.absolute()))
    run.forget_job()


def part_from_copies(run: RunFolder) -> None:
    """Give files that are written in place a body of their own, where they share it with another name (hard links).

    Copies of folders that some programs for backups make share files; appending to one would change all.
    """
    for name in _IN_PLACE:
        path = run.path / name
        try:
            shared = os.lstat(path).st_nlink > 1
        except OSError:
            # Not there yet.
            continue
        if shared:
            write_atomic(path, path.read_bytes())


def _targets(job: Job) -> list[str]:
    if isinstance(job, TrainJob):
        return [path for path in (job.publish, job.pack) if path]
    if isinstance(job, SynthesizeJob):
        return [job.out]
    return [job.out] if isinstance(job, PredictJob) and job.out else []
