"""A prediction of many images that was stopped or interrupted before napari was closed: what of it is left to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_nucleidomain.contracts import NucleiError

from .newest import Newest
from .results import model_name, results_of
from .told import mark_told
from .wording import count

if TYPE_CHECKING:
    from napari_nucleidomain.runs.folder import RunFolder
    from napari_nucleidomain.runs.store import Project

    from .inline import Inline
    from .session import Session


@dataclass(frozen=True)
class Left:
    """A prediction that can go on.

    Attributes
    ----------
    run : RunFolder
    model : str
    done, total : int
        Images.
    """

    run: RunFolder
    model: str
    done: int
    total: int

    def words(self) -> str:
        """What is said of it."""
        return f"Finding nuclei in {count(self.total, 'image')} with {self.model} was not finished: {self.done} done."


class LeftOver:
    """Offers to go on with it, once for a project that is opened.

    Parameters
    ----------
    session : Session
    message : Inline
        Where it is said, unless something else is said there.
    go_on : callable
        Given the RunFolder.
    """

    def __init__(self, session: Session, message: Inline, go_on: Callable[[RunFolder], object]) -> None:
        self._session, self._message, self._go_on = session, message, go_on
        self._background = Newest(message)
        self._looked = False
        session.closing.connect(self._background.close)

    def look_once(self) -> None:
        """Look unless it was done already."""
        if not self._looked:
            self.look()

    def look(self, *_: Any) -> None:
        """Look for what was left."""
        self._looked = True
        try:
            project = self._session.project
        except NucleiError:
            # Said where models are listed.
            return
        self._background.run("left", find_left, project, done=self._offer, failed=self._message.say_error)

    def _offer(self, left: Left | None) -> None:
        if left is None or self._message.text() or self._session.read_only is not None:
            return

        def leave() -> None:
            mark_told(left.run)
            self._message.clear()

        self._message.say("info", left.words(), Go_on=lambda: self._go_on(left.run), Leave_it=leave)


def find_left(project: Project) -> Left | None:
    """The newest prediction, if it is of several images and was left half done. For a thread.

    Of a single image nothing is said: *Find nuclei* once more is as quick.
    """
    from napari_nucleidomain.runs.job import CLASSICAL

    newest = next((run for run in project.runs() if _is_prediction(run)), None)
    if newest is None or newest.state not in ("stopped", "interrupted") or (newest.path / "told").exists():
        return None
    job: Any = newest.job
    done = len(results_of(newest))
    if len(job.images) < 2 or done >= len(job.images):
        return None
    model = "the classical method" if job.model == CLASSICAL else model_name(job.model)
    return Left(newest, model, done, len(job.images))


def _is_prediction(run: RunFolder) -> bool:
    try:
        return run.job.kind == "predict"
    except NucleiError:
        # A damaged folder is told of where runs are listed.
        return False
