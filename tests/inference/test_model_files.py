"""Models on disk: whole or not at all, and never code."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from napari_nucleidomain.contracts import ModelCard, NucleiError, load_card, save_card
from napari_nucleidomain.inference.model_archive import pack_model, unpack_model
from napari_nucleidomain.inference.model_files import (
    copy_model,
    load_weights,
    save_model,
)

CARD = ModelCard(name="liver", method="spn-ien", channels=3)
WEIGHTS = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.int64(3) * np.ones((), np.int64)}


def test_round_trip_and_copy(tmp_path: Path) -> None:
    save_model(tmp_path / "a é", WEIGHTS, CARD)
    copy_model(tmp_path / "a é", tmp_path / "b")
    found = load_weights(tmp_path / "b")
    assert all(np.array_equal(found[name], WEIGHTS[name]) for name in WEIGHTS)
    card = load_card(tmp_path / "b")
    assert card.weights, "which weights it is the card of"
    assert card == CARD.model_copy(update={"weights": card.weights})


def test_new_model_replaces_the_old_one_whole(tmp_path: Path) -> None:
    save_model(tmp_path / "m", WEIGHTS, CARD)
    save_model(tmp_path / "m", {"other": np.zeros(2, np.float32)}, CARD.model_copy(update={"steps": 7}))
    assert set(load_weights(tmp_path / "m")) == {"other"}
    assert load_card(tmp_path / "m").steps == 7
    assert [path.name for path in tmp_path.iterdir()] == ["m"], "nothing is left lying beside it"


def test_failed_save_leaves_the_old_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_model(tmp_path / "m", WEIGHTS, CARD)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_nucleidomain.inference.model_files.write_atomic", full)
    with pytest.raises(NucleiError, match="disk is full"):
        save_model(tmp_path / "m", {"new": np.zeros(1)}, CARD)
    assert set(load_weights(tmp_path / "m")) == set(WEIGHTS)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_folder_that_is_no_model_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_bytes(b"x")
    with pytest.raises(NucleiError, match="is not a model"):
        save_model(tmp_path / "photos", WEIGHTS, CARD)
    assert (tmp_path / "photos" / "me.jpg").exists()


@pytest.mark.parametrize("damage", ["cut", "pickle", "absent"])
def test_damaged_or_foreign_weights_are_refused(tmp_path: Path, damage: str) -> None:
    folder = save_model(tmp_path / "m", WEIGHTS, CARD)
    path = folder / "weights.safetensors"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    elif damage == "pickle":
        path.write_bytes(pickle.dumps({"w": np.zeros(3)}))
    else:
        path.unlink()
    with pytest.raises(NucleiError, match=r"The (weights of the )?model m "):
        load_weights(folder)


def test_single_file_round_trip(tmp_path: Path) -> None:
    save_model(tmp_path / "m", WEIGHTS, CARD)
    file = pack_model(tmp_path / "m", tmp_path / "to mail")
    assert file.name == "to mail.nucleidomain"
    unpack_model(file, tmp_path / "got")
    assert np.array_equal(load_weights(tmp_path / "got")["w"], WEIGHTS["w"])
    with pytest.raises(NucleiError, match="already"):
        unpack_model(file, tmp_path / "got")


def test_single_file_with_anything_else_inside_is_refused(tmp_path: Path) -> None:
    for name, entry in (("evil", "../../evil.py"), ("more", "setup.py")):
        with zipfile.ZipFile(tmp_path / f"{name}.nucleidomain", "w") as archive:
            archive.writestr("card.json", "{}")
            archive.writestr(entry, "print()")
        with pytest.raises(NucleiError, match="not a model"):
            unpack_model(tmp_path / f"{name}.nucleidomain", tmp_path / "got")
    (tmp_path / "cut.nucleidomain").write_bytes(b"PK\x03\x04")
    with pytest.raises(NucleiError, match="damaged"):
        unpack_model(tmp_path / "cut.nucleidomain", tmp_path / "got")
    assert not (tmp_path / "got").exists()


@pytest.mark.parametrize(
    ("content", "words"), [("{", "damaged"), ('{"schema_version": 9}', "later version"), ('{"name": 3}', "damaged")]
)
def test_bad_cards_say_what_is_wrong(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "card.json").write_text(content)
    with pytest.raises(NucleiError, match=words):
        load_card(tmp_path)


def test_weights_that_are_not_finite_never_replace_a_model(tmp_path: Path) -> None:
    save_model(tmp_path / "m", WEIGHTS, CARD)
    for bad in (np.nan, np.inf):
        with pytest.raises(NucleiError, match="in 1 of its 3 weights are not finite") as caught:
            save_model(tmp_path / "m", {**WEIGHTS, "bad": np.array([0, bad], np.float32)}, CARD)
        assert "lower learning rate" in caught.value.hint
    assert set(load_weights(tmp_path / "m")) == set(WEIGHTS)


@pytest.mark.parametrize("place", np.linspace(0, 0.999, 12))
def test_weights_with_a_flipped_byte_are_refused(tmp_path: Path, place: float) -> None:
    save_model(tmp_path / "m", WEIGHTS, CARD)
    file = tmp_path / "m" / "weights.safetensors"
    damaged = bytearray(file.read_bytes())
    damaged[int(place * len(damaged))] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(NucleiError, match=r"weights of the model m (are damaged|cannot be read)"):
        load_weights(tmp_path / "m")


def test_a_card_of_an_earlier_version_says_nothing_of_the_weights(tmp_path: Path) -> None:
    save_model(tmp_path / "m", WEIGHTS, CARD)
    save_card(CARD, tmp_path / "m")
    assert set(load_weights(tmp_path / "m")) == set(WEIGHTS)
