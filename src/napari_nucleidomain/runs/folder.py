"""A run as everyone but its own process sees it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.card import CARD_FILE, WEIGHTS_FILE
from napari_nucleidomain.contracts.events import GO_ON, Event, Failed, Finished, Question, Stopped
from napari_nucleidomain.contracts.files import SMALL, read_json, remove_with_retry, write_json
from napari_nucleidomain.contracts.paths import lies_in, wrong_name

from .event_log import last_event, read_events
from .job import Job, load_job, save_job
from .ownership import is_alive, is_time
from .places import summary_to_real
from .questions import open_question, write_answer

CONTROL_FILE = "control.json"
VIEW_FILE = "view.json"
MODEL_POINTER = "model.json"
LOG_FILE = "log.txt"
CHECKPOINT_FILE = "checkpoint/latest.ckpt"
# After an image's name: what the program found, kept beside labels that a person has changed.
FOUND = ".found.tif"

# A process says that it has begun long before it imports torch.
_BEGIN_SECONDS = 60.0

State = Literal["waiting", "running", "paused", "finished", "failed", "stopped", "interrupted"]
Request = Literal["stop", "pause", "resume", "use_now"]
_OVER = ("finished", "failed", "stopped")


class RunFolder:
    """A folder that holds all of one training, prediction or synthesis.

    Parameters
    ----------
    path : Path or str
        The folder. It need not be complete: state and events of a half-written one can be read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._job: Job | None = None

    @classmethod
    def create(cls, path: Path | str, job: Job) -> RunFolder:
        """Make the folder and write what to do.

        Raises
        ------
        NucleiError
            There is a run already, or the disk does not let us.
        """
        run = cls(path)
        if (run.path / "run.json").exists():
            raise NucleiError(f"{run.path} holds a run already.", "Choose another name.")
        save_job(job, run.path)
        return run

    @property
    def job(self) -> Job:
        """What it is asked to do (read once)."""
        if self._job is None:
            self._job = load_job(self.path)
        return self._job

    def forget_job(self) -> None:
        """Read what it is asked to do anew when it is next needed."""
        self._job = None

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def state(self) -> State:
        """What it is doing, from the owner's heartbeat and the last event."""
        if is_alive(self.path):
            return "paused" if self._paused() else "running"
        event = last_event(self.path)
        if event is None:
            return "interrupted" if self._never_began() else "waiting"
        if isinstance(event, Finished):
            return "finished"
        if isinstance(event, Failed):
            return "failed"
        if isinstance(event, Stopped):
            return "stopped"
        return "interrupted"

    def _never_began(self) -> bool:
        """Whether a process was started for it and died before it could say anything: what it printed is in the log."""
        try:
            return time.time() - self.log.stat().st_mtime > _BEGIN_SECONDS
        except FileNotFoundError:
            return False

    def _paused(self) -> bool:
        control = self.read_control()
        return control is not None and (control.get("request") == "pause" or bool(control.get("paused")))

    def read_events(self, offset: int = 0) -> tuple[list[Event], int]:
        """Events from a byte offset on, with paths of where the folder is now, and the offset to go on from."""
        events, after = read_events(self.path, offset)
        return [self._here(event) for event in events], after

    def last_event(self) -> Event | None:
        """The newest event, with paths of where the folder is now."""
        event = last_event(self.path)
        return None if event is None else self._here(event)

    def _here(self, event: Event) -> Event:
        if not isinstance(event, Finished | Stopped) or not event.summary:
            return event
        return event.model_copy(update={"summary": summary_to_real(event.summary, self.path, self.job.written_in)})

    def request(self, what: Request) -> None:
        """Ask the process to stop, pause, go on, or make a model of what there is now; in a pause that stays one."""
        stays = {"paused": True} if what == "use_now" and self._paused() else {}
        write_json(self.path / CONTROL_FILE, {"request": what, "time": time.time(), **stays})

    def open_question(self) -> Question | None:
        """What it asked and nobody has answered; None too where it is over, for then it is too late to answer."""
        return None if self.state in _OVER else open_question(self.path)

    def picture_of(self, question: Question) -> Path | None:
        """The file that shows what a question is about; None where there is none, or none any more."""
        file = self.path / question.picture
        return file if question.picture and lies_in(file, self.path) and file.exists() else None

    def answer(self, answer: str = GO_ON) -> None:
        """Answer the open question. A request to stop or pause that is still to be read stays.

        Raises
        ------
        NucleiError
            Nothing is asked, or there is no such answer.
        """
        if answer != GO_ON:
            raise NucleiError(
                f"{answer!r} is no answer.",
                f"Say {GO_ON} where it looks right; where it does not, ask the run to stop.",
            )
        question = self.open_question()
        if question is None:
            raise NucleiError(f"{self.name} asks nothing at present: it is {self.state}.", "It needs no answer.")
        write_answer(self.path, question, answer)

    def forget_request(self) -> None:
        """Take back what was asked for; an earlier process may have died before it read it."""
        remove_with_retry(self.path / CONTROL_FILE)

    def request_preview(self, image: str, box: list[list[int]]) -> None:
        """Say what the user looks at: an image's path and [[start, stop], ...] at full resolution."""
        write_json(self.path / VIEW_FILE, {"image": image, "box": box})

    def read_control(self) -> dict[str, Any] | None:
        """The latest request, or None; what no program asks so is none."""
        content = self._read_small(CONTROL_FILE)
        good = content is not None and is_time(content.get("time")) and isinstance(content.get("request"), str)
        return content if good else None

    def read_view(self) -> dict[str, Any] | None:
        """The latest preview request, or None; its box is not looked at beyond being one."""
        content = self._read_small(VIEW_FILE)
        return content if content is not None and _is_box(content.get("box")) else None

    def _read_small(self, name: str) -> dict[str, Any] | None:
        path = self.path / name
        if not path.exists():
            return None
        try:
            content = read_json(path, SMALL)
        except NucleiError:
            # Being replaced this very moment (Windows): the next look will find it.
            return None
        return content if isinstance(content, dict) else None

    @property
    def model_folder(self) -> Path | None:
        """The newest complete model this training wrote, or None."""
        pointer = self._read_small(MODEL_POINTER)
        named = str(pointer.get("folder")) if pointer else ""
        # Nothing but a model of its own: the pointer may have been written by somebody else.
        own = named.startswith("models/") and not wrong_name(named.removeprefix("models/"))
        folder = self.path / named if own else None
        return folder if folder and all((folder / name).exists() for name in (CARD_FILE, WEIGHTS_FILE)) else None

    @property
    def has_checkpoint(self) -> bool:
        """Whether something has been learned from which a training can go on."""
        return (self.path / CHECKPOINT_FILE).exists()

    @property
    def is_bare(self) -> bool:
        """Whether nothing was worked out yet that anybody could use or go on from."""
        made = (self.path / name for name in ("checkpoint", "models", "stages", "tiles", "result"))
        return not any(path.is_file() for folder in made for path in folder.rglob("*"))

    @property
    def result_folder(self) -> Path:
        """Where a prediction leaves its labels."""
        return self.path / "result"

    @property
    def log(self) -> Path:
        """The log, with tracebacks."""
        return self.path / LOG_FILE

    def summary(self) -> dict[str, Any]:
        """The last event's summary; empty while it works."""
        event = self.last_event()
        return event.summary if isinstance(event, Finished | Stopped) else {}

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"


def _is_box(box: Any) -> bool:
    """Whether it is [[start, stop], ...] in pixels that an image can have."""
    return isinstance(box, list) and all(
        isinstance(side, list) and len(side) == 2 and all(type(at) is int and abs(at) < 1 << 40 for at in side)
        for side in box
    )
