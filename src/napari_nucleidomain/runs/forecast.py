"""How long a training will take on this computer: from the speed test, made better by what past trainings took."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any, Literal

from napari_nucleidomain.contracts import MethodSpec, NucleiError, find_method
from napari_nucleidomain.contracts.events import Finished, Stopped

from .folder import RunFolder
from .job import TrainJob
from .speed import Speed, computer_id
from .store import Project
from .team_devices import split_devices

_MOST = 5
# Below this share of the steps a setting is made for, more minutes are worth suggesting.
_SHORT = 0.5
# Saving and checking once more at the end.
_END_SECONDS = 3.0


@dataclass(frozen=True)
class Forecast:
    """How long a training will take.

    Attributes
    ----------
    seconds : float or None
        From the start to the model; None where it is not known.
    full_seconds : float or None
        What all the steps the setting is made for would take, whatever the limit.
    known_by : {"", "limit", "speed test", "past trainings"}
        "limit": the person's or the setting's own minutes, on a computer that was not measured.
    """

    seconds: float | None
    full_seconds: float | None = None
    known_by: Literal["", "limit", "speed test", "past trainings"] = ""

    @property
    def short(self) -> bool:
        """Whether the limit leaves less than half of the steps the setting is made for."""
        return self.seconds is not None and self.full_seconds is not None and self.seconds < _SHORT * self.full_seconds


def forecast(
    spec: MethodSpec,
    preset: str,
    changes: dict[str, Any],
    speed: Speed | None,
    past: dict[str, float] | None = None,
    minutes: float | None = None,
    ndim: int = 2,
) -> Forecast:
    """How long a training will take.

    Parameters
    ----------
    spec, preset, changes
        Method, setting, and what differs from it.
    speed : Speed or None
        The last speed test of the device.
    past : dict, optional
        As `past_steps` gives; counts before the speed test.
    minutes : float, optional
        The person's limit; the setting's own when absent.
    ndim : int
        Axes of the images that are learned from: 3 for volumes.
    """
    limit = minutes if minutes is not None else spec.presets[preset].minutes
    known = {**(speed.steps if speed else {}), **(past or {})}
    full = None
    known_by: Literal["", "limit", "speed test", "past trainings"] = "limit" if limit else ""
    if spec.forecast:
        try:
            config = spec.config.build(spec.presets[preset].values, changes)
            reference, steps, cost = spec.resolve(spec.forecast)(config, ndim)
        except NucleiError:
            # A setting that will not do; the form says so.
            return Forecast(limit * 60.0 if limit else None, None, known_by)
        if reference in known:
            loading = (speed.import_seconds if speed else 0.0) + _END_SECONDS
            full = steps * cost * known[reference] + loading
            known_by = "past trainings" if reference in (past or {}) else "speed test"
    if not limit or (spec.ends_early and full is not None and full < limit * 60.0):
        return Forecast(full, full, known_by)
    return Forecast(limit * 60.0, full, known_by)


def past_steps(project: Project, device: str) -> dict[str, float]:
    """Seconds per reference step that trainings of this project took on this computer; the newest count.

    Reads files; not for an event loop.

    Parameters
    ----------
    device : str
        As asked for: "auto", "cpu", "cuda", "cuda:0,1".
    """
    found: dict[str, list[float]] = {}
    devices = split_devices(device)
    for run in project.runs():
        try:
            job = run.job
            if isinstance(job, TrainJob):
                _add(found, job, run, devices)
        except NucleiError:
            # Damaged, or of a method that is not installed any more: it teaches nothing.
            continue
        if found and all(len(one) >= _MOST for one in found.values()):
            break
    return {name: statistics.median(seconds[:_MOST]) for name, seconds in found.items()}


def _add(found: dict[str, list[float]], job: TrainJob, run: RunFolder, devices: tuple[str, ...]) -> None:
    event = run.last_event()
    if not isinstance(event, Finished | Stopped) or event.summary.get("computer") != computer_id():
        return
    # The job names the device that it will go on on, which may be another one.
    if split_devices(event.summary.get("device", job.device)) != devices:
        return
    rates = [float(rate) for rate in event.summary.get("rates", {}).values() if float(rate) > 0]
    spec = find_method(job.method)
    if not rates or not spec.forecast:
        return
    ndim = event.summary.get("ndim")
    if ndim is None and len(spec.ndims) > 1:
        # Of an earlier version: nobody knows whether its steps were those of volumes.
        return
    preset = spec.preset(job.preset or next(iter(spec.presets)))
    config = spec.config.build(preset.values, job.config)
    reference, _, cost = spec.resolve(spec.forecast)(config, ndim or 2)
    if cost > 0:
        found.setdefault(reference, []).append(statistics.mean(1.0 / rate for rate in rates) / cost)


def training_space(spec: MethodSpec, preset: str, changes: dict[str, Any], ndim: int = 2) -> int:
    """Bytes a training will need on the disk, give or take: checkpoint and model, each also aside while replaced."""
    if not spec.forecast:
        return 200 * 2**20
    try:
        config = spec.config.build(spec.presets[preset].values, changes)
        reference, _, _ = spec.resolve(spec.forecast)(config, ndim)
    except NucleiError:
        return 200 * 2**20
    return (200 if reference == "small" else 1500) * 2**20
