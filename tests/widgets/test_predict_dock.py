"""The Predict dock with a stand-in for the warm worker."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_nucleidomain.contracts import ScoreOnData
from napari_nucleidomain.contracts.events import Failed, Finished, Progress, StageEvent, Started, Stopped, Warned
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.runs.job import ImageRef, PredictJob, TrainJob
from napari_nucleidomain.runs.store import Project
from napari_nucleidomain.widgets import layers, predict_dock, predict_models, predict_run
from napari_nucleidomain.widgets.result_layers import Filter, edge_ids, keep
from napari_nucleidomain.widgets.results import find_results

from .buttons import offered, press
from .trainer import TOY, Predictor, Trainer, Worker, make_model


@pytest.fixture
def worker(monkeypatch):
    made = Worker()
    monkeypatch.setattr(predict_run, "worker_of", lambda project: made)
    monkeypatch.setattr(predict_dock, "worker_of", lambda project: made)
    return made


@pytest.fixture
def dock(session, worker, monkeypatch, qtbot):
    monkeypatch.setattr(predict_models, "methods", lambda: {"toy": TOY})
    opened = []
    monkeypatch.setattr(predict_dock, "open_dock", lambda session, which: opened.append(which))
    made = predict_dock.PredictDock(session.viewer)
    made.opened = opened
    session.viewer.window.add_dock_widget(made, name="Predict")
    qtbot.waitUntil(lambda: not made.models._background.busy)
    return made


@pytest.fixture
def entry(session, bare_entry, nuclei):
    made = bare_entry
    session.viewer.fit_to_view()
    return made


def poll(dock):
    dock.prediction.follower._asked_state = 0.0
    dock.prediction.follower.poll()


def begin(dock, worker):
    dock.find.click()
    predictor = Predictor(worker.runs[-1])
    poll(dock)
    return predictor


def shown(dock):
    return dock.after.result


def finish(dock, predictor, qtbot, **summary):
    predictor.leave(Finished(summary={"images": [], "problems": [], **summary}))
    poll(dock)
    qtbot.waitUntil(lambda: not dock.prediction.busy)


def test_the_classical_method_is_always_there(dock, entry):
    assert dock.models.model == "otsu"
    assert dock.find.isEnabled()
    assert not dock.models.share.isEnabled()


def test_without_an_image_the_button_says_why(dock):
    assert not dock.find.isEnabled()
    assert "Images" in dock.find.toolTip()


def test_the_process_is_started_ahead(dock, worker, qtbot):
    qtbot.waitUntil(lambda: bool(worker.warmed))
    assert worker.warmed[0][0] == "otsu"


def test_what_i_see_becomes_a_box(dock, entry, worker, session):
    session.viewer.scene.camera.center = (0, 100, 120)
    session.viewer.scene.camera.zoom = 12
    dock.find.click()
    job = worker.runs[0].job
    (top, bottom), (left, right) = job.box
    assert 0 < top < bottom < 200
    assert 0 < left < right < 240
    assert job.images[0].path == str(entry.path)


def test_whole_image_and_region(dock, entry, worker, session):
    dock.where.buttons["image"].setChecked(True)
    dock.find.click()
    assert worker.runs[0].job.box is None
    dock.prediction._leave()
    dock._over()
    dock.where.buttons["region"].setChecked(True)
    assert "No region" in dock.find.toolTip()
    session.set_regions(entry, [np.array([[10, 20], [10, 99.0], [59, 99], [59, 20]])])
    dock.find.click()
    job = worker.runs[1].job
    assert job.box == [[10, 59], [20, 99]]
    from napari_nucleidomain.data.regions import read_regions

    assert len(read_regions(job.region)) == 1


def test_tiles_grow_and_the_result_takes_their_place(dock, entry, worker, session, nuclei, qtbot):
    dock.where.buttons["image"].setChecked(True)
    points = session.viewer.add_points(ndim=2)
    points.mode = "add"
    predictor = begin(dock, worker)
    predictor.say(
        StageEvent(name=entry.id, index=0, count=1), Progress(stage=entry.id, step=1, total=4, overall=0.25, eta=9.0)
    )
    predictor.tile(nuclei[2][:100, :120], (0, 0))
    poll(dock)
    role = f"nuclei:{predictor.run.name}:{entry.id}"
    qtbot.waitUntil(lambda: layers.in_viewer(session, entry, role) is not None)
    growing = layers.in_viewer(session, entry, role)
    assert growing.name == "cells 1 · nuclei · otsu"
    assert growing.data[:100, :120].max() > 0
    assert growing.data[100:].max() == 0
    assert dock.bar.value() == 250
    assert "1 of 4 tiles" in dock.words.text()
    predictor.result(nuclei[2])
    finish(dock, predictor, qtbot)
    final = layers.in_viewer(session, entry, role)
    assert final is growing
    np.testing.assert_array_equal(final.data, nuclei[2])
    number = int(nuclei[2].max())
    assert dock.after.summary.text().startswith(f"<b>{number} nuclei")
    assert dock.after.summary.text().endswith("· otsu"), "whose result it is, whatever model is chosen next"
    assert session.viewer.layers.selection.active is points
    assert points.mode == "add"
    dock.after.review.click()
    assert dock.opened == ["review"]


@pytest.fixture
def result(dock, entry, worker, nuclei, qtbot):
    dock.where.buttons["image"].setChecked(True)
    predictor = begin(dock, worker)
    predictor.result(nuclei[2])
    finish(dock, predictor, qtbot)
    return shown(dock)


def test_fewer_and_more_without_running_again(dock, result, worker, qtbot):
    scores = result.loaded.scores
    dock.after.least.setValue(0.5)
    qtbot.waitUntil(lambda: result.filter.least_score == 0.5)
    ids = np.unique(result.layer.data)
    assert set(ids[ids > 0]) == set(np.flatnonzero(scores >= 0.5) + 1)
    assert len(worker.runs) == 1
    assert "hidden by the limits" in dock.after.summary.text()
    dock.after.least.setValue(0.0)
    qtbot.waitUntil(lambda: result.filter.least_score == 0.0)
    assert result.layer.data.max() == len(scores)


def test_filters_never_undo_what_a_person_painted(dock, result):
    result.layer.events.paint(value=[])
    assert result.edited
    assert not dock.after.filters.isEnabled()
    assert "by hand" in dock.after.filters.toolTip()


def test_a_second_prediction_does_not_overwrite_one_changed_by_hand(dock, result, worker, session, nuclei, qtbot):
    result.layer.events.paint(value=[])
    before = result.layer.data.copy()
    predictor = begin(dock, worker)
    predictor.result(np.zeros_like(nuclei[2]) + 1)
    finish(dock, predictor, qtbot)
    assert result.layer in session.viewer.layers
    np.testing.assert_array_equal(result.layer.data, before)
    predictor = begin(dock, worker)
    predictor.result(nuclei[2])
    finish(dock, predictor, qtbot)
    # The untouched one made room, the painted one stayed.
    assert len([layer for layer in session.viewer.layers if "nuclei" in layer.name]) == 2
    assert len(find_results(session.project, result.entry.path)) == 3


def test_saving_a_box_puts_it_into_the_whole_image(dock, entry, worker, nuclei, qtbot, tmp_path, session):
    predictor = begin(dock, worker)
    predictor.result(nuclei[2][50:100, 60:140], origin=(50, 60))
    finish(dock, predictor, qtbot)
    np.testing.assert_allclose(shown(dock).layer.translate, (50, 60))
    dock.save(tmp_path / "out put.tif")
    qtbot.waitUntil(lambda: "Written" in dock.message.text() or dock.message.level == "error")
    saved = read_labels(tmp_path / "out put.tif").labels
    expected = np.zeros_like(nuclei[2])
    expected[50:100, 60:140] = nuclei[2][50:100, 60:140]
    np.testing.assert_array_equal(saved, expected)


def test_nothing_found_gives_reasons(dock, entry, worker, nuclei, qtbot):
    predictor = begin(dock, worker)
    predictor.result(np.zeros_like(nuclei[2]))
    finish(dock, predictor, qtbot)
    assert "0 nuclei" in dock.after.summary.text()
    assert "usual reasons" in dock.after.note.text()


def test_stop_keeps_what_is_on_screen(dock, entry, worker, session, nuclei, qtbot):
    predictor = begin(dock, worker)
    predictor.tile(nuclei[2][:100], (0, 0))
    poll(dock)
    qtbot.waitUntil(lambda: any("nuclei" in layer.name for layer in session.viewer.layers))
    dock.stop.click()
    assert predictor.run.read_control()["request"] == "stop"
    predictor.leave(Stopped(summary={"images": [], "problems": []}))
    poll(dock)
    qtbot.waitUntil(lambda: not dock.prediction.busy)
    assert any("nuclei" in layer.name for layer in session.viewer.layers)
    assert "stays" in dock.message.text()


def test_a_failure_is_inline_with_a_report_and_leaves_no_layer(dock, entry, worker, session, nuclei, qtbot):
    predictor = begin(dock, worker)
    predictor.tile(nuclei[2][:100], (0, 0))
    poll(dock)
    qtbot.waitUntil(lambda: any("nuclei" in layer.name for layer in session.viewer.layers))
    predictor.run.log.write_text("the log", encoding="utf-8")
    predictor.leave(Failed(message="cells 1 has 1 channel, the model was trained on 3.", hint="Choose another."))
    poll(dock)
    assert dock.message.text() == "✗ cells 1 has 1 channel, the model was trained on 3.\nChoose another."
    assert "the log" in dock.message._report
    assert not any("nuclei" in layer.name for layer in session.viewer.layers)
    assert dock.find.isVisibleTo(dock)


def test_a_worker_that_dies_is_noticed(dock, entry, worker):
    predictor = begin(dock, worker)
    predictor.ownership.release()
    poll(dock)
    assert "ended before it was done" in dock.message.text()
    assert not dock.prediction.busy


def test_a_worker_that_never_starts_is_noticed(dock, entry, worker):
    dock.find.click()
    worker.alive = False
    dock.prediction._submitted -= 60
    poll(dock)
    dock.prediction._look_for_worker()
    assert "could not be started" in dock.message.text()


def test_a_folder_reports_bad_files_and_counts(dock, entry, worker, tmp_path, nuclei, qtbot, image_file):
    import shutil

    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(image_file, folder / name)
    (folder / "notes.txt").write_text("no image", encoding="utf-8")
    dock.where.buttons["folder"].setChecked(True)
    assert "Choose a folder" in dock.find.toolTip()
    dock.where.set_folder(folder)
    dock.where.format.setCurrentIndex(dock.where.format.findData("png"))
    predictor = begin(dock, worker)
    job = predictor.run.job
    assert [ref.path for ref in job.images] == [str(folder / "a.png"), str(folder / "b.png")]
    assert (job.out, job.format) == (str(folder / "nuclei"), "png")
    predictor.say(Warned(message="b.png: truncated"))
    predictor.result(nuclei[2])
    finish(dock, predictor, qtbot, problems=[[str(folder / "b.png"), "It is truncated."]])
    assert "1 of 2 images could not be used" in dock.message.text()
    assert "b.png: It is truncated." in dock.message.text()


def test_ticked_images(dock, entry, session, worker, image_file):
    other = session.add_entry("other", path=image_file.with_name("other.png"))
    dock.where.buttons["ticked"].setChecked(True)
    dock.where.list.item(0).setCheckState(Qt.CheckState.Unchecked)
    dock.find.click()
    assert [ref.name for ref in worker.runs[0].job.images] == [other.id]


def test_models_with_cards_are_listed_and_imported(dock, session, qtbot, tmp_path, entry):
    folder = make_model(session.project.models_folder / "liver", 0.83, nucleus_diameter_px=24.0, channels=1)
    dock.models.refresh()
    qtbot.waitUntil(lambda: dock.models.combo.count() == 2)
    session.model = str(folder)
    assert dock.models.model == str(folder)
    assert "0.83" in dock.models.line.text()
    dock.models.export_file(tmp_path / "liver mail")
    qtbot.waitUntil(lambda: "Written" in dock.models.message.text() or dock.models.message.level == "error")
    dock.models.import_file(tmp_path / "liver mail.nucleidomain")
    qtbot.waitUntil(lambda: dock.models.combo.count() == 3 or dock.models.message.level == "error")
    assert dock.models.model.endswith("liver mail")
    (tmp_path / "bad.nucleidomain").write_bytes(b"no zip")
    dock.models.import_file(tmp_path / "bad.nucleidomain")
    qtbot.waitUntil(lambda: dock.models.message.level == "error")
    assert "damaged or is not a model" in dock.models.message.text()
    (tmp_path / "report.docx").write_bytes((tmp_path / "liver mail.nucleidomain").read_bytes())
    dock.models.import_file(tmp_path / "report.docx")
    qtbot.waitUntil(lambda: "report.docx" in dock.models.message.text())
    assert "report.docx is not a model file (.nucleidomain)." in dock.models.message.text()
    press(dock.models.message, "Close")
    assert not dock.models.message.isVisibleTo(dock.models)


def test_a_model_below_the_classical_method_is_told_here_too(dock, session, entry):
    floor = [ScoreOnData(name="points_f1", value=0.9, on="kept-back clicks")]
    session.model = str(make_model(session.project.models_folder / "m", 0.8, channels=1, classical=floor))
    assert "the classical method does better: 0.90 against 0.80" in dock.models.verdict.text()
    dock.models.verdict._row.itemAt(0).widget().click()
    assert session.model == dock.models.model == "otsu"
    assert not dock.models.verdict.text()


def test_a_model_of_a_method_that_is_not_installed_is_shown_and_not_offered(dock, session, entry, qtbot, monkeypatch):
    folder = make_model(session.project.models_folder / "m", channels=1)
    monkeypatch.setattr(dock.models, "_methods", {})
    dock.models.refresh()
    qtbot.waitUntil(lambda: dock.models.combo.count() == 2)
    at = dock.models.combo.findData(str(folder))
    assert not dock.models.combo.model().item(at).isEnabled()
    assert "toy is not installed" in dock.models.combo.itemData(at, Qt.ItemDataRole.ToolTipRole)
    assert dock.models.model == "otsu", "the newest model is not taken by itself when it cannot be used"
    session.model = str(folder)
    assert not dock.find.isEnabled() and "toy is not installed" in dock.find.toolTip()


def test_no_warning_about_the_scale_on_the_image_it_learned_from(dock, session, entry):
    facts = {"channels": 1, "nucleus_diameter_px": 20.0, "trained_on": {"images": ["cells 1"]}}
    session.model = str(make_model(session.project.models_folder / "own", **facts))
    assert dock.scale.line.text() == "Scale: taken as it is, as when the model learned from this image."
    facts["trained_on"] = {"images": ["another"]}
    session.model = str(make_model(session.project.models_folder / "other", **facts))
    assert dock.scale.line.text().startswith("⚠ Scale")


def test_a_model_of_another_channel_count_is_refused_before_the_run(dock, session, entry, qtbot):
    folder = make_model(session.project.models_folder / "he", channels=3)
    session.model = str(folder)
    assert not dock.find.isEnabled()
    assert "1 channel" in dock.find.toolTip()


def test_the_scale_is_said_and_can_be_corrected(dock, session, entry, worker, qtbot):
    facts = {"channels": 1, "pixel_size_um": 0.25, "nucleus_diameter_px": 20.0}
    session.model = str(make_model(session.project.models_folder / "m", **facts))
    assert "unknown" in dock.scale.line.text()
    dock.scale.by_pixel.setChecked(True)
    dock.scale.pixel.setValue(0.5)
    assert "scaled × 2" in dock.scale.line.text()
    dock.find.click()
    assert worker.runs[0].job.pixel_size_um == 0.5


def test_a_circle_to_compare_by_eye(dock, session, entry):
    session.model = str(make_model(session.project.models_folder / "m", channels=1, nucleus_diameter_px=20.0))
    dock.scale.show_circle()
    circle = dock.scale._circle
    assert circle in session.viewer.layers
    circle.data = [np.asarray(circle.data[0]) * 2]
    assert dock.scale.diameter.value() == pytest.approx(40, abs=0.5)
    assert dock.scale.diameter_px == pytest.approx(40, abs=0.5)


def test_a_prediction_that_was_stopped_goes_on_where_it_was(dock, entry, worker, qtbot):
    predictor = begin(dock, worker)
    dock.stop.click()
    assert predictor.run.read_control()["request"] == "stop"
    predictor.leave(Stopped(summary={"images": [], "problems": []}))
    poll(dock)
    qtbot.waitUntil(lambda: not dock.prediction.busy)
    assert offered(dock.message) == ["Go on"]
    press(dock.message, "Go on")
    assert [one.path for one in worker.runs] == [predictor.run.path] * 2
    assert predictor.run.read_control() is None
    poll(dock)
    assert dock.prediction.busy, "its old end is no end"
    finish(dock, Predictor(predictor.run), qtbot)


def test_why_a_model_does_not_fit_the_image_is_written_under_the_button(dock, session, entry):
    session.model = str(make_model(session.project.models_folder / "m", channels=3))
    assert not dock.find.isEnabled()
    assert dock.misfit.isVisibleTo(dock)
    assert "has 1 channel, the model was trained on 3" in dock.misfit.text()
    session.model = "otsu"
    assert not dock.misfit.isVisibleTo(dock)


@pytest.mark.parametrize("leave", [False, True])
def test_many_images_left_half_done_are_offered_at_the_next_start(dock, session, entry, worker, qtbot, leave):
    images = [ImageRef(path=str(entry.path)), ImageRef(path=str(entry.path.with_name("other.tif")))]
    run = session.project.new_run(PredictJob(model="otsu", images=images))
    predictor = Predictor(run)
    predictor.leave(Stopped(summary={"images": [], "problems": []}))
    dock.left.look()
    qtbot.waitUntil(lambda: bool(dock.message.text()))
    assert "in 2 images with the classical method was not finished: 0 done" in dock.message.text()
    press(dock.message, "Leave it" if leave else "Go on")
    assert [one.path for one in worker.runs] == ([] if leave else [run.path])
    if leave:
        dock.left.look()
        qtbot.waitUntil(lambda: not dock.left._background.busy)
        assert not dock.message.text(), "it was said once"
    else:
        poll(dock)
        finish(dock, Predictor(run), qtbot)


PAUSE = "Pause the training, predict, go on"


@pytest.fixture
def trainer(session):
    made = Trainer(session.project.new_run(TrainJob(method="toy", preset="quick", data="d", name="liver")))
    made.take()
    yield made
    made.ownership.release()


@pytest.fixture
def followed(dock, session, entry, trainer):
    session.run = trainer.run
    dock.training.poll()
    return trainer


def test_a_training_at_work_is_asked_about(dock, worker, followed):
    dock.find.click()
    assert worker.runs == []
    assert "A training is at work" in dock.message.text()
    assert offered(dock.message) == ["Wait", PAUSE, "Predict beside it"]
    press(dock.message, PAUSE)
    assert followed.run.read_control()["request"] == "pause"
    assert len(worker.runs) == 1
    predictor = Predictor(worker.runs[0])
    poll(dock)
    predictor.leave(Failed(message="no"))
    poll(dock)
    assert followed.run.read_control()["request"] == "resume"


def test_a_training_at_work_is_left_alone_where_both_are_wanted(dock, worker, followed):
    dock.find.click()
    press(dock.message, "Predict beside it")
    assert len(worker.runs) == 1
    assert followed.run.read_control() is None


def test_waiting_for_a_training(dock, worker, followed):
    dock.find.click()
    press(dock.message, "Wait")
    dock.training.poll()
    assert worker.runs == []
    followed.leave(Finished())
    dock.training.poll()
    assert len(worker.runs) == 1


def test_what_waits_is_what_was_asked_for(dock, worker, followed, entry, session, qtbot):
    liver = make_model(session.project.models_folder / "liver", channels=1)
    later = make_model(session.project.models_folder / "later", channels=1)
    session.model = str(liver)
    dock.where.buttons["view"].click()
    dock.find.click()
    press(dock.message, "Wait")
    assert "Nuclei are found with liver as soon as" in dock.message.text()
    session.model = str(later)
    dock.where.buttons["image"].click()
    followed.leave(Finished())
    elsewhere = Project.open(followed.run.path.parents[2] / "other")
    other = Trainer(elsewhere.new_run(TrainJob(method="toy", preset="quick", data="d", name="lung")))
    other.take()
    dock.training.poll()
    assert worker.runs == [], "another training has begun meanwhile"
    other.leave(Finished())
    dock.turn._look.timeout.emit()
    (run,) = worker.runs
    assert run.job.model == str(liver)
    assert run.job.box is not None, "in view, as it was chosen then"


def test_waiting_for_a_training_that_breaks_off(dock, worker, followed):
    dock.find.click()
    press(dock.message, "Wait")
    followed.leave()
    dock.turn._look.timeout.emit()
    assert len(worker.runs) == 1


def test_a_training_of_another_project_is_asked_about(dock, worker, entry, tmp_path):
    other = Project.open(tmp_path / "other")
    trainer = Trainer(other.new_run(TrainJob(method="toy", preset="quick", data="d", name="lung")))
    trainer.take()
    dock.find.click()
    assert worker.runs == []
    assert f"The training lung of the project {other.path} has had the processor" in dock.message.text()
    press(dock.message, "Wait")
    trainer.leave(Finished())
    dock.turn._look.timeout.emit()
    assert len(worker.runs) == 1


def test_the_classical_method_needs_no_graphics_card(dock, worker, entry, session):
    trainer = Trainer(session.project.new_run(TrainJob(method="toy", preset="quick", data="d", name="liver")))
    trainer.take("cuda GPU-1", "the graphics card cuda:0")
    session.run = trainer.run
    dock.training.poll()
    dock.find.click()
    assert len(worker.runs) == 1
    trainer.leave()


def test_edges_and_limits():
    labels = np.zeros((6, 6), int)
    labels[0, 0], labels[2, 2], labels[5, 3] = 1, 2, 3
    assert list(edge_ids(labels)) == [1, 3]
    scores, areas = np.array([0.2, 0.9, 0.6]), np.array([1, 50, 10])
    border = np.array([True, False, True])
    assert list(keep(Filter(least_score=0.5), scores, areas, border)) == [False, True, True]
    assert list(keep(Filter(most_area=20, least_area=5), scores, areas, border)) == [False, False, True]
    assert list(keep(Filter(no_border=True), scores, areas, border)) == [False, True, False]
    assert Started().kind == "started"


def test_a_disk_too_small_for_the_result_is_told_before(dock, entry, worker, monkeypatch):
    from napari_nucleidomain.widgets import predict_space

    monkeypatch.setattr(predict_space, "free_bytes", lambda folder: 9_000_000)
    dock.where.buttons["image"].setChecked(True)
    dock.find.click()
    assert not worker.runs
    assert "may need up to 50 MB, and 9.0 MB are free on the project's disk" in dock.message.text()
    dock.find.click()
    assert not worker.runs, "asked again until it is answered"
    button = next(one for one in dock.message.findChildren(type(dock.find).__mro__[1]) if "all the same" in one.text())
    button.click()
    assert len(worker.runs) == 1


def test_space_needed_grows_with_pixels_and_images(session, bare_entry, tmp_path):
    from napari_nucleidomain.runs.job import ImageRef
    from napari_nucleidomain.widgets.predict_space import needed_bytes
    from napari_nucleidomain.widgets.predict_where import Target

    ref = ImageRef(path=str(bare_entry.path))
    spare = needed_bytes(session, Target())
    whole = needed_bytes(session, Target([ref]))
    assert whole - spare == 6 * 200 * 240 + 200 * 240 // 2
    assert needed_bytes(session, Target([ref, ref])) - whole == 200 * 240 // 2
    part = Target([ref], box=[[0, 10], [0, 20]])
    assert needed_bytes(session, part) - spare == 6 * 200 + 100
    unread = tmp_path / "slide.svs"
    unread.write_bytes(b"x" * 1000)
    assert needed_bytes(session, Target([ImageRef(path=str(unread))])) - spare == 6500


def test_a_scale_that_nobody_said_is_not_shown_as_one(dock, session, entry):
    session.model = str(make_model(session.project.models_folder / "own", channels=1, nucleus_diameter_px=20.0))
    assert dock.scale.by_file.text() == "as it is (the file does not say)"
    assert dock.scale.pixel.text() == "not said"
    dock.scale.by_pixel.setChecked(True)
    assert dock.scale.pixel_size_um is None
    dock.scale.pixel.setValue(0.5)
    assert dock.scale.pixel_size_um == 0.5


def test_another_models_result_is_not_told_as_this_ones(dock, session, entry, worker, nuclei, qtbot):
    predictor = begin(dock, worker)
    predictor.result(nuclei[2])
    finish(dock, predictor, qtbot)
    assert shown(dock) is not None
    session.model = str(make_model(session.project.models_folder / "own", channels=1))
    assert shown(dock) is None and not dock.after.isVisible()
    session.model = "otsu"
    assert shown(dock) is not None
    begin(dock, worker)
    assert shown(dock) is None, "what was found before is no answer to a new run"
