"""`nucleidomain synthesize`."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_nucleidomain.contracts import NucleiError, SynthesisWish
from napari_nucleidomain.runs.devices import refuse_if_in_use
from napari_nucleidomain.runs.execute import ExitCode
from napari_nucleidomain.runs.job import CLASSICAL, SynthesizeJob
from napari_nucleidomain.runs.store import Project
from napari_nucleidomain.runs.synthesize import ABOUT, check_job

from .predict import find_model
from .running import drop_if_nothing_done, run_here, when_busy


def command(arguments: argparse.Namespace) -> int:
    """Check what is wanted, make the run folder, make the images."""
    if arguments.threads is not None and arguments.threads < 1:
        raise NucleiError(f"--threads must be more than 0, not {arguments.threads}.", "")
    if not 0 <= arguments.seed < 2**32:
        raise NucleiError(f"--seed must be 0 to 4294967295, not {arguments.seed}.", "")
    if arguments.model == CLASSICAL:
        raise NucleiError(f"{CLASSICAL} makes no images.", "Give a model that was trained with adgan.")
    model = find_model(arguments.model, arguments.project)
    job = SynthesizeJob(
        model=str(model),
        out=str(arguments.out.absolute()),
        count=arguments.count,
        wish=SynthesisWish(
            shape=arguments.size,
            diameter=arguments.diameter,
            nuclei=arguments.nuclei,
            eccentricity=arguments.eccentricity,
            bits=arguments.bits,
        ),
        seed=arguments.seed,
        device=arguments.device,
        threads=arguments.threads,
        name=Path(model).name,
    )
    planned = check_job(job)
    busy = when_busy(arguments)
    refuse_if_in_use(job, busy)
    run = Project.open(arguments.project).new_run(job)
    wish = planned.wish
    assert wish.shape and wish.diameter and wish.nuclei
    if not arguments.quiet:
        print(f"run    {run.path}")
        low, high = wish.diameter
        sides = " × ".join(map(str, wish.shape))
        print(f"images of {sides} px, {wish.nuclei[0]} to {wish.nuclei[1]} nuclei of {low:.3g} to {high:.3g} px")
    code = run_here(run, started=arguments.started, quiet=arguments.quiet, busy=busy)
    made = run.summary().get("made", 0)
    if made:
        print(f"{arguments.out}  {made} images with labels")
    if code == ExitCode.STOPPED:
        print(f"Go on with: nucleidomain run {run.path}")
    if not (arguments.out / ABOUT).exists():
        drop_if_nothing_done(run, code)
    return code
