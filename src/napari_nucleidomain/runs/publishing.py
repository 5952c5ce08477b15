"""Where a training puts its model: never over a model that somebody else has put there meanwhile.

Two trainings may have been given one place. Whoever comes first has it; the other one's model gets a free name beside
it, and it is said. No lock is needed: of two processes only one can rename a folder to a name that is not taken, and a
model that is to be replaced is looked at once it has been taken aside.
"""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path

import numpy as np

from napari_nucleidomain.contracts import ModelCard, NucleiError
from napari_nucleidomain.contracts.card import CARD_FILE
from napari_nucleidomain.contracts.files import read_json, write_json
from napari_nucleidomain.data.dataset import file_digest
from napari_nucleidomain.inference.model_files import TakenError, save_model

PUBLISHED_FILE = "published.json"


class Publishing:
    """The place of a training's model outside its run folder.

    Parameters
    ----------
    folder : Path
        The run folder.
    place : Path
        Where the job wants it.
    """

    def __init__(self, folder: Path, place: Path) -> None:
        self._file, self._wanted = folder / PUBLISHED_FILE, place
        self._at, self._known = _read(self._file, place)
        if not self._file.exists():
            # Whoever gave the place has seen what is there now, and allowed that it be replaced.
            self._write(place, _mark(place))

    @property
    def place(self) -> Path:
        """Where the model is, or will be."""
        return self._at

    @property
    def elsewhere(self) -> bool:
        """Whether the place that the job wants was taken by another model."""
        return self._at != self._wanted

    def publish(self, weights: dict[str, np.ndarray], card: ModelCard) -> str:
        """Write the model; it replaces what this run has put there, or what was there when the run began.

        Returns
        -------
        str
            What happened if the place was taken meanwhile; else "".

        Raises
        ------
        NucleiError
            The disk is full, away or read-only.
        """
        said = ""
        for place in itertools.chain([self._at], _free(self._wanted)):
            known = self._known if place == self._at else ""
            try:
                save_model(place, weights, card, may_replace=partial(_is, known))
            except TakenError:
                said = (
                    f"{self._wanted} holds a model that was put there after this training began, and is not replaced: "
                    "this training's model is {place}."
                )
                continue
            self._write(place, _mark(place))
            return said.format(place=place)
        raise AssertionError("numbers never end")

    def _write(self, place: Path, mark: str) -> None:
        self._at, self._known = place, mark
        write_json(self._file, {"name": place.name, "mark": mark})


def published_at(folder: Path, place: Path) -> Path:
    """Where a training's model is: the place its job wants, unless another model had taken that.

    Parameters
    ----------
    folder : Path
        The run folder.
    place : Path
        Of the job.
    """
    return _read(folder / PUBLISHED_FILE, place)[0]


def _read(file: Path, wanted: Path) -> tuple[Path, str]:
    """Where this run's model goes, and what may be replaced there."""
    try:
        content = read_json(file)
        name = str(content["name"])
        # Only a name: the run folder may be somebody else's.
        if name != Path(name).name or name in ("", ".", ".."):
            raise ValueError(name)
        return wanted.with_name(name), str(content["mark"])
    except (NucleiError, KeyError, TypeError, ValueError):
        return wanted, _mark(wanted)


def _is(mark: str, place: Path) -> bool:
    return _mark(place) == mark


def _free(wanted: Path) -> itertools.chain[Path]:
    numbered = (wanted.with_name(f"{wanted.name}-{number}") for number in itertools.count(2))
    return itertools.chain(place for place in numbered if not place.exists())


def _mark(place: Path) -> str:
    """What tells the model in a folder from any other; "" where there is none."""
    card = place / CARD_FILE
    try:
        return file_digest(card) if card.exists() else ""
    except NucleiError:
        return "unreadable"
