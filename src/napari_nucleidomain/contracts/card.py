"""The model card: everything known about a model but its weights."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from .errors import NucleiError
from .files import CARD, check_version, read_json, refuse_special, write_json
from .shown import Shown, shown

CARD_FILE = "card.json"
# Endings of files that Python or PyTorch pickled.
_PICKLED = (".pth", ".pt", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib")
WEIGHTS_FILE = "weights.safetensors"
CARD_SCHEMA = 1
# With fewer clicks kept back one nucleus more or less decides which method looks better.
LEAST_TO_COMPARE = 20
# What `trained_on` counts, as said.
_TAUGHT = {
    "clicks": ("click", "clicks"),
    "outlines": ("outline", "outlines"),
    "corrected": ("corrected outline", "corrected outlines"),
    "kept_back": ("kept back for checking", "kept back for checking"),
}
_NAMED = 3
# How notes begin that are doubts about a model.
DOUBTS = ("Unchecked:", "The last state looks wrong:", "Unfinished:")


# A card is read from files of others: nothing in it may be longer or larger than any program would write.
Name = Annotated[Shown, Field(max_length=1000)]
_Text = Annotated[Shown, Field(max_length=20_000)]


class ScoreOnData(BaseModel):
    """One score and the images it was measured on."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)
    name: Name = Field(description="Metric name as in `instances.scores.DEFINITIONS`, or 'points_f1' and the like.")
    value: float = Field(ge=-1e9, le=1e9)
    on: _Text = Field(description="Which images, e.g. '24 kept-back clicks of 4 images'.")
    seen_in_training: bool = False


def _diameter(value: float) -> float:
    """0 where it is not known."""
    if value and not 0.5 <= value <= 4000:
        raise ValueError("nuclei are half a pixel to 4000 pixels large")
    return value


def _learned(known: dict[str, Any]) -> dict[str, Any]:
    """Of what trainings write into `trained_on` only what is of its kind: nothing but words depends on the rest."""
    fits = {
        "images": lambda value: _is_count(value) or (isinstance(value, list) and all(map(_is_text, value))),
        "kept_back_in": lambda value: isinstance(value, list) and all(map(_is_strip, value)),
        **dict.fromkeys((*_TAUGHT, "labels", "frozen_stages", "state_after_steps"), _is_count),
    }
    return {name: value for name, value in known.items() if name not in fits or fits[name](value)}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value <= 10**12


def _is_strip(one: Any) -> bool:
    return (
        isinstance(one, list)
        and len(one) == 5
        and isinstance(one[0], str)
        and all(isinstance(edge, int) for edge in one[1:])
    )


class ModelCard(BaseModel):
    """JSON beside the weights; also what the viewer shows in one line.

    Attributes
    ----------
    pixel_size_um : float or None
        Size of a training pixel in micrometres, None when the images did not say.
    nucleus_diameter_px : float or None
        Median diameter of the nuclei in the training images, in pixels.
    normalisation : dict
        How intensities become the network's input; read by the method.
    """

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)
    schema_version: int = CARD_SCHEMA
    name: Name
    method: Name
    version: Name = Field("", description="Version of this program that trained it.")
    created: Name = Field("", description="ISO date and time, UTC.")
    ndim: Literal[2, 3] = 2
    channels: int = Field(3, ge=0, le=256, description="Channels the model expects.")
    channel_names: list[Name] = Field(default_factory=list, max_length=1000)
    kind: Name = Field("", description="'h&e', 'fluorescence' or 'other'.")
    kinds: list[Name] = Field(
        default_factory=list, max_length=16, description="All kinds among the training images; empty: only that."
    )
    nuclei: Literal["dark", "bright", ""] = Field("", description="How nuclei stand out there; empty: not known.")
    pixel_size_um: float | None = Field(None, ge=0.0005, le=1000)
    nucleus_diameter_px: Annotated[float, AfterValidator(_diameter)] | None = None
    normalisation: dict[str, Any] = Field(default_factory=dict)
    config: dict[str, Any] = Field(default_factory=dict)
    preset: Name = ""
    trained_on: Annotated[dict[str, Any], AfterValidator(_learned)] = Field(
        default_factory=dict, description="Digest, images, clicks, pixels, groups."
    )
    seconds: float = Field(0.0, ge=0, le=1e10)
    steps: int = Field(0, ge=0, le=10**12)
    seed: int = Field(0, ge=-(2**63), lt=2**64)
    parent: Name = Field("", description="Name of the model training continued from.")
    scores: list[ScoreOnData] = Field(default_factory=list, max_length=1000)
    checked: dict[Name, float] | None = Field(
        None,
        max_length=100,
        description="What the run told of the state that was saved, by the names of its events: counts of those found, "
        "or how consistent it is with itself. Empty where that state was not looked at, null where the card is silent.",
    )
    classical: list[ScoreOnData] = Field(
        default_factory=list,
        max_length=1000,
        description="What the classical method (`otsu`) scores on the same clicks.",
    )
    before: list[ScoreOnData] = Field(
        default_factory=list,
        max_length=1000,
        description="What the model it was continued from (`parent`) scores on the same.",
    )
    notes: list[_Text] = Field(default_factory=list, max_length=1000)
    licence: _Text = ""
    weights: Name = Field("", description="Hash of the weights' file; empty on cards of earlier versions.")

    def line(self) -> str:
        """One line for a list: kind, scale and the first score."""
        parts = [self.method, self.kind or f"{self.channels} channels"]
        if self.pixel_size_um:
            parts.append(f"{self.pixel_size_um:.3g} µm/px")
        elif self.nucleus_diameter_px:
            parts.append(f"nuclei of {self.nucleus_diameter_px:.0f} px")
        if self.scores:
            parts.append(f"{self.scores[0].name} {self.scores[0].value:.2f} on {self.scores[0].on}")
        return " · ".join(parts)

    def learned_from(self, *, names: bool = True) -> str:
        """What it learned from, in words: "2 images (a, b), 40 clicks"; "" where the card does not say.

        Parameters
        ----------
        names : bool
            Name the first few images.
        """
        known = self.trained_on
        parts = _images(known.get("images"), names)
        for key, (one, many) in _TAUGHT.items():
            number = known.get(key)
            if isinstance(number, int) and number > 0:
                # Of a method that learns from outlines the corrected ones are among them.
                among = key == "corrected" and "outlines" in known
                parts.append(f"{number:,} {'of them corrected' if among else one if number == 1 else many}")
        if known.get("labels") == 0:
            parts.append("no annotation")
        text = ", ".join(parts)
        if known.get("sizes"):
            text += f"; it looks for {shown(str(known['sizes']))}"
        state = known.get("state_after_steps")
        return f"{text}; the state after {state:,} steps was chosen" if isinstance(state, int) else text

    def verdict(self) -> str:
        """One sentence where the classical method does no worse on enough nuclei that were kept back; else ""."""
        number, _, told = self._against_classical()
        return told if number is None or number >= LEAST_TO_COMPARE else ""

    @property
    def scales_itself(self) -> bool:
        """Whether the method scales every flat image by the size of its own nuclei, where nobody has scaled it."""
        return self.ndim == 2 and bool(self.config.get("own_scale"))

    def doubts(self) -> list[str]:
        """Notes that whoever uses the model should see first: nobody has looked, or the training seems wrong."""
        return [note for note in self.notes if note.startswith(DOUBTS)]

    def caution(self) -> str:
        """The same where too few were kept back to tell the two apart: no reason to change the method."""
        number, what, told = self._against_classical()
        if number is None or number >= LEAST_TO_COMPARE or not told:
            return ""
        few = f"{number} {what if number != 1 else what[:-1]}"
        return f"{few} kept back: too few to tell this model from the classical method. Look at both in Review."

    def _against_classical(self) -> tuple[int | None, str, str]:
        """How many were kept back (None: the card does not say), clicks or outlines, and the sentence of `verdict`."""
        known = {score.name: score.value for score in self.classical}
        for score in self.scores:
            if score.name in known and (score.name.endswith("_f1") or score.name == "f1"):
                ours, floor = f"{score.value:.2f}", f"{known[score.name]:.2f}"
                number = re.match(r"\d+", score.on)
                kept = int(number.group()) if number else None
                what = "outlines" if "outlines" in score.on else "clicks"
                where = "your images for checking" if "for checking" in score.on else f"your kept-back {what}"
                on, scale = f"On {where} the classical method", "(F1 of the nuclei found; 1 is perfect)"
                if float(floor) > float(ours):
                    return kept, what, f"{on} does better: {floor} against {ours} {scale}."
                return kept, what, f"{on} does as well: {floor} {scale}." if floor == ours else ""
        return None, "", ""


def _images(stored: Any, names: bool) -> list[str]:
    """The images in words: their names are listed, or only their number is known."""
    number = len(stored) if isinstance(stored, list) else stored if isinstance(stored, int) else 0
    if number < 1:
        return []
    words = f"{number:,} image{'s' * (number != 1)}"
    if not names or not isinstance(stored, list):
        return [words]
    more = f" and {number - _NAMED:,} more" if number > _NAMED else ""
    return [f"{words} ({', '.join(shown(str(name)) for name in stored[:_NAMED])}{more})"]


def save_card(card: ModelCard, folder: Path | str) -> Path:
    """Write `card.json` into a model's folder."""
    return write_json(Path(folder) / CARD_FILE, card.model_dump(mode="json"))


def load_card(folder: Path | str) -> ModelCard:
    """Read `card.json` from a model's folder.

    Raises
    ------
    NucleiError
        No card, a damaged one, or one of a later version of this program.
    """
    path = Path(folder) / CARD_FILE
    refuse_special(folder)
    if zipfile.is_zipfile(folder):
        raise NucleiError(
            f"{folder} is a model packed into one file.",
            "Bring it in with Import in the Predict dock, or unpack it (it is a zip) and give the folder.",
        )
    if not Path(folder).exists():
        raise NucleiError(f"There is no model {folder}.", "Check the path; `nucleidomain models` lists a project's.")
    if not path.exists():
        hint = "Choose the folder that training wrote."
        if Path(folder).suffix.lower() in _PICKLED:
            hint = f"Such a file may hold code that would run on opening it, so that it is never opened. {hint}"
        raise NucleiError(f"{folder} is not a model: it has no {CARD_FILE}.", hint)
    try:
        content = read_json(path, CARD)
    except NucleiError as error:
        raise NucleiError(
            f"The card of the model {path.parent.name} is damaged: {error.message}", error.hint
        ) from error
    check_version(content, CARD_SCHEMA, f"The model {path.parent.name}", "Ask for the model again.")
    try:
        return ModelCard.model_validate(content)
    except ValidationError as error:
        raise damaged_card(path.parent.name, error) from error


def damaged_card(name: str, error: ValidationError) -> NucleiError:
    """What to say of a card in which something cannot be.

    Parameters
    ----------
    name : str
        Of the model.
    error : ValidationError
        What was found; the first of it is named.
    """
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        what = f"{place} is missing"
    elif first["type"] == "extra_forbidden":
        return NucleiError(
            f"The card of the model {name} has a setting that this version does not know: {place}.",
            "Update the program; where it is the newest, ask for the model again.",
        )
    else:
        what = f"{place} = {_short(first.get('input'))}, which cannot be" if place else first["msg"]
    return NucleiError(f"The card of the model {name} is damaged: {what}.", "Ask for the model again.")


def _short(value: Any) -> str:
    # Of what others wrote only as much as tells what it is.
    kind = "{…}" if isinstance(value, dict) else "[…]" if isinstance(value, list) else ""
    text = kind or str(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
