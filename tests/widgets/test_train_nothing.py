"""Training without annotation in the Train dock: what is asked of the images, and what the training asks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_nucleidomain.contracts import MethodConfig, ModelCard, NucleiError, save_card, setting
from napari_nucleidomain.contracts.events import Answered, Finished, Metric, Question, Stopped
from napari_nucleidomain.contracts.files import read_json, write_json
from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.understanding import Understanding
from napari_nucleidomain.runs import launch
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.synthetic import ABOUT
from napari_nucleidomain.widgets import train_choices, train_dock
from napari_nucleidomain.widgets.predict_models import ModelPicker
from napari_nucleidomain.widgets.session import get_session
from napari_nucleidomain.widgets.train_question import PICTURES, read_pictures

from .buttons import offered, press
from .canvas import settle
from .trainer import TOY, Trainer


class SizedConfig(MethodConfig):
    """Settings of a method that wants to know how large nuclei are."""

    diameter_px: float | None = setting(None, "Diameter.", unit="px", ge=4, le=400)
    rate: float = setting(1e-3, "Learning rate.", gt=0, le=1)


PAINTER = replace(TOY, name="painter", needs="nothing", config=SizedConfig, presets={"quick": TOY.presets["paper"]})
ASKED = Question(id="first_look", text="Does it paint nuclei <here>?", hint="Look at the sizes.")


@pytest.fixture
def started(monkeypatch):
    runs = []
    monkeypatch.setattr(launch, "start", lambda run: runs.append(run))
    return runs


@pytest.fixture
def dock(session, monkeypatch, started, qtbot):
    monkeypatch.setattr(train_choices, "methods", lambda: {"toy": TOY, "painter": PAINTER})
    opened = []
    monkeypatch.setattr(train_dock, "open_dock", lambda session, which: opened.append(which))
    made = train_dock.TrainDock(session.viewer)
    made.opened = opened
    session.viewer.window.add_dock_widget(made, name="Train")
    qtbot.waitUntil(lambda: not made._background.busy and not made.past._background.busy)
    return made


def ready(dock):
    dock._refresh_soon.stop()
    dock.refresh()
    return dock


def understood(session, entry, pixels, **said):
    """Give an entry other pixels."""
    entry.image = open_image(pixels, Understanding(**said))
    entry.path = None
    entry.understanding = Understanding(**said).to_json()
    session.entry_changed.emit(entry, "understanding")


# ---- what do you have?


def test_fluorescence_without_anything_is_trained_with_the_size_said(dock, bare_entry, session, started, qtbot):
    assert ready(dock).choices.spec.name == "painter"
    assert dock.choices.have.currentText() == "Nothing: fluorescence images only"
    assert "1 fluorescence image; no clicks or outlines are needed." in dock.checklist.text()
    assert dock.train.isEnabled() and dock.sizes.isVisible()
    dock.sizes.px.setValue(2)
    assert "diameter_px = 2.0" in ready(dock).train.toolTip()
    dock.sizes.px.setValue(300)
    assert "do not fit into cells 1" in ready(dock).train.toolTip()
    dock.sizes.px.setValue(19)
    qtbot.waitUntil(lambda: "size" in bare_entry.layers)
    dock.choices.advanced.open()
    assert "diameter_px" not in dock.choices._form.rows, "one place for one number"
    dock.choices._form.set_changes({"rate": 0.25})
    ready(dock).train.click()
    assert started[0].job.config == {"rate": 0.25, "diameter_px": 19.0}
    assert len(open_dataset(started[0].job.data)) == 1
    assert "size" not in bare_entry.layers, "the circles go when it starts"
    assert not ready(dock).sizes.isVisible()


def test_size_and_time_limit_stay_with_the_project(dock, bare_entry, session, tmp_path, make_napari_viewer):
    dock.sizes.px.setValue(21)
    dock.choices.limit_to(45)
    home = session.project_folder
    session.open_project(tmp_path / "another")
    assert dock.sizes.diameter_px is None and not dock.choices.limit.isChecked()
    assert session.training == {}, "nothing was said of this one"
    session.flush()
    session.open_project(home)
    assert dock.sizes.diameter_px == 21.0 and dock.choices.planned().minutes == 45.0
    assert not dock.sizes.circles.on, "it was accepted before"
    dock.choices.limit.setChecked(False)
    session.close()
    again = get_session(make_napari_viewer(), home)
    other = train_dock.TrainDock(again.viewer)
    assert other.sizes.diameter_px == 21.0 and not other.choices.limit.isChecked()
    assert [one.name for one in again.images] == [bare_entry.name]
    again.close()


@pytest.mark.parametrize("stored", ["?", {"diameter_px": "many", "minutes": -3}, {"diameter_px": None}])
def test_what_was_damaged_of_them_is_not_set(session, bare_entry, stored, dock):
    session.flush()
    file = session.project.data / "images.json"
    write_json(file, {**read_json(file), "training": stored})
    session.open_project(session.project_folder)
    assert dock.sizes.diameter_px is None and not dock.choices.limit.isChecked()
    assert len(session.images) == 1


def test_a_training_without_annotation_is_given_the_images(session, bare_entry, image_file, nuclei):
    (example,) = open_dataset(session.training_data("nothing")).examples(split="train")
    assert Path(example.image) == image_file and not example.has("points")
    session.set_points(bare_entry, nuclei[1])
    (example,) = open_dataset(session.training_data("nothing")).examples(split="train")
    assert not example.has("points"), "clicks are not read"
    session.touch(bare_entry, "use", use="predict")
    with pytest.raises(NucleiError, match="no images"):
        open_dataset(session.training_data("nothing"))


def test_of_a_film_several_moments_are_learned_from(session, bare_entry, nuclei, tmp_path):
    film = tmp_path / "film.tif"
    tifffile.imwrite(film, np.stack([nuclei[0]] * 20))
    understood(session, bare_entry, film, third_axis="time")
    bare_entry.path = film
    session.touch(bare_entry, "understanding")
    examples = open_dataset(session.training_data("nothing")).examples(split="train")
    assert [one.understanding.plane for one in examples] == [0, 3, 5, 8, 11, 14, 16, 19]
    assert all(one.open().ndim == 2 for one in examples)


def test_images_that_a_model_has_made_are_left_out(dock, bare_entry, session, image_file, tmp_path):
    made = tmp_path / "made" / "train" / "images" / "synthetic-00001.tif"
    made.parent.mkdir(parents=True)
    made.write_bytes(image_file.read_bytes())
    write_json(tmp_path / "made" / ABOUT, {})
    entry = session.add_entry("synthetic-00001")
    entry.image, entry.path = open_image(made), made
    session.touch(entry, "understanding")
    (example,) = open_dataset(session.training_data("nothing")).examples(split="train")
    assert Path(example.image) == image_file
    told = ready(dock).checklist.text()
    assert "1 fluorescence image; no clicks" in told and "1 synthetic image left out" in told
    session.touch(bare_entry, "use", use="predict")
    dock.choices.have.setCurrentIndex(dock.choices.have.findData("painter"))
    assert "Only synthetic images" in ready(dock).train.toolTip()


def test_clicks_change_what_is_suggested(dock, bare_entry, session, nuclei):
    assert ready(dock).choices.spec.name == "painter"
    session.set_points(bare_entry, nuclei[1])
    assert ready(dock).choices.spec.name == "toy"
    assert not dock.sizes.isVisible() and dock.ask.instead.text() == ""


def test_stained_tissue_leads_to_clicks_with_one_button(dock, bare_entry, session):
    pink = np.random.default_rng(0).integers(150, 255, (90, 90, 3), dtype=np.uint8)
    understood(session, bare_entry, pink, kind="h&e")
    assert ready(dock).choices.spec.name == "toy", "clicks are what is likely"
    dock.choices.have.setCurrentIndex(dock.choices.have.findData("painter"))
    assert "colour picture of stained tissue" in ready(dock).train.toolTip()
    press(dock.ask.instead, "Click nuclei instead")
    assert dock.choices.spec.name == "toy" and dock.opened == ["points"]
    assert ready(dock).ask.instead.text() == ""


def test_the_channel_of_the_nuclei_is_asked(dock, bare_entry, session, nuclei, qtbot):
    noise = np.random.default_rng(0).integers(0, 60, nuclei[0].shape, dtype=np.uint8)
    understood(session, bare_entry, np.stack([noise, nuclei[0]], axis=-1), axes="YXC", kind="fluorescence")
    ready(dock)
    assert "which channel shows the nuclei?" in dock.train.toolTip()
    names = bare_entry.image.channel_names
    assert offered(dock.ask.channel) == list(names)
    press(dock.ask.channel, names[1])
    qtbot.waitUntil(lambda: bare_entry.image.nuclei_channel == 1)
    assert ready(dock).train.isEnabled() and dock.ask.channel.text() == ""


def test_the_size_of_voxels_is_asked(dock, bare_entry, session, qtbot):
    understood(session, bare_entry, np.zeros((8, 40, 40), np.uint8), axes="ZYX", kind="fluorescence")
    assert "distance between planes" in ready(dock).train.toolTip()
    assert dock.ask.voxels.isVisible() and not dock.ask.take.isEnabled()
    dock.ask.between.setValue(2.0)
    dock.ask.pixel.setValue(0.5)
    dock.ask.take.click()
    qtbot.waitUntil(lambda: bare_entry.image.pixel_size_um == (2.0, 0.5, 0.5))
    assert ready(dock).train.isEnabled() and not dock.ask.voxels.isVisible()


def test_the_plane_on_screen_stays_when_voxels_get_their_size(session):
    from napari_nucleidomain.widgets.images_correct import rescale

    entry = session.add_entry("deep")
    layer = entry.layers["image"] = session.viewer.add_image(np.zeros((9, 40, 40), np.uint8))
    session.viewer.dims.point = (6, 0, 0)
    rescale(session, entry, open_image(np.zeros((9, 40, 40)), Understanding(axes="ZYX", pixel_size_um=(2, 0.5, 0.5))))
    assert layer.world_to_data(session.viewer.dims.point)[0] == 6


# ---- the question of a training


@pytest.fixture
def trainer(dock, session, bare_entry):
    config = {"diameter_px": 21.0}
    run = session.project.new_run(
        TrainJob(method="painter", preset="quick", data="d", name="first", minutes=7.0, config=config)
    )
    session.run = run
    return Trainer(run)


def pictures():
    """As the training publishes them: of a flat image and of a volume."""
    rng = np.random.default_rng(0)
    flat = {name: rng.uniform(-1, 1, (64, 96)).astype(np.float32) for name in PICTURES}
    return {**flat, "synthetic_image": np.zeros((9, 64, 64), np.float32)}


def poll(dock):
    dock.follower.poll()
    return dock.asks


def test_question_is_shown_with_pictures_and_answered(dock, trainer, session, bare_entry, qtbot):
    assert not poll(dock).isVisible()
    trainer.preview(bare_entry.path, np.ones((64, 96), np.uint32), **pictures())
    trainer.say(ASKED)
    asks = poll(dock)
    assert asks.isVisible() and "&lt;here&gt;" in asks.text.text() and "waits for no answer" in asks.hint.text()
    assert session.training_line == "a question in Train"
    assert dock.header.training.text() == "● a question in Train"
    qtbot.waitUntil(asks._grid.isVisible)
    assert all(not label.pixmap().isNull() for label in asks.pictures.values())
    qtbot.waitUntil(lambda: "preview" in bare_entry.layers)
    small = asks.pictures["painted"].pixmap().width()
    QTest.mouseClick(asks.pictures["painted"], Qt.MouseButton.LeftButton)
    assert asks.pictures["painted"].pixmap().width() == 2 * small and not asks.pictures["picture"].isVisible()
    QTest.mouseClick(asks.pictures["painted"], Qt.MouseButton.LeftButton)
    assert asks.pictures["painted"].pixmap().width() == small and asks.pictures["picture"].isVisible()
    asks.go_on.click()
    assert not asks.isVisible()
    assert trainer.run.open_question() is None and trainer.run.read_control() is None
    trainer.say(Answered(id=ASKED.id, answer="go_on"), Metric(stage="a", step=3, values={"loss": 1.0}))
    assert not poll(dock).isVisible() and "question" not in session.training_line
    trainer.leave(Finished(summary={}))
    assert not poll(dock).isVisible()


def test_question_is_there_again_after_napari_was_closed(dock, trainer, session, bare_entry, qtbot):
    trainer.preview(bare_entry.path, np.ones((8, 8), np.uint32), **pictures())
    trainer.say(ASKED)
    session.run = None
    assert not dock.asks.isVisible()
    session.run = trainer.run
    qtbot.waitUntil(dock.asks.isVisible)
    qtbot.waitUntil(dock.asks._grid.isVisible)
    other = train_dock.TrainDock(session.viewer)
    session.viewer.window.add_dock_widget(other, name="Train again")
    assert other.asks.text.text() == dock.asks.text.text()
    trainer.leave(Finished(summary={}))
    assert not poll(dock).isVisible(), "nobody answered, and no harm is done"


def test_adjust_stops_it_and_opens_the_same_settings(dock, trainer, session, bare_entry):
    trainer.say(ASKED)
    poll(dock).adjust.click()
    assert trainer.run.read_control()["request"] == "stop" and not dock.asks.isVisible()
    assert not dock.sizes.isVisible(), "not while it still runs"
    trainer.leave(Stopped())
    poll(dock)
    assert dock.sizes.isVisible() and dock.sizes.diameter_px == 21.0
    assert dock.choices.spec.name == "painter" and dock.choices.planned().minutes == 7.0


@pytest.mark.parametrize("button", ["adjust", "stop"])
def test_question_of_a_stopped_training_is_asked_again_when_it_is_resumed(dock, trainer, session, button):
    trainer.say(ASKED)
    getattr(poll(dock), button).click()
    trainer.say(Metric(stage="a", step=3, values={"loss": 1.0}))
    assert not poll(dock).isVisible(), "it was asked to stop"
    trainer.leave(Stopped())
    assert not poll(dock).isVisible()
    dock.follower.follow(trainer.run, again=True)
    trainer.run.forget_request()
    again = Trainer(trainer.run)
    dock.follower._asked_state = 0.0
    asks = poll(dock)
    assert session.training_line == "a question in Train" and asks.isVisible()
    asks.go_on.click()
    assert not asks.isVisible() and trainer.run.open_question() is None
    again.leave(Finished(summary={}))


def test_adjust_begins_with_what_the_training_had_estimated(dock, trainer, session):
    path = trainer.run.path / "run.json"
    job = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**job, "config": {}}), encoding="utf-8")
    trainer.run._job = None
    trainer.say(ASKED.model_copy(update={"taken": {"diameter_px": 17.0}}))
    poll(dock).adjust.click()
    trainer.leave(Stopped())
    poll(dock)
    assert dock.sizes.diameter_px == 17.0


def test_without_labels_it_says_how_consistent_it_is(dock, trainer, session):
    seen = {"images_drawn_f1": 0.75, "images_agreement": 0.5, "images_alike": 0.1}
    trainer.say(
        Metric(stage="translate", step=1, values={"cycle": 2.0}), Metric(stage="translate", step=2, values=seen)
    )
    progress = dock.progress
    progress.loss_fold.open(True)
    poll(dock)
    assert "Drawn nuclei found again: 0.75 of 1; the same in the mirror image: 0.50 of 1." in progress.sentence.text()
    assert "consistent" in progress.sentence.text() and progress.sentence.isVisible()
    assert set(progress.quality._curves) == {"drawn nuclei found again", "the same in the mirror image"}
    assert list(progress.losses._curves) == ["there and back"]
    doubt = "Unchecked: nobody has said so."
    folder = save_card(
        ModelCard(name="first", method="painter", notes=[doubt, "Made by hand."]),
        session.project.models_folder / "first",
    ).parent
    trainer.leave(Finished(summary={"published": str(folder), "seconds": 60}))
    poll(dock)
    told = progress.message.text()
    assert told.startswith("⚠ first: trained.") and "found again: 0.75 of 1" in told and doubt in told
    assert "by hand" not in told


def test_what_nobody_looked_at_is_told_where_it_is_used(session, tmp_path, qtbot):
    picker = ModelPicker(session)
    qtbot.addWidget(picker)
    for notes in (["Unchecked: nobody has said so.", "Made by hand."], ["Made by hand."]):
        folder = save_card(ModelCard(name="m", method="otsu", notes=notes), tmp_path / str(len(notes))).parent
        picker.choose(str(folder))
        assert picker.verdict.text() == ("⚠ Unchecked: nobody has said so." if len(notes) > 1 else "")
        assert "by hand" in picker.card.text()


def test_stop_is_a_stop(dock, trainer):
    trainer.say(ASKED)
    poll(dock).stop.click()
    assert trainer.run.read_control()["request"] == "stop"
    trainer.leave(Stopped())
    poll(dock)
    assert not dock.asks.isVisible()


def test_pictures_of_a_preview(tmp_path):
    file = tmp_path / "p.npz"
    volume = np.zeros((5, 600, 700), np.float32)
    volume[2, :, 350:] = 1.0
    np.savez(file, labels=np.zeros((4, 4)), picture=volume, painted=np.full((40, 60), -1, np.float32))
    found = read_pictures(file)
    assert set(found) == {"picture", "painted"}
    assert found["picture"].shape == (300, 350), "the middle plane, every second pixel"
    assert found["picture"][0, 0] == 0 and found["picture"][0, -1] == 255
    assert found["painted"].max() == 0, "a mask of nothing is black, not stretched"


def test_of_many_presets_those_for_single_datasets_are_folded(monkeypatch, qtbot):
    names = ["quick", "balanced", "paper", "code", "paper-a", "paper-b", "paper-c"]
    many = replace(PAINTER, presets={name: replace(TOY.presets["paper"], title=name) for name in names})
    monkeypatch.setattr(train_choices, "methods", lambda: {"many": many, "toy": TOY})
    choices = train_choices.TrainChoices()
    qtbot.addWidget(choices)
    choices.show()
    choices.choose_needs("nothing")
    settle()
    seen = [button.text() for button in choices._group.buttons() if button.isVisible()]
    assert seen == names[:4]
    choices.repeat(TrainJob(method="many", preset="paper-b", data="d"))
    settle()
    assert choices.preset == "paper-b" and choices._group.checkedButton().isVisible()
    choices.choose_needs("points")
    assert not choices._special.isVisible() and choices.preset == "quick"
