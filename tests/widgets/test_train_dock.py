"""The Train dock with a stand-in for the process that trains."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QPoint

from napari_nucleidomain.contracts import ModelCard, NucleiError, ScoreOnData, load_card, save_card, setting
from napari_nucleidomain.contracts.events import (
    Failed,
    Finished,
    Metric,
    ModelReady,
    Progress,
    StageEvent,
    Started,
    Stopped,
    Warned,
)
from napari_nucleidomain.contracts.files import write_json
from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.runs import launch
from napari_nucleidomain.runs.event_log import EventWriter
from napari_nucleidomain.runs.folder import MODEL_POINTER, RunFolder
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.store import Project
from napari_nucleidomain.widgets import layers, train_choices, train_compare, train_dock, train_portable
from napari_nucleidomain.widgets.run_story import Series
from napari_nucleidomain.widgets.train_compare import verdict
from napari_nucleidomain.widgets.train_progress import compared

from .buttons import offered, press
from .trainer import TOY, ToyConfig, Trainer, make_model


@pytest.fixture
def started(monkeypatch):
    """Runs handed to the launcher."""
    runs = []
    monkeypatch.setattr(launch, "start", lambda run: runs.append(run))
    return runs


@pytest.fixture
def dock(session, monkeypatch, started, qtbot):
    monkeypatch.setattr(train_choices, "methods", lambda: {"toy": TOY})
    opened = []
    monkeypatch.setattr(train_dock, "open_dock", lambda session, which: opened.append(which))
    made = train_dock.TrainDock(session.viewer)
    made.opened = opened
    session.viewer.window.add_dock_widget(made, name="Train")
    qtbot.waitUntil(lambda: not made._background.busy and not made.past._background.busy)
    return made


@pytest.fixture
def entry(session, bare_entry, nuclei):
    """An image in the viewer with a click in every nucleus."""
    made = bare_entry
    session.set_points(made, nuclei[1])
    return made


def ready(dock):
    dock._refresh_soon.stop()
    dock.refresh()
    return dock


def test_without_images_it_says_what_to_do(dock):
    assert not dock.train.isEnabled()
    assert dock.train.toolTip() == "No images yet."
    dock._link("images")
    assert dock.opened == ["images"]


def test_choices_become_the_job(dock, entry, started, session):
    session.set_regions(entry, [np.array([[0, 0], [0, 239], [199, 239], [199, 0]], float)])
    entry.complete = True
    ready(dock).choices.name.setText("liver")
    dock.choices._name_edited()
    dock.choices.advanced.open()
    dock.choices._form.set_changes({"rate": 0.25})
    dock.choices.limit.setChecked(True)
    dock.choices.minutes.setValue(5)
    dock.refresh()
    assert dock.train.text() == "Train, about 5 min"
    dock.train.click()
    (run,) = started
    job = run.job
    assert isinstance(job, TrainJob)
    assert (job.method, job.preset, job.name, job.minutes, job.background) == ("toy", "quick", "liver", 5.0, True)
    assert job.config == {"rate": 0.25}
    assert job.publish.endswith("liver")
    assert session.run is run
    assert not dock.train.isVisible()
    assert (session.project.data / "points" / f"{entry.id}.csv").exists()


def test_clicks_without_a_region_are_asked_about_once(dock, entry, started, session):
    session.set_points(entry, entry.points[:24] * 0.4)
    ready(dock).train.click()
    assert started == []
    assert "is every nucleus in it clicked?" in dock.question.text()
    dock._accept_areas([entry.id])
    assert len(started) == 1
    assert entry.complete
    (region,) = entry.regions
    assert region[:, 0].max() < 120
    assert (region.min(axis=0) >= -0.5).all()


def test_a_region_is_no_statement_and_is_asked_about_once(dock, entry, started, session):
    session.set_regions(entry, [np.array([[0, 0], [0, 239], [199, 239], [199, 0]], float)])
    assert not entry.complete, "drawing a region says nothing about its nuclei"
    ready(dock).train.click()
    assert started == []
    assert "Is every nucleus inside the regions of cells 1 clicked?" in dock.question.text()
    assert "taken for background" in dock.question.text()
    dock._train_anyway([entry.id])
    assert len(started) == 1
    assert not entry.complete, "the box stays the person's"
    (example,) = open_dataset(started[0].job.data)
    assert example.complete is False


def test_yes_to_the_question_ticks_the_box(dock, entry, started, session):
    session.set_regions(entry, [np.array([[0, 0], [0, 239], [199, 239], [199, 0]], float)])
    ready(dock).train.click()
    dock._accept_areas([entry.id])
    assert len(started) == 1 and entry.complete
    (example,) = open_dataset(started[0].job.data)
    assert example.complete is True
    session.set_regions(entry, [*entry.regions, entry.regions[0] / 2])
    assert not entry.complete, "a new region has not been spoken of"


def test_the_whole_image_can_be_what_was_clicked(dock, entry, started, session):
    session.set_points(entry, entry.points[:24] * 0.4)
    ready(dock).train.click()
    dock._accept_areas([entry.id], whole=True)
    assert len(started) == 1 and entry.complete
    (region,) = entry.regions
    np.testing.assert_array_equal([region.min(0), region.max(0)], [[-0.5, -0.5], [199.5, 239.5]])


def test_showing_the_area_draws_it_and_goes_to_points(dock, entry, started, session):
    session.set_points(entry, entry.points[:24] * 0.4)
    ready(dock).train.click()
    dock._draw_areas([entry.id])
    assert dock.opened == ["points"]
    assert len(entry.regions) == 1
    session.annotations.undo()
    assert entry.regions == []


@pytest.fixture
def training(dock, entry, started, session):
    ready(dock).train.click()
    return Trainer(started[0])


def poll(dock):
    dock.follower._asked_state = 0.0
    dock.follower.poll()


def test_progress_scores_and_buttons(dock, training):
    training.say(
        StageEvent(name="SPN", index=1, count=3),
        Progress(stage="SPN", step=20, total=80, fraction=0.25, overall=0.4, rate=5, eta=60),
        Metric(stage="SPN", step=20, seconds=4.0, values={"loss": 0.5}),
        Metric(stage="SPN", step=20, seconds=4.0, values={"points_f1": 0.7, "points_found": 8, "points_total": 10}),
        Warned(message="No graphics card.", hint="The processor is used."),
    )
    poll(dock)
    progress = dock.progress
    assert progress.title.text() == "<b>model</b><br>Step 2 of 3: learning where nuclei are"
    assert progress.stage_bar.value() == 250
    assert progress.bar.value() == 400
    assert progress.stage_bar.text() == "20 of 80 steps"
    assert progress.bar.text() == "40 % of the training"
    assert "384 × 384 px" in progress.see_words.text() and progress.see_words.isVisibleTo(progress)
    assert "done about" in progress.when.text()
    assert "8 of 10 found" in progress.sentence.text()
    assert list(progress.quality._curves) == ["quality (F1)"]
    assert "No graphics card." in progress.warning.text()
    assert progress.pause.isVisibleTo(progress)
    assert dock.session.training_line == "training 40 %, 1 min"


def test_pause_resume_stop_and_use_now_are_asked_of_the_run(dock, training):
    poll(dock)
    asked = []
    for button in ("pause", "stop", "use_now"):
        getattr(dock.progress, button).click()
        asked.append(training.run.read_control()["request"])
    assert asked == ["pause", "stop", "use_now"]
    dock.follower.state = "paused"
    dock.progress.show_state("paused")
    dock.progress.resume.click()
    assert training.run.read_control()["request"] == "resume"


def test_a_good_end_chooses_the_new_model(dock, training, session):
    poll(dock)
    folder = training.publish(checked={"points_found": 9, "points_total": 10})
    training.leave(
        # Of another state than what was saved: the model's own figures count.
        Metric(stage="IEN", step=1, values={"points_found": 10, "points_total": 10}),
        Finished(summary={"published": str(folder), "seconds": 61.0}),
    )
    poll(dock)
    assert "9 of 10 found" in dock.progress.message.text()
    assert session.model == str(folder)
    dock.progress.message._row.itemAt(0).widget().click()
    assert dock.opened == ["predict"]
    assert dock.train.isVisibleTo(dock) or ready(dock).train.isVisibleTo(dock)


def test_a_model_below_the_classical_method_is_told_with_the_way_out(dock, training, session):
    poll(dock)
    folder = training.publish(0.76)
    card = load_card(folder)
    save_card(card.model_copy(update={"classical": [card.scores[0].model_copy(update={"value": 0.79})]}), folder)
    training.leave(Finished(summary={"published": str(folder), "seconds": 61.0}))
    poll(dock)
    message = dock.progress.message
    assert "the classical method does better: 0.79 against 0.76" in message.text()
    buttons = {message._row.itemAt(k).widget().text(): message._row.itemAt(k).widget() for k in range(2)}
    buttons["Use the classical method"].click()
    assert session.model == "otsu"
    assert dock.opened == ["predict"]


def test_how_it_ended_is_on_top_and_the_question_is_in_sight(dock, entry, training, session, qtbot):
    assert dock.body.indexOf(dock.progress.message) < dock.body.indexOf(dock.choices)
    training.leave(Finished(summary={}))
    poll(dock)
    session.set_regions(entry, [np.array([[0, 0], [0, 239], [199, 239], [199, 0]], float)])
    dock.resize(320, 300)
    ready(dock).train.click()
    assert "not said yet" not in dock.checklist.text(), "asked once"

    def in_sight():
        for widget in (dock.question, dock.train):
            top = widget.mapTo(dock, QPoint(0, 0)).y()
            assert widget.isVisibleTo(dock) and top > 0 and top + widget.height() <= dock.height()

    qtbot.waitUntil(in_sight)
    words = [dock.question._row.itemAt(k).widget().text() for k in range(dock.question._row.count())]
    assert words[0] == "Yes, train"


def test_a_failure_says_why_keeps_the_old_model_and_has_a_report(dock, training, session):
    poll(dock)
    session.model = "old"
    training.run.log.write_text("Traceback: all of it", encoding="utf-8")
    training.leave(Failed(message="Only 7 clicks.", hint="Click more."))
    poll(dock)
    message = dock.progress.message
    texts = [message._row.itemAt(k).widget().text() for k in range(message._row.count())]
    assert message.text() == "✗ Only 7 clicks.\nClick more."
    assert texts == ["Back to Points", "Copy report"]
    assert "Traceback: all of it" in message._report
    assert session.model == "old"


def test_a_training_that_died_can_be_resumed(dock, training, started):
    training.say(Progress(stage="SPN", step=1, total=2, fraction=0.5, overall=0.62))
    poll(dock)
    training.ownership.release()  # as after a power cut: no last word
    poll(dock)
    assert "stopped at 62 %" in dock.progress.message.text()
    dock.progress.resume.click()
    assert started == [training.run, training.run]


def test_a_stopped_training_is_followed_when_its_process_takes_a_moment_to_come(dock, training, started):
    training.say(Progress(stage="SPN", step=1, total=2, fraction=0.5, overall=0.62), Stopped(summary={}))
    training.ownership.release()
    poll(dock)
    assert dock.follower.state == "stopped"
    dock.progress.resume.click() if dock.progress.resume.isVisibleTo(dock) else press(dock.progress.message, "Resume")
    assert started == [training.run, training.run]
    poll(dock)
    poll(dock)
    again = Trainer(training.run)
    again.say(Progress(stage="SPN", step=2, total=2, fraction=0.9, overall=0.9))
    poll(dock)
    assert dock.progress.bar.value() == 900
    again.ownership.release()


def test_a_running_training_is_found_again(session, monkeypatch, started, qtbot):
    monkeypatch.setattr(train_choices, "methods", lambda: {"toy": TOY})
    run = session.project.new_run(TrainJob(method="toy", preset="quick", data="d", name="liver"))
    trainer = Trainer(run)
    trainer.say(Progress(stage="SPN", step=1, total=2, fraction=0.5, overall=0.3))
    dock = train_dock.TrainDock(session.viewer)
    qtbot.addWidget(dock)
    qtbot.waitUntil(lambda: session.run is not None)
    assert session.run.path == run.path
    assert dock.progress.bar.value() == 300
    trainer.ownership.release()


def test_only_one_training_at_a_time(dock, entry, started, session):
    trainer = Trainer(session.project.new_run(TrainJob(method="toy", preset="quick", data="d", name="other")))
    trainer.take()
    ready(dock).train.click()
    assert started == []
    assert "The training other of the project" in dock.message.text()
    assert "has had the processor since" in dock.message.text()
    assert offered(dock.message) == ["Watch it", "Train beside it"]
    press(dock.message, "Train beside it")
    assert len(started) == 1
    trainer.leave()


def test_a_training_of_another_project_is_in_the_way_too(dock, entry, started, session, tmp_path):
    other = Project.open(tmp_path / "other")
    trainer = Trainer(other.new_run(TrainJob(method="toy", preset="quick", data="d", name="lung")))
    trainer.take()
    ready(dock).train.click()
    assert started == []
    assert f"The training lung of the project {other.path}" in dock.message.text()
    assert offered(dock.message) == ["Train beside it"]
    trainer.run.request("pause")
    ready(dock).train.click()
    assert len(started) == 1, "one that is paused computes nothing"
    trainer.leave()


def test_a_fault_on_starting_is_shown_inline(dock, entry, monkeypatch):
    def refuse(run):
        raise NucleiError("The disk is full.", "Free some space.")

    monkeypatch.setattr(launch, "start", refuse)
    ready(dock).train.click()
    assert dock.message.text() == "✗ The disk is full.\nFree some space."
    assert dock.session.run is None


def test_models_of_ones_own_are_offered_to_continue(dock, entry, session, started, qtbot):
    make_model(session.project.models_folder / "liver", channels=1)
    make_model(session.project.models_folder / "liver-2", channels=1)
    make_model(session.project.models_folder / "colour", channels=3)
    dock._look_round()
    qtbot.waitUntil(lambda: dock.choices.start_from.count() == 3)
    dock.choices.name.setText("liver-2")
    dock.choices._name_edited()
    # The last one is the default from the second round on; one for colour images does not fit.
    assert dock.choices.start_from.currentText() == "continue liver-2"
    ready(dock).train.click()
    assert started[0].job.parent.endswith("liver-2")
    assert started[0].job.name == "liver-3"


def test_a_model_of_other_networks_is_not_offered(dock, entry, session, monkeypatch, qtbot):
    monkeypatch.setattr(ToyConfig, "unlike", lambda self, other: "" if self.rate == other.rate else "rate = 0.001")
    make_model(session.project.models_folder / "quick one", channels=1, preset="quick")
    dock._look_round()
    qtbot.waitUntil(lambda: dock.choices.start_from.count() == 2)
    assert dock.choices.start_from.currentText() == "continue quick one"
    dock.choices._group.buttons()[1].setChecked(True)
    start = dock.choices.start_from
    assert start.currentText() == "new model"
    assert dock.choices.planned().parent is None
    assert not start.model().item(1).isEnabled()
    assert "other networks (rate = 0.001). Choose “Quick look”" in start.itemData(1, 3)
    # Asked for from the list of past trainings, it brings its own preset along.
    dock.choices.continue_from(session.project.models_folder / "quick one")
    assert dock.choices.preset == "quick"
    assert dock.choices.planned().parent == session.project.models_folder / "quick one"


def test_the_training_has_a_line_of_its_own_in_the_header(dock, session):
    session.training_line = "training 100 %, 23 h 59 min"
    session.training_told.emit(session.training_line)
    button = dock.header.training
    assert button.isVisibleTo(dock)
    dock.resize(300, 500)
    qt_settle()
    assert button.width() >= button.sizeHint().width()
    assert button.mapTo(dock, button.rect().bottomRight()).x() <= dock.width()
    session.training_told.emit("")
    assert not dock.header._status.isVisibleTo(dock)


def test_another_project_shows_nothing_of_the_one_before(dock, training, session, tmp_path, qtbot):
    poll(dock)
    training.say(Metric(stage="IEN", step=1, values={"points_f1": 0.7, "points_found": 9, "points_total": 10}))
    name, found = training.run.job.name, {"points_found": 9, "points_total": 10}
    folder = make_model(session.project.models_folder / name, channels=1, checked=found)
    training.leave(Finished(summary={"published": str(folder)}))
    poll(dock)
    progress = dock.progress
    assert "9 of 10 found" in progress.message.text() and progress.quality.isVisibleTo(progress)
    qtbot.waitUntil(lambda: dock.choices.start_from.count() == 2 and dock.past.list.topLevelItemCount() == 1)
    dock.message.say_error(NucleiError("No.", "Never."))
    dock.sizes.set_diameter(30)
    dock.sizes._failed(NucleiError("Not to be estimated.", "Type it."))
    session.tell_training("model is ready")
    session.open_project(tmp_path / "another")
    for said in (progress.message, progress.warning, dock.message, dock.sizes.told):
        assert said.text() == "" and not said.isVisibleTo(dock)
    assert session.run is None and dock.follower.story.series == {}
    assert session.training_line == "" and not dock.header.training.isVisibleTo(dock)
    assert not progress.quality.isVisibleTo(progress) and not progress.sentence.isVisibleTo(progress)
    assert dock.sizes.diameter_px is None
    assert dock.choices.start_from.count() == 1 and dock.past.list.topLevelItemCount() == 0
    qtbot.waitUntil(lambda: not dock._background.busy and not dock.past._background.busy)
    assert session.run is None and dock.choices.start_from.count() == 1
    session.open_project(training.run.path.parent.parent)
    qtbot.waitUntil(lambda: dock.choices.start_from.count() == 2 and dock.past.list.topLevelItemCount() == 1)


def test_a_new_training_says_nothing_of_the_one_before(dock, training, session):
    poll(dock)
    dock.progress.use_now.click()
    make_model(training.run.path / "models" / "1")
    write_json(training.run.path / MODEL_POINTER, {"folder": "models/1"})
    training.say(ModelReady(folder="models/1", step=4))
    poll(dock)
    dock.progress.use_now.click()
    assert offered(dock.progress.warning) == ["Predict with it"] and not dock.progress.use_now.isEnabled()
    training.leave(Stopped(model=False))
    poll(dock)
    project = session.project
    again = project.new_run(training.run.job)
    Trainer(again).say(StageEvent(name="SPN", index=0, count=1))
    session.run = again
    poll(dock)
    assert dock.follower.state == "running"
    assert dock.progress.warning.text() == "" and not dock.progress.warning.isVisibleTo(dock)
    assert dock.progress.use_now.isEnabled()


def qt_settle():
    from qtpy.QtWidgets import QApplication

    QApplication.processEvents()


def test_past_trainings_can_be_shown_repeated_and_deleted(dock, training, session, qtbot):
    poll(dock)
    training.publish(0.77)
    training.leave(Stopped(model=True))
    poll(dock)
    past = dock.past
    qtbot.waitUntil(lambda: past.list.topLevelItemCount() == 1 and past._rows[0].state == "stopped")
    item = past.list.topLevelItem(0)
    assert [item.text(1), item.text(2)] == ["■ stopped", "0.77"]
    assert not past.delete_button.isEnabled()
    item.setSelected(True)
    past.delete_button.click()
    assert training.run.path.exists()
    past.message._row.itemAt(0).widget().click()
    assert not training.run.path.exists()
    qtbot.waitUntil(lambda: past.list.topLevelItemCount() == 0)
    assert (session.project.models_folder / training.run.job.name).exists()


def test_previews_take_neither_selection_nor_tool_nor_camera(dock, training, entry, session, qtbot):
    poll(dock)
    viewer = session.viewer
    points = viewer.add_points(ndim=2)
    points.mode = "add"
    viewer.layers.selection.active = points
    viewer.scene.camera.zoom = 3.3
    center = viewer.scene.camera.center
    for number in range(1, 4):
        training.preview(entry.path, np.full((40, 50), number, np.uint32), origin=(10 * number, 20), number=number)
        poll(dock)
        qtbot.waitUntil(lambda number=number: _shown(session, entry) == number)
    preview = layers.in_viewer(session, entry, "preview")
    assert tuple(preview.translate) == (30, 20)
    assert viewer.layers.selection.active is points
    assert points.mode == "add"
    assert viewer.scene.camera.zoom == 3.3
    assert viewer.scene.camera.center == center
    assert sum("preview" in layer.name for layer in viewer.layers) == 1
    assert "a part only" in preview.name


def _shown(session, entry):
    layer = layers.in_viewer(session, entry, "preview")
    return int(layer.data.max()) if layer is not None else 0


def test_a_preview_that_was_removed_stays_away(dock, training, entry, session, qtbot):
    poll(dock)
    training.preview(entry.path, np.ones((4, 4), np.uint32))
    poll(dock)
    qtbot.waitUntil(lambda: _shown(session, entry) == 1)
    session.viewer.layers.remove(layers.in_viewer(session, entry, "preview"))
    training.preview(entry.path, np.full((4, 4), 2, np.uint32), number=2)
    poll(dock)
    qtbot.waitUntil(lambda: not dock.preview._background.busy)
    assert _shown(session, entry) == 0
    dock.progress.see.click()
    dock.progress.see.click()
    qtbot.waitUntil(lambda: _shown(session, entry) == 2)


def test_the_training_is_told_what_is_on_screen(dock, training, entry, session):
    poll(dock)
    session.viewer.scene.camera.center = (0, 100, 120)
    session.viewer.scene.camera.zoom = 20
    dock.preview.ask()
    view = training.run.read_view()
    assert view["image"] == str(entry.path)
    height, width = session.viewer.canvas.size
    (top, bottom), (left, right) = view["box"]
    assert abs((top + bottom) / 2 - 100.5) <= 1
    assert abs((left + right) / 2 - 120.5) <= 1
    assert abs((bottom - top) - height / 20) <= 2
    assert abs((right - left) - width / 20) <= 2


def test_the_dock_imports_no_torch(dock):
    import sys

    assert "pyqtgraph" not in sys.modules


def test_job_for_a_cluster_holds_all_and_asks_first_where_it_is_much(
    dock, entry, session, tmp_path, monkeypatch, qtbot
):
    session.set_regions(entry, [np.array([[0, 0], [0, 239], [199, 239], [199, 0]], float)])
    ready(dock)
    folder = tmp_path / "job"
    monkeypatch.setattr(train_dock.QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    monkeypatch.setattr(train_portable, "LARGE", 10)
    dock.choices.cluster.click()
    qtbot.waitUntil(lambda: "copied into" in dock.message.text())
    assert not folder.exists()
    monkeypatch.setattr(train_portable, "LARGE", 10**9)
    dock.choices.cluster.click()
    qtbot.waitUntil(lambda: "Written" in dock.message.text())
    (example,) = open_dataset(RunFolder(folder).job.data)
    assert example.image.is_relative_to(folder) and example.points.is_relative_to(folder)


def test_a_training_that_ended_while_the_viewer_was_closed_is_told_once(dock, training, session, qtbot):
    session.run = None
    folder = training.publish()
    training.leave(Finished(summary={"published": str(folder)}))
    dock._look_round()
    said = dock.progress.message
    # By the card, which bears a score.
    qtbot.waitUntil(lambda: f"{folder.name}: quality (F1) 0.80 on kept-back clicks" in said.text(), timeout=8000)
    assert session.training_line == f"{folder.name} is ready" and dock.header.training.isVisibleTo(dock)
    press(said, "Predict with it")
    assert session.model == str(folder) and dock.opened == ["predict"]
    dock.hide()
    dock.show()
    assert session.training_line == "", "told in full here"
    session.run = None
    dock.past.refresh(session.project)
    qtbot.waitUntil(lambda: not dock.past._background.busy)
    assert said.text() == "" and session.run is None


def test_a_double_click_that_opened_the_dock_begins_no_training(dock, entry, started):
    ready(dock).hold_off()
    dock.train.click()
    assert started == []
    dock._just_opened.stop()
    dock.train.click()
    assert len(started) == 1


def test_the_preview_changes_for_what_the_model_before_found(dock, entry, session, nuclei, qtbot):
    labels = nuclei[2].astype(np.uint32)
    parent = make_model(session.project.models_folder / "liver")
    trainer = Trainer(
        session.project.new_run(TrainJob(method="toy", preset="quick", data="d", name="liver-2", parent=str(parent)))
    )
    session.run = trainer.run
    poll(dock)
    assert not dock.progress.before.isVisibleTo(dock)
    trainer.preview(entry.path, labels, before=np.where(labels == 1, 0, labels))
    poll(dock)
    qtbot.waitUntil(lambda: "preview" in entry.layers)
    shown = entry.layers["preview"]
    assert dock.progress.before.isVisibleTo(dock)
    assert dock.progress.before.text() == "Before: what liver found there"
    assert (shown.data == 1).any()
    dock.progress.before.click()
    assert entry.layers["preview"] is shown and not (shown.data == 1).any() and (shown.data == 2).any()
    assert shown.name == "before: liver (a part only)"
    dock.progress.before.click()
    assert (shown.data == 1).any() and shown.name.startswith("preview")
    trainer.leave(Stopped())
    session.run = None
    assert not dock.progress.before.isVisibleTo(dock)


OUTLINES = replace(TOY, name="lines", title="Lines (nobody)", needs="labels")


def test_what_the_project_has_is_chosen_until_a_person_chooses(dock, entry, session, qtbot, tmp_path):
    choices = dock.choices
    choices.specs["lines"] = OUTLINES
    choices.have.addItem("Outlines", "lines")
    points = entry.points
    session.touch(entry, "labels", labels=tmp_path / "a.tif")
    session.set_points(entry, points[:0])
    assert ready(dock).choices.have.currentData() == "lines"
    session.set_points(entry, points)
    assert ready(dock).choices.have.currentData() == "toy", "clicks are quicker to learn from"
    model = make_model(session.project.models_folder / "lined", channels=1)
    save_card(load_card(model).model_copy(update={"method": "lines"}), model)
    dock.continue_from(model)
    qtbot.waitUntil(lambda: choices.start_from.currentText() == "continue lined")
    assert choices.have.currentData() == "lines", "as the model was made"
    assert ready(dock).choices.have.currentData() == "lines" and choices.planned().parent == model


def test_the_preview_comes_and_goes_with_its_image(dock, entry, session, nuclei, training, qtbot, tmp_path):
    labels, viewer = nuclei[2].astype(np.uint32), session.viewer
    session.run = training.run
    other = session.add_entry("other", image=entry.image)
    session.set_current(other)
    training.preview(entry.path, labels)
    poll(dock)
    qtbot.waitUntil(lambda: dock.preview._latest is not None)
    assert "preview" not in entry.layers, "not over another image"
    session.set_current(entry)
    qtbot.waitUntil(lambda: layers.in_viewer(session, entry, "preview") is not None)
    order = list(viewer.layers)
    assert order.index(entry.layers["preview"]) > order.index(entry.layers["image"])
    session.set_current(other)
    assert layers.in_viewer(session, entry, "preview") is None


def test_a_continued_model_is_compared_on_the_same_outlines_only(dock, session, qtbot):
    parent = make_model(session.project.models_folder / "liver", score=0.95)
    job = TrainJob(method="toy", preset="quick", data="d", name="liver-2", parent=str(parent))
    trainer = Trainer(session.project.new_run(job))
    session.run = trainer.run
    folder = make_model(session.project.models_folder / "liver-2", score=0.72)
    before = [ScoreOnData(name="points_f1", value=0.7, on="kept-back clicks")]
    save_card(load_card(folder).model_copy(update={"before": before, "parent": "liver"}), folder)
    poll(dock)
    trainer.leave(Finished(summary={"published": str(folder)}))
    poll(dock)
    assert "quality (F1) 0.72; liver has 0.70 on the same." in dock.progress.message.text()
    alone = load_card(folder).model_copy(update={"before": []})
    assert compared(alone) == "", "0.95 was measured on other clicks"


def test_scores_on_clicks_and_on_outlines_are_not_compared():
    scores = [ScoreOnData(name=name, value=0.8, on="90 outlines of 2 images") for name in ("aji", "object_f1")]
    floor = [ScoreOnData(name="points_f1", value=0.9, on="9 clicks"), scores[1].model_copy(update={"value": 0.7})]
    known = {"images": ["a", "b"], "outlines": 420, "corrected": 3, "digest": "x"}
    card = ModelCard(name="m", method="panoptic", trained_on=known, scores=scores, classical=floor)
    assert train_compare._learned_from(card) == "learned from 2 images, 420 outlines (3 of them corrected)"
    outlined = train_compare._measured("pan", [], card, Series())
    assert (outlined.quality, outlined.classical, outlined.metric) == (0.8, 0.7, "object_f1")
    clicked = train_compare.Course("spn", quality=0.91, classical=0.7, metric="points_f1", data="y")
    assert "spn was measured on clicks and pan on outlines: these scores cannot be" in verdict(clicked, outlined)
    assert train_compare._floor(outlined) == "the classical method on the same outlines: 0.70"
    assert verdict(outlined, replace(outlined, name="other", quality=0.7)).endswith("measured on the same outlines.")
    assert "not measured on the same clicks" in verdict(clicked, replace(clicked, name="b", data="z"))


def test_two_past_trainings_are_compared(dock, session, qtbot):
    data = {"images": ["a", "b"], "clicks": 184, "digest": "same"}
    for name, score, parent in (("liver", 0.7, ""), ("liver-2", 0.9, "liver")):
        job = TrainJob(
            method="toy", preset="quick", data="d", name=name, publish=str(session.project.models_folder / name)
        )
        trainer = Trainer(session.project.new_run(job))
        for at in (1, 2):
            trainer.say(Metric(stage="SPN", step=at, values={"points_f1": score * at / 2}, seconds=30.0 * at))
        make_model(session.project.models_folder / name, score, trained_on=data, seconds=120.0, parent=parent)
        trainer.leave(Finished())
    past = dock.past
    past.fold.open(True)
    past.refresh(session.project)
    qtbot.waitUntil(lambda: past.list.topLevelItemCount() == 2)
    past.list.topLevelItem(0).setSelected(True)
    assert not past.compare_button.isEnabled() and past.show_button.isEnabled()
    past.list.topLevelItem(1).setSelected(True)
    assert past.compare_button.isEnabled() and not past.show_button.isEnabled()
    past.compare_button.click()
    qtbot.waitUntil(lambda: past.comparison.isVisibleTo(dock))
    assert past.comparison.verdict.text() == (
        "liver-2 is better: 0.90 against 0.70 (F1; 1 is perfect). Both were measured on the same clicks."
    )
    words = past.comparison.words.text()
    assert "learned from 2 images, 184 clicks, going on from liver" in words and "2 min of training" in words
    curves = past.comparison.plot._curves
    assert {name: line.values for name, line in curves.items()} == {"liver": [0.35, 0.7], "liver-2": [0.45, 0.9]}
    past.comparison.close_button.click()
    assert not past.comparison.isVisibleTo(dock)


def test_all_cards_are_offered_where_the_method_can_use_them(session, monkeypatch, qtbot):
    class Batched(ToyConfig):
        batch: int = setting(2, "Crops a step.", ge=1)

    able = replace(TOY, name="able", needs="labels", config=Batched, several_devices=True)
    monkeypatch.setattr(train_choices, "methods", lambda: {"toy": TOY, "able": able})
    choices = train_choices.TrainChoices()
    qtbot.addWidget(choices)
    choices.offer_cards(("cuda:0,1,2,3", "all 4 graphics cards (NVIDIA)"))
    assert choices.device.findData("cuda:0,1,2,3") < 0
    choices.have.setCurrentIndex(choices.have.findData("able"))
    choices.device.setCurrentIndex(choices.device.findData("cuda:0,1,2,3"))
    assert choices.device.currentText() == "all 4 graphics cards (NVIDIA)"
    assert "batch of 4" in choices.problem()
    choices.have.setCurrentIndex(choices.have.findData("toy"))
    assert choices.device.findData("cuda:0,1,2,3") < 0 and not choices.problem()


def test_cards_are_counted_beside_the_event_loop_and_then_offered(session, monkeypatch, qtbot):
    """On some systems the driver's own program is asked, which takes a moment."""
    threads = []

    def counted():
        threads.append(threading.current_thread())
        return "cuda:0,1", "all 2 graphics cards (NVIDIA)"

    monkeypatch.setattr(train_choices, "methods", lambda: {"toy": replace(TOY, several_devices=True)})
    monkeypatch.setattr(train_dock, "all_cards", counted)
    made = train_dock.TrainDock(session.viewer)
    session.viewer.window.add_dock_widget(made, name="Train")
    qtbot.waitUntil(lambda: made.choices.device.findData("cuda:0,1") >= 0)
    assert threading.main_thread() not in threads


def test_one_that_failed_on_several_cards_goes_on_on_what_is_chosen(dock, session, started, monkeypatch):
    monkeypatch.setattr("napari_nucleidomain.runs.team_devices.find_method", lambda name: TOY)
    job = TrainJob(method="toy", preset="quick", data="d", name="a", device="cuda:0,1")
    run = session.project.new_run(job)
    EventWriter(run.path).write(Failed(message="The card is full.", hint=""))
    chosen = dock.choices.device.currentData()
    dock.resume(run)
    assert started[0].path == run.path
    assert RunFolder(run.path).job.device == chosen


@pytest.mark.parametrize("end", [None, Stopped(model=False)], ids=["interrupted", "stopped"])
@pytest.mark.parametrize("answer", [0, 1])
def test_one_that_ended_well_on_several_cards_asks_where_to_go_on(dock, session, started, monkeypatch, end, answer):
    monkeypatch.setattr("napari_nucleidomain.runs.team_devices.find_method", lambda name: TOY)
    run = session.project.new_run(TrainJob(method="toy", preset="quick", data="d", name="a", device="cuda:0,1"))
    events = EventWriter(run.path)
    events.write(Started(device="cuda:0,1", resumed=False))
    if end is not None:
        events.write(end)
    dock.resume(run)
    assert not started and "cuda:0,1" in dock.message.text()
    chosen = dock.choices.device.currentData()
    press(dock.message, offered(dock.message)[answer])
    assert started[0].path == run.path
    assert RunFolder(run.path).job.device == (chosen, "cuda:0,1")[answer]
