"""Who computes on which device of this computer: one job at a time, across projects and programs of one user.

Each job writes a small record into a folder of the user for as long as it computes. A record whose process is gone
counts for nothing, so nothing has to be cleaned up after a crash.
"""

from __future__ import annotations

import importlib
import os
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from napari_nucleidomain.contracts import Interrupted, NucleiError, StopRun, WriteError
from napari_nucleidomain.contracts.events import Warned
from napari_nucleidomain.contracts.files import SMALL, read_json, remove_with_retry, write_json

from .event_log import EventWriter
from .folder import RunFolder
from .job import CLASSICAL, Job, PredictJob, TrainJob
from .lock import exclusive
from .ownership import is_process, is_time, process_alive, process_key
from .places import PROJECT_FILE
from .requests import Requests
from .team_devices import several_words, split_devices

_LOOK_SECONDS = 1.0
# In methods' layers, and with torch: imported when a job runs, as the methods are.
_NAMING = "napari_nucleidomain.training.device_name"


class Busy(StrEnum):
    """What to do where the device is in use."""

    REFUSE = "refuse"
    """On a graphics card, whose memory two jobs seldom fit into; on the processor as `WARN`."""
    WAIT = "wait"
    WARN = "warn"
    SHARE = "share"
    """Go on without a word."""


@dataclass(frozen=True)
class Holder:
    """A job that computes now.

    Attributes
    ----------
    device : str
        Key of the device, see `training.device_name`.
    words : str
        The device for a person.
    kind, name : str
        "train" or "predict", and what the user calls it.
    run, project : str
        Folders.
    since : float
        Seconds since 1970.
    cpus : list of int or None
        Processors it may use; a cluster gives each job its own. None where the system does not say.
    others : list of str
        Keys of the further devices of a training on several.
    """

    device: str
    words: str
    kind: str
    name: str
    run: str
    project: str
    since: float
    process: int
    process_started: float
    cpus: list[int] | None = None
    process_key: str = ""
    others: list[str] = field(default_factory=list)
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def alive(self) -> bool:
        """Whether its process still runs."""
        return process_alive(self.process, self.process_started, self.process_key)

    @property
    def computes(self) -> bool:
        """Whether it is at work and not paused."""
        return RunFolder(self.run).state != "paused"

    def meets(self, other: Holder) -> bool:
        """Whether the two would compute on the same hardware."""
        if self.token == other.token or not {self.device, *self.others} & {other.device, *other.others}:
            return False
        if self.device != "cpu" or self.cpus is None or other.cpus is None:
            return True
        return bool(set(self.cpus) & set(other.cpus))

    def sentence(self) -> str:
        """Who has what since when, for a person."""
        what = {"train": "training", "synthesize": "making of images"}.get(self.kind, "prediction")
        paused = "" if self.computes else ", which is paused,"
        day = "%H:%M" if time.time() - self.since < 12 * 3600 else "%Y-%m-%d %H:%M"
        since = time.strftime(day, time.localtime(self.since))
        of = f" of the project {self.project}" if self.project else ""
        return f"The {what} {self.name}{of}{paused} has had {self.words} since {since}"


def registry() -> Path:
    """Where this user's jobs on this computer are recorded; a home may be shared by many computers."""
    import platformdirs

    host = re.sub(r"[^\w.-]+", "-", socket.gethostname()) or "here"
    return Path(platformdirs.user_state_dir("napari-nucleidomain", appauthor=False)) / "devices" / host


def holders() -> list[Holder]:
    """Jobs that compute on this computer now, oldest first; records of processes that are gone are removed."""
    found = []
    for path in registry().glob("[!.]*.json"):
        holder = _read_holder(path)
        if holder is None:
            continue
        if holder.alive:
            found.append(holder)
        else:
            remove_with_retry(path)
    return sorted(found, key=lambda one: one.since)


def _read_holder(path: Path) -> Holder | None:
    """A record; None where it was just removed, is of a later version of this program, or says what no job can."""
    try:
        holder = Holder(**read_json(path, SMALL))
    except (NucleiError, TypeError):
        return None
    texts = [holder.device, holder.words, holder.kind, holder.name, holder.run, holder.project, holder.process_key]
    lists = [holder.others, holder.cpus if holder.cpus is not None else []]
    good = all(isinstance(one, str) for one in [*texts, holder.token]) and all(isinstance(one, list) for one in lists)
    good = good and all(isinstance(one, str) for one in holder.others) and is_process(holder)
    return holder if good and is_time(holder.since) else None


def training_now(besides: Path | None = None) -> Holder | None:
    """The training that computes on this computer now, of whatever project; a paused one leaves the device to others.

    Parameters
    ----------
    besides : Path, optional
        Run folder of one that does not count.
    """
    return next((one for one in holders() if one.kind == "train" and one.computes and not _same(one, besides)), None)


def holder_of(run: Path) -> Holder | None:
    """The record of a run; None where it does not compute now."""
    return next((one for one in holders() if _same(one, run)), None)


def _same(holder: Holder, run: Path | None) -> bool:
    return run is not None and Path(holder.run) == run.absolute()


def in_use(job: Job) -> Holder | None:
    """Who has the device that a job would compute on. torch is imported only where anybody computes at all."""
    return _first_met(_me(job, Path())) if holders() else None


def refuse_if_in_use(job: Job, busy: Busy) -> None:
    """Say that a job cannot begin before a folder is made for it.

    Raises
    ------
    NucleiError
        A graphics card is in use, and the user neither waits nor shares.
    """
    if busy is Busy.REFUSE:
        holder = in_use(job)
        if holder is not None and holder.device != "cpu":
            raise _refusal(holder)


@contextmanager
def hold(run: RunFolder, events: EventWriter, requests: Requests, busy: Busy) -> Iterator[float]:
    """Have the device of a run, by the rules of `Busy`.

    Yields
    ------
    float
        Seconds that it was waited for.

    Raises
    ------
    NucleiError
        It is in use, or it is not there.
    StopRun
        The user stopped it while it waited.
    """
    mine = _me(run.job, run.path)
    began = time.monotonic()
    other = _take(mine, share=False)
    if other is not None:
        if busy is Busy.REFUSE and other.device != "cpu":
            raise _refusal(other)
        if busy is Busy.WAIT:
            events.write(Warned(message=f"{other.sentence()}: this waits until it is free.", hint=_stopping(other)))
            while _take(mine, share=False) is not None:
                requests.refuse_if_lost()
                if requests.stopped:
                    raise StopRun
                if requests.interrupted:
                    raise Interrupted
                time.sleep(_LOOK_SECONDS)
        else:
            if busy is not Busy.SHARE:
                flag = " Or begin with --wait." if busy is Busy.REFUSE else ""
                hint = f"Both are slower; stop one of them if that takes too long.{flag}"
                events.write(Warned(message=f"{other.sentence()}.", hint=hint))
            _take(mine, share=True)
    try:
        yield time.monotonic() - began if other is not None and busy is Busy.WAIT else 0.0
    finally:
        remove_with_retry(_record(mine))


def _take(mine: Holder, *, share: bool) -> Holder | None:
    """Write the record unless another job has the device; that job, or None where it is ours."""
    try:
        registry().mkdir(parents=True, exist_ok=True)
        # To look and then to write is two moments: of two jobs that both find nobody, one must wait.
        with exclusive(registry() / "lock"):
            other = None if share else _first_met(mine)
            if other is None:
                write_json(_record(mine), asdict(replace(mine, since=time.time())))
            return other
    except (OSError, WriteError):
        # A home that cannot be written to, as on some clusters: nobody can be told, so nobody is kept out.
        return None


def _first_met(mine: Holder) -> Holder | None:
    return next((one for one in holders() if mine.meets(one)), None)


def _record(holder: Holder) -> Path:
    return registry() / f"{holder.token}.json"


def _me(job: Job, folder: Path) -> Holder:
    import psutil

    process = psutil.Process()
    (key, *others), words = _devices_of(job)
    # Absent on a Mac.
    cpus: Callable[[], list[int]] | None = getattr(process, "cpu_affinity", None)
    project = folder.absolute().parent.parent
    return Holder(
        device=key,
        words=words,
        kind=job.kind,
        name=job.name or folder.name,
        run=str(folder.absolute()),
        project=str(project) if (project / PROJECT_FILE).exists() else "",
        since=time.time(),
        process=os.getpid(),
        process_started=process.create_time(),
        cpus=cpus() if cpus else None,
        process_key=process_key(process.pid),
        others=others,
    )


def _devices_of(job: Job) -> tuple[list[str], str]:
    """Keys of all devices of a job, and words for them."""
    if not isinstance(job, TrainJob):
        key, words = _device_of(job)
        return [key], words
    found = [_device_of(job.model_copy(update={"device": one})) for one in split_devices(job.device)]
    return list(dict.fromkeys(key for key, _ in found)), several_words([words for _, words in found])


def _device_of(job: Job) -> tuple[str, str]:
    if job.device.lower() == "cpu" or (isinstance(job, PredictJob) and job.model == CLASSICAL):
        return "cpu", "the processor"
    key, words = importlib.import_module(_NAMING).name_device(job.device)
    return str(key), str(words)


def _refusal(holder: Holder) -> NucleiError:
    return NucleiError(
        f"{holder.sentence()}; one job at a time on a graphics card.",
        "Wait for it with --wait, go on beside it with --share (slower, and the memory may not do for both), or choose "
        f"another --device. {_stopping(holder)}",
    )


def _stopping(holder: Holder) -> str:
    return f'To stop it: nucleidomain runs --stop "{holder.run}"'
