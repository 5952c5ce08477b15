"""Two trainings with one place for their model: neither replaces the other's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_nucleidomain.contracts import ModelCard, load_card
from napari_nucleidomain.inference import model_files
from napari_nucleidomain.inference.model_files import load_weights, save_model
from napari_nucleidomain.runs.publishing import Publishing, published_at


def card(name: str) -> ModelCard:
    return ModelCard(name=name, method="toy")


def weights(value: float) -> dict[str, np.ndarray]:
    return {"w": np.array([value], np.float32)}


@pytest.fixture
def two(tmp_path: Path) -> tuple[Publishing, Publishing]:
    """Begun at one moment, with one place."""
    runs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        runs.append(Publishing(tmp_path / name, tmp_path / "m"))
    return runs[0], runs[1]


def test_the_second_takes_a_free_name_and_says_so(tmp_path, two):
    first, second = two
    assert first.publish(weights(1), card("first")) == ""
    said = second.publish(weights(2), card("second"))
    assert str(tmp_path / "m-2") in said and "is not replaced" in said
    assert second.elsewhere and not first.elsewhere
    assert load_card(tmp_path / "m").name == "first"
    assert load_weights(tmp_path / "m-2")["w"] == 2
    # And so on with each model that they make, in later processes too.
    assert Publishing(tmp_path / "two", tmp_path / "m").publish(weights(3), card("later")) == ""
    assert Publishing(tmp_path / "one", tmp_path / "m").publish(weights(4), card("better")) == ""
    assert load_weights(tmp_path / "m-2")["w"] == 3
    assert load_weights(tmp_path / "m")["w"] == 4
    assert published_at(tmp_path / "two", tmp_path / "m") == tmp_path / "m-2"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["m", "m-2", "one", "two"]


def test_what_was_there_when_it_began_may_be_replaced(tmp_path):
    save_model(tmp_path / "m", weights(0), card("old"))
    (tmp_path / "run").mkdir()
    assert Publishing(tmp_path / "run", tmp_path / "m").publish(weights(1), card("new")) == ""
    assert load_card(tmp_path / "m").name == "new"


@pytest.mark.parametrize("moment", [1, 2])
def test_they_meet_at_the_very_moment(tmp_path, two, monkeypatch, moment):
    """The other one publishes between a look at the place and the renaming, of an empty place or a full one."""
    first, second = two
    if moment == 2:
        save_model(tmp_path / "m", weights(0), card("old"))
        first, second = (Publishing(tmp_path / name, tmp_path / "m") for name in ("three", "four")
                         if not (tmp_path / name).mkdir())  # fmt: skip
    real = model_files.replace_with_retry
    calls = []

    def replace(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 1:
            first.publish(weights(1), card("first"))
        real(source, target)

    monkeypatch.setattr(model_files, "replace_with_retry", replace)
    said = second.publish(weights(2), card("second"))
    assert said
    assert {load_card(tmp_path / name).name for name in ("m", "m-2")} == {"first", "second"}
    assert not list(tmp_path.glob(".*"))


def test_a_name_in_the_run_folder_is_a_name_only(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "published.json").write_text('{"name": "../elsewhere", "mark": ""}')
    assert published_at(tmp_path / "run", tmp_path / "m") == tmp_path / "m"
