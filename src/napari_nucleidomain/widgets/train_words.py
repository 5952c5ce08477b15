"""A training's own words made a biologist's."""

from __future__ import annotations

from pathlib import Path

from napari_nucleidomain.contracts import ModelCard, NucleiError
from napari_nucleidomain.contracts.files import open_plain

from .wording import checked_sentence

# Stages of the methods that come with the program, in a biologist's words.
_STAGES = {
    "labels": "reading the clicks",
    "SPN": "learning where nuclei are",
    "instances": "outlining nuclei",
    "IEN": "learning to tell nuclei apart",
    "detector": "learning to find and outline nuclei",
    "sizes": "looking how large nuclei are",
    "translate": "learning to paint nuclei",
}
# Losses of a training without annotation, short enough for the legend of a narrow dock.
_LOSSES = {
    "copying": "warming up",
    "reconstruction": "the same again",
    "cycle": "there and back",
    "content": "same content",
    "adversarial": "passes for real",
    "discriminator": "told from real",
}
# What a training says of itself where there is no label to check it by, of 1.
CONSISTENCY = {
    "images_drawn_f1": "drawn nuclei found again",
    "images_agreement": "the same in the mirror image",
}
_LOG_TAIL = 6000


def stage_words(name: str) -> str:
    """What a stage does; stages of other people's methods keep their names."""
    return _STAGES.get(name, name)


def loss_words(name: str) -> str:
    """What a loss measures; those of other methods keep their names."""
    return _LOSSES.get(name, name)


def consistency_sentence(values: dict[str, float]) -> str:
    """How consistent a model is with itself; "" where that was not looked at.

    Parameters
    ----------
    values : dict
        Metric name -> latest value.
    """
    told = [f"{words}: {values[name]:.2f} of 1" for name, words in CONSISTENCY.items() if name in values]
    sentence = "; ".join(told)
    return sentence[:1].upper() + sentence[1:]


def quality_sentence(card: ModelCard | None, told: dict[str, float]) -> str:
    """How good the model is that a training left, on what was kept back; "" where nothing was.

    Parameters
    ----------
    card : ModelCard or None
        Of that model; None where it is gone.
    told : dict
        Latest scores in the run's events (`RunStory.checked`). They count only where the card is silent: the last one
        told may be of another state, or of another way of telling nuclei apart, than what was saved.
    """
    if card is None or (card.checked is None and not card.scores):
        return checked_sentence(told)
    f1 = next((score for score in card.scores if score.name.endswith("f1")), None)
    checked = card.checked
    if checked is None and f1 is not None:
        # A card from before: what was told is of the same scoring where both have the same score.
        same = any(name.endswith("_f1") and round(value, 4) == f1.value for name, value in told.items())
        checked = told if same else None
    if words := checked_sentence(checked or {}):
        _, after, steps = f1.on.partition(", after ") if f1 is not None else ("", "", "")
        return words + (f", scored after {steps}" if after else "")
    score = f1 or next(iter(card.scores), None)
    return f"{quality_words(score.name)} {score.value:.2f} on {score.on}" if score is not None else ""


def own_sentence(card: ModelCard | None, told: dict[str, float]) -> str:
    """How consistent the model that a training left is with itself; "" where that was not looked at.

    Parameters
    ----------
    card, told
        As of `quality_sentence`; `told` are the latest of `CONSISTENCY`.
    """
    return consistency_sentence(told if card is None or card.checked is None else card.checked)


def log_tail(log: Path) -> str:
    """The end of a run's log, for the report."""
    try:
        with open_plain(log) as handle:
            handle.seek(0, 2)
            handle.seek(max(0, handle.tell() - _LOG_TAIL))
            return handle.read().decode("utf-8", errors="replace")
    except (NucleiError, OSError) as error:
        return f"(no log: {error})"


def quality_words(name: str) -> str:
    """A score on what was kept back, in words."""
    return {
        "points_f1": "quality (F1)",
        "point_f1": "quality (F1)",
        "outlines_f1": "quality (F1)",
        "object_f1": "quality (F1)",
        "aji": "outlines (AJI)",
        "outlines_aji": "outlines (AJI)",
        "points_precision": "right among marked",
        "points_recall": "found among clicked",
    }.get(name, name)


def device_words(device: str) -> str:
    """What a run says it runs on, in words."""
    if "," in device:
        return (
            f"the processor in {device.count(',') + 1} parts" if "cpu" in device else f"the graphics cards ({device})"
        )
    return {"cpu": "the processor (CPU)", "mps": "Apple's graphics processor", "auto": "whatever is quickest"}.get(
        device, f"the graphics card ({device})" if device.startswith("cuda") else device
    )
