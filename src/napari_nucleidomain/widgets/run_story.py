"""What a run has told so far, gathered from its events. No Qt, so that it is easily tested."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from napari_nucleidomain.contracts.events import (
    CHECKS,
    Acknowledged,
    Answered,
    Event,
    Failed,
    Finished,
    Metric,
    ModelReady,
    Preview,
    Progress,
    Question,
    StageEvent,
    Started,
    Stopped,
    Warned,
)

_MOST_POINTS = 4000


@dataclass
class Series:
    """One curve: seconds since the run began, and values. Thinned to stay quick to draw."""

    seconds: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, seconds: float, value: float) -> None:
        """Append a value; beyond a few thousand every second old one is dropped."""
        if len(self.values) >= _MOST_POINTS:
            self.seconds, self.values = self.seconds[::2], self.values[::2]
        self.seconds.append(seconds)
        self.values.append(value)


@dataclass
class RunStory:
    """Present knowledge about one run.

    Attributes
    ----------
    series : dict
        (stage, metric name) -> `Series`, in the order in which they first appeared.
    checked : dict
        Latest values of `CHECKS`: the scores on what was kept back.
    end : Finished, Failed, Stopped or None
        How it ended; None while it runs (also after it was resumed).
    question : Question or None
        What it asks and nobody has answered, as far as the run knows.
    starts : int
        How often it was begun or gone on with.
    """

    device: str = ""
    stage: str = ""
    stage_index: int = 0
    stage_count: int = 0
    progress: Progress | None = None
    series: dict[tuple[str, str], Series] = field(default_factory=dict)
    checked: dict[str, float] = field(default_factory=dict)
    warnings: list[Warned] = field(default_factory=list)
    preview: Preview | None = None
    first_preview_after: float | None = None
    model: ModelReady | None = None
    acknowledged: str = ""
    question: Question | None = None
    starts: int = 0
    began: float | None = None
    latest: float = 0.0
    end: Finished | Failed | Stopped | None = None

    def feed(self, events: Iterable[Event]) -> None:
        """Take in events in the order in which they were written."""
        for event in events:
            self.latest = max(self.latest, event.time)
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, Metric):
            self._take_metric(event)
        elif isinstance(event, Progress):
            self.progress, self.stage = event, event.stage
        elif isinstance(event, StageEvent):
            if event.state == "begun":
                self.stage, self.stage_index, self.stage_count = event.name, event.index, event.count
        elif isinstance(event, Preview):
            self.preview = event
            if self.first_preview_after is None and self.began is not None:
                self.first_preview_after = event.time - self.began
        elif isinstance(event, Started):
            self.device, self.end, self.acknowledged = event.device, None, ""
            self.starts += 1
            self.began = self.began if event.resumed and self.began is not None else event.time
        elif isinstance(event, ModelReady):
            self.model = event
        elif isinstance(event, Warned):
            self.warnings.append(event)
        elif isinstance(event, Acknowledged):
            self.acknowledged = event.request
        elif isinstance(event, Question):
            self.question = event
        elif isinstance(event, Answered):
            if self.question is not None and self.question.id == event.id:
                self.question = None
        elif isinstance(event, Finished | Failed | Stopped):
            self.end = event

    def _take_metric(self, event: Metric) -> None:
        at = event.seconds or (event.time - self.began if self.began is not None else float(event.step))
        for name, value in event.values.items():
            if name.startswith(CHECKS):
                self.checked[name] = value
            self.series.setdefault((event.stage, name), Series()).add(at, value)

    def curves(self, prefix: str | tuple[str, ...], *, beginning: bool = True) -> dict[str, Series]:
        """Curves whose metric name begins (or does not begin) with `prefix`, by a name for the legend."""
        chosen = {key: line for key, line in self.series.items() if key[1].startswith(prefix) is beginning}
        stages = {stage for stage, _ in chosen}
        return {
            (f"{stage} {name}" if len(stages) > 1 and stage else name): line for (stage, name), line in chosen.items()
        }

    def latest_of(self, names: Iterable[str]) -> dict[str, float]:
        """Last values of the metrics among these that there are, of whatever stage."""
        found: dict[str, float] = {}
        for (_, known), line in self.series.items():
            if known in names:
                found[known] = line.values[-1]
        return found

    def whole(self, name: str) -> Series:
        """One metric over all stages, as one curve."""
        lines = [line for (_, known), line in self.series.items() if known == name]
        pairs = sorted(pair for line in lines for pair in zip(line.seconds, line.values, strict=True))
        return Series([seconds for seconds, _ in pairs], [value for _, value in pairs])

    @property
    def overall(self) -> float:
        """Share of the whole run that is done, in [0, 1]."""
        if isinstance(self.end, Finished):
            return 1.0
        return self.progress.overall if self.progress else 0.0
