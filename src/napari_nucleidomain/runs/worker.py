"""The warm worker: one process a project that executes predictions in turn, with torch and the last model loaded.

Importing torch costs seconds, so the process stays for a while after its last job. The queue is a folder: a submitted
run is a small file, so nothing is lost when either side ends.
"""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import SMALL, read_json, remove_with_retry, write_json
from napari_nucleidomain.data.example import real_path, stored_path

from .devices import Busy, holders
from .execute import execute
from .folder import RunFolder
from .foreign import refuse_foreign
from .launch import spawn
from .ownership import Ownership, is_alive
from .predict import LoadedModels, warm_up
from .store import Project

IDLE_SECONDS = 600.0
_LOOK_SECONDS = 0.03
_QUEUE = "queue"
_WARM = "warm.json"
_CLOSE = "close.json"
# Written by a worker that is about to end: its process lives for a moment longer, but takes nothing more.
_ENDED = "ended.json"


class WorkerClient:
    """Hands predictions to a project's worker, starting one where none is alive.

    Parameters
    ----------
    project : Project
        The project.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._folder = project.worker_folder
        self._process: subprocess.Popen[bytes] | None = None
        # The viewer warms the worker from a thread, and may submit from another at that moment.
        self._starting = threading.Lock()

    @property
    def alive(self) -> bool:
        """Whether a worker is there, or being started by us."""
        if is_alive(self._folder):
            return True
        return self._process is not None and self._process.poll() is None and not (self._folder / _ENDED).exists()

    def submit(self, run: RunFolder) -> None:
        """Put a prediction at the end of the queue.

        Raises
        ------
        NucleiError
            The queue cannot be written or no process be started, or the run was made elsewhere (see
            `foreign.refuse_foreign`).
        """
        refuse_foreign(run)
        ticket = self._folder / _QUEUE / f"{time.time_ns():020d}.json"
        write_json(ticket, {"run": stored_path(run.path, ticket.parent, self._project.path)})
        self._ensure()

    def warm(self, model: str | None = None, device: str = "auto") -> None:
        """Start the worker ahead of the first prediction, and let it load a model."""
        if model:
            write_json(self._folder / _WARM, {"model": model, "device": device})
        self._ensure()

    def close(self) -> None:
        """Ask the worker to end after its present job."""
        write_json(self._folder / _CLOSE, {"time": time.time()})

    def _ensure(self) -> None:
        with self._starting:
            # Whoever asked it to end did not know of this job.
            (self._folder / _CLOSE).unlink(missing_ok=True)
            if not self.alive:
                (self._folder / _ENDED).unlink(missing_ok=True)
                self._process = spawn(["worker", "--project", str(self._project.path)], self._folder / "log.txt")


class Worker:
    """The process's side: takes tickets in order until it has been idle for a while.

    Parameters
    ----------
    project : Project
        The project it serves.
    idle_seconds : float
        It ends after this long without work.
    """

    def __init__(self, project: Project, idle_seconds: float = IDLE_SECONDS) -> None:
        self._project = project
        self._folder = project.worker_folder
        self._idle = idle_seconds
        self._models = LoadedModels()
        self._closed = 0

    def serve(self) -> None:
        """Work until idle or asked to close.

        Raises
        ------
        NucleiError
            Another worker serves this project.
        """
        (self._folder / _QUEUE).mkdir(parents=True, exist_ok=True)
        self._serve_as(Ownership(self._folder))
        # Handed in while this worker was giving up: whoever did so saw it alive and started no other.
        while self._newer_tickets():
            try:
                ownership = Ownership(self._folder)
            except NucleiError:
                # A new worker has them.
                return
            self._serve_as(ownership)

    def _serve_as(self, ownership: Ownership) -> None:
        """Work until idle or asked to close, then give the project up."""
        self._closed = 0
        (self._folder / _ENDED).unlink(missing_ok=True)
        try:
            last_work = last_beat = time.monotonic()
            while time.monotonic() - last_work < self._idle and not self._asked_to_end():
                if self._take_one() or self._warm():
                    last_work = time.monotonic()
                if time.monotonic() - last_beat > 1.0:
                    self._every_second(ownership)
                    last_beat = time.monotonic()
                time.sleep(_LOOK_SECONDS)
        finally:
            (self._folder / _CLOSE).unlink(missing_ok=True)
            if self._folder.exists():
                write_json(self._folder / _ENDED, {"time": time.time()})
            ownership.release()

    def _asked_to_end(self) -> bool:
        """Whether it was asked to, or its project was removed."""
        if (self._folder / _CLOSE).exists():
            self._closed = time.time_ns()
            return True
        return not self._folder.exists()

    def _tickets(self) -> list[Path]:
        """Runs that wait, in order. With a dot in front: being written; they are renamed when complete."""
        found = (self._folder / _QUEUE).glob("*.json")
        return sorted(one for one in found if not one.name.startswith(".") and one.is_file())

    def _newer_tickets(self) -> bool:
        """Whether runs wait that were handed in after the worker was asked to end; the older ones it was to leave."""
        return any(not one.stem.isdigit() or int(one.stem) > self._closed for one in self._tickets())

    def _every_second(self, ownership: Ownership) -> None:
        ownership.beat()
        if self._models.on_accelerator and any(one.kind == "train" for one in holders()):
            # A training, of whatever project, wants the memory of the graphics card more than we need to be quick.
            self._models.clear()

    def _take_one(self) -> bool:
        tickets = self._tickets()
        if not tickets:
            return False
        folder = self._read(tickets[0])
        tickets[0].unlink(missing_ok=True)
        if folder is not None:
            try:
                execute(folder, models=self._models, busy=Busy.SHARE)
            except (NucleiError, OSError) as error:
                print(error, flush=True)
        return True

    def _read(self, ticket: Path) -> Path | None:
        try:
            return real_path(str(read_json(ticket, SMALL)["run"]), ticket.parent)
        except (NucleiError, KeyError, TypeError) as error:
            print(f"{ticket}: {error}", flush=True)
            return None

    def _warm(self) -> bool:
        path = self._folder / _WARM
        if not path.exists():
            return False
        try:
            try:
                wish = read_json(path, SMALL)
            finally:
                # Also one that cannot be read: it would be read again and again.
                remove_with_retry(path)
            segmenter, _ = self._models.get(str(wish["model"]), str(wish.get("device", "auto")))
            warm_up(segmenter)
        except (NucleiError, KeyError, TypeError) as error:
            print(error, flush=True)
        return True
