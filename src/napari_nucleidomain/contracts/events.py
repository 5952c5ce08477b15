"""What a run says while it works: one vocabulary for bars, plots, logs and tests.

Every event is one JSON object on one line of `events.jsonl`. Readers skip kinds they do not know, so that a newer
program may write to a folder that an older one watches.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from .shown import Shown

# Metrics whose names begin so are scores on what was kept back, clicks or outlines; all others are losses and the like.
CHECKS = ("points_", "outlines_")
# What a training without labels says of itself: how consistent it is, no score.
OWN = "images_"
# The answer to a question that means: it looks right, go on.
GO_ON = "go_on"
# Instead of an answer: the run takes the question back.
WITHDRAWN = "withdrawn"


# Systems know no times after the year 3000.
_LATEST = 3e10
_NUL = b"\\u0000"


def _checked(summary: dict[str, Any]) -> dict[str, Any]:
    """What is read from a summary is what a run writes into it; whatever else it holds is nobody's concern."""
    images, problems = summary.get("images", []), summary.get("problems", [])
    if not isinstance(images, list) or not all(isinstance(one, dict) and _is_image(one) for one in images):
        raise ValueError("images are a list of results")
    if not isinstance(problems, list) or not all(_is_problem(one) for one in problems):
        raise ValueError("problems are a list of names and messages")
    for name, kinds in _IN_SUMMARY.items():
        if not isinstance(summary.get(name), (*kinds, type(None))):
            raise ValueError(f"{name} is of another kind")
    if not all(isinstance(rate, (int, float)) for rate in (summary.get("rates") or {}).values()):
        raise ValueError("rates are numbers")
    return summary


_NUMBER = (int, float)
_IN_SUMMARY: dict[str, tuple[type, ...]] = {
    "model": (str,),
    "published": (str,),
    "synthetic": (str,),
    "computer": (str,),
    "device": (str,),
    "seconds": _NUMBER,
    "made": (int,),
    "ndim": (int,),
    "rates": (dict,),
}
_IN_IMAGE: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "image": (str,),
    "nuclei": (int,),
    "scale_reason": (str,),
    "scale": _NUMBER,
    "seconds": _NUMBER,
}


def _is_image(one: dict[str, Any]) -> bool:
    known = all(isinstance(one.get(name), (*kinds, type(None))) for name, kinds in _IN_IMAGE.items())
    return known and isinstance(one.get("labels"), str)


def is_result(one: Any) -> bool:
    """Whether this says of an image's result what a prediction writes: nothing missing, nothing of another kind."""
    needed = ("name", "image", "labels", "nuclei", "scale_reason", "origin", "shape")
    return isinstance(one, dict) and _is_image(one) and all(one.get(name) is not None for name in needed)


def _is_problem(one: Any) -> bool:
    return isinstance(one, (list, tuple)) and len(one) == 2 and all(isinstance(part, str) for part in one)


Summary = Annotated[dict[str, Any], AfterValidator(_checked)]


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
    time: float = Field(
        default_factory=time.time, ge=0, lt=_LATEST, description="Seconds since 1970, of the machine that runs."
    )


class Started(_Event):
    """The process has taken the run and begins, or goes on after an interruption (`resumed`)."""

    kind: Literal["started"] = "started"
    device: str = ""
    resumed: bool = False


class StageEvent(_Event):
    """A named part of the run begins, ends, or is skipped because its result is there already."""

    kind: Literal["stage"] = "stage"
    name: Shown
    state: Literal["begun", "done", "skipped"] = "begun"
    index: int = 0
    count: int = 0


class Progress(_Event):
    """How far the present stage is. `rate` is steps per second; `eta` is seconds to the end of the whole run."""

    kind: Literal["progress"] = "progress"
    stage: Shown
    step: int
    total: int | None = None
    fraction: float = 0.0
    overall: float = 0.0
    rate: float = 0.0
    eta: float | None = None


def whole_percent(share: float) -> int:
    """A share in whole percent, rounded down: 100 only where nothing is left to do."""
    return min(100, max(0, int(100.0 * share + 1e-9)))


class Metric(_Event):
    """Named numbers at one step: losses, or scores (`CHECKS`) on what was kept back."""

    kind: Literal["metric"] = "metric"
    stage: str
    step: int
    values: dict[str, float]
    seconds: float = 0.0


class Preview(_Event):
    """A piece of result to look at. `file` is relative to the run folder (npz with `labels`)."""

    kind: Literal["preview"] = "preview"
    stage: str = ""
    step: int = 0
    file: str
    image: str
    origin: list[int] = Field(description="Corner of the piece in pixels of the image at full resolution.")
    note: str = ""
    seconds: float = 0.0


class CheckpointSaved(_Event):
    """The run could be resumed from here."""

    kind: Literal["checkpoint"] = "checkpoint"
    stage: str
    step: int


class ModelReady(_Event):
    """A model that predicts has been written to `folder` (relative to the run folder)."""

    kind: Literal["model"] = "model"
    folder: str
    step: int = 0


class Warned(_Event):
    """Something the user should know; the run goes on. `left_out`: it does so without the file that is named."""

    kind: Literal["warning"] = "warning"
    message: Shown
    hint: Shown = ""
    left_out: bool = False


class Acknowledged(_Event):
    """A request (`stop`, `pause`, `resume`, `use_now`) has been read and will be obeyed."""

    kind: Literal["acknowledged"] = "acknowledged"
    request: str


class Question(_Event):
    """The run asks the person something and goes on meanwhile; it never waits for an answer.

    What it is about is the latest preview, which `picture` shows (a file relative to the run folder; empty where there
    is none). `id` names the question within the run; `taken` are settings that the run
    chose itself where the person had said nothing, to begin with where they are to be adjusted.
    """

    kind: Literal["question"] = "question"
    id: str
    text: Shown
    hint: Shown = ""
    taken: dict[str, float] = Field(default_factory=dict)
    picture: str = ""


class Answered(_Event):
    """A question needs no answer any more: it was answered (`GO_ON`), or taken back (`WITHDRAWN`)."""

    kind: Literal["answered"] = "answered"
    id: str
    answer: str


class Finished(_Event):
    """The run is complete. `summary` is small and JSON-able."""

    kind: Literal["finished"] = "finished"
    summary: Summary = Field(default_factory=dict)


class Failed(_Event):
    """The run ended by a fault; the traceback is in `log.txt`."""

    kind: Literal["failed"] = "failed"
    message: Shown
    hint: Shown = ""


class Stopped(_Event):
    """The user stopped it; `model` says whether a usable model was left."""

    kind: Literal["stopped"] = "stopped"
    model: bool = False
    summary: Summary = Field(default_factory=dict)


Event = Annotated[
    Started
    | StageEvent
    | Progress
    | Metric
    | Preview
    | CheckpointSaved
    | ModelReady
    | Warned
    | Acknowledged
    | Question
    | Answered
    | Finished
    | Failed
    | Stopped,
    Field(discriminator="kind"),
]

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)


def parse_event(line: str | bytes) -> Event | None:
    """Read one line of `events.jsonl`.

    Returns
    -------
    Event or None
        None for a line that is half-written, of a kind this version does not know, or that says what none can.
    """
    if (_NUL if isinstance(line, bytes) else _NUL.decode()) in line:  # type: ignore[operator]
        # A character that ends texts: in no path, and written by no run.
        return None
    try:
        return _ADAPTER.validate_json(line)
    except ValidationError:
        return None


def is_last(event: Event) -> bool:
    """Whether nothing follows this event until the run is resumed."""
    return isinstance(event, Finished | Failed | Stopped)
