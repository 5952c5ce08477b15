"""Two past trainings beside each other: what they learned from, how long, and how good they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_nucleidomain.contracts import ModelCard, NucleiError, ScoreOnData, find_method, load_card

from .inline import WhyButton
from .plots import CurvePlot
from .run_story import RunStory, Series
from .train_words import quality_sentence
from .wording import count, duration

if TYPE_CHECKING:
    from .train_past import Past

# Two models that differ by less than the chance of a handful of nuclei are called about as good.
_CLEARLY = 0.03


@dataclass(frozen=True)
class Course:
    """What is known of one training.

    Attributes
    ----------
    quality : float or None
        F1 on what was kept back, of the way of dividing nuclei that the model uses.
    classical : float or None
        The same of the classical method.
    metric : str
        Name of that score: points_f1 on clicks, object_f1 on outlines.
    data : str
        Digest of what it learned from; "" where it left no model.
    curve : Series
        F1 over the seconds of training.
    """

    name: str
    lines: list[str] = field(default_factory=list)
    quality: float | None = None
    classical: float | None = None
    metric: str = ""
    data: str = ""
    curve: Series = field(default_factory=Series)

    @property
    def on(self) -> str:
        """What it was measured on."""
        return "outlines" if self.metric.startswith(("object", "outlines")) else "clicks"


def course_of(past: Past) -> Course:
    """Read one training. Reads files; not for the event loop.

    Raises
    ------
    NucleiError
        Its model's card is damaged.
    """
    story = RunStory()
    story.feed(past.run.read_events()[0])
    card = load_card(past.model) if past.model is not None else None
    told = (_result(story, card), _learned_from(card), _how_long(past, story, card))
    curve = story.whole("outlines_f1" if "outlines_f1" in story.checked else "points_f1")
    return _measured(past.name, [words for words in told if words], card, curve)


def _measured(name: str, lines: list[str], card: ModelCard | None, curve: Series) -> Course:
    score = _f1(card.scores) if card is not None else None
    digest = str(card.trained_on.get("digest", "")) if card is not None else ""
    if card is None or score is None:
        return Course(name, lines, data=digest, curve=curve)
    floor = _f1(card.classical, score.name)
    return Course(name, lines, score.value, floor.value if floor is not None else None, score.name, digest, curve)


def _f1(scores: list[ScoreOnData], name: str = "f1") -> ScoreOnData | None:
    return next((score for score in scores if score.name.endswith(name)), None)


def _result(story: RunStory, card: ModelCard | None) -> str:
    score = _f1(card.scores) if card is not None else None
    if score is None:
        return quality_sentence(card, story.checked) or "no score"
    return f"quality {score.value:.2f} on {score.on}"


def _learned_from(card: ModelCard | None) -> str:
    if card is None:
        return "it left no model"
    known = card.trained_on
    clicks, outlines, corrected = (int(known.get(name) or 0) for name in ("clicks", "outlines", "corrected"))
    parts = [count(len(known.get("images") or []), "image")]
    if clicks or not outlines:
        parts.append(count(clicks, "click"))
    if outlines:
        # The corrected ones are among them.
        parts.append(count(outlines, "outline") + (f" ({corrected:,} of them corrected)" if corrected else ""))
    elif corrected:
        parts.append(count(corrected, "corrected outline"))
    begun = f", going on from {card.parent}" if card.parent else ""
    return f"learned from {', '.join(parts)}{begun}"


def _how_long(past: Past, story: RunStory, card: ModelCard | None) -> str:
    job = past.run.job
    try:
        preset = find_method(job.method).presets[job.preset].title  # type: ignore[union-attr]
    except (NucleiError, KeyError, AttributeError):
        # A method that is not installed any more, or settings of one's own.
        preset = ""
    seconds = card.seconds if card is not None else max(0.0, story.latest - story.began) if story.began else 0.0
    steps = f", {card.steps:,} steps" if card is not None and card.steps else ""
    return f"{preset + ': ' if preset else ''}{duration(seconds)} of training{steps}" if seconds else preset


def verdict(one: Course, other: Course) -> str:
    """Which of two did better, and whether they can be compared at all, in a sentence or two."""
    if one.quality is None or other.quality is None:
        return "One of them has no score, so they cannot be compared by it."
    if one.metric != other.metric:
        return (
            f"{one.name} was measured on {one.on} and {other.name} on {other.on}: these scores cannot be compared, "
            "because an outline must also fit. Predict the same image with both and look."
        )
    better, worse = (one, other) if one.quality >= other.quality else (other, one)
    assert better.quality is not None and worse.quality is not None
    apart = better.quality - worse.quality
    said = (
        f"{better.name} and {worse.name} are about as good as each other."
        if apart < _CLEARLY
        else f"{better.name} is better: {better.quality:.2f} against {worse.quality:.2f} (F1; 1 is perfect)."
    )
    if one.data and one.data == other.data:
        return f"{said} Both were measured on the same {one.on}."
    return f"{said} They were not measured on the same {one.on}, so a small difference may be chance."


class Comparison(QWidget):
    """Two trainings: a sentence, the curves on one plot, and what each learned from in how many minutes."""

    def __init__(self) -> None:
        super().__init__()
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        self.plot = CurvePlot("Neither was measured while it trained.", floor=0.0, ceiling=1.0)
        self.plot.setMinimumHeight(130)
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setTextFormat(Qt.TextFormat.RichText)
        self.close_button = WhyButton("Close the comparison")
        self.close_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.close_button.clicked.connect(self.hide)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.verdict, self.plot, self.words, self.close_button):
            layout.addWidget(widget)
        self.hide()

    def show_two(self, one: Course, other: Course) -> None:
        """Show two trainings; those of one name are told apart by a number."""
        names = [one.name, other.name if other.name != one.name else f"{other.name} (2)"]
        self.verdict.setText(verdict(one, other))
        told_apart = one.metric != other.metric and one.metric and other.metric
        lines = [f"{name} (on {of.on})" if told_apart else name for name, of in zip(names, (one, other), strict=True)]
        self.plot.set_curves(dict(zip(lines, (one.curve, other.curve), strict=True)))
        told = (
            f"<b>{escape(name)}</b><br>" + "<br>".join(escape(line) for line in [*course.lines, _floor(course)] if line)
            for name, course in zip(names, (one, other), strict=True)
        )
        self.words.setText("<br><br>".join(told))
        self.show()


def _floor(course: Course) -> str:
    return (
        f"the classical method on the same {course.on}: {course.classical:.2f}" if course.classical is not None else ""
    )
