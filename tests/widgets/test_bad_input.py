"""What a person may hand to the docks instead of good files: the message is in the dock, and nothing is lost."""

from __future__ import annotations

import pickle

import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_nucleidomain.contracts.events import Progress
from napari_nucleidomain.data.labels_out import write_labels
from napari_nucleidomain.data.points import read_points, write_points
from napari_nucleidomain.runs import launch
from napari_nucleidomain.widgets import layers, predict_dock, predict_run, review_dock, train_choices, train_dock
from napari_nucleidomain.widgets.images_dock import ImagesDock
from napari_nucleidomain.widgets.points_dock import PointsDock
from napari_nucleidomain.widgets.result_layers import result_layers
from napari_nucleidomain.widgets.session import get_session

from .trainer import TOY, Trainer, Worker, make_model


@pytest.fixture
def entry(session, bare_entry, nuclei):
    """An image in the viewer with a click in every nucleus."""
    made = bare_entry
    session.set_points(made, nuclei[1])
    return made


# -- Images ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def images(session):
    dock = ImagesDock(session.viewer)
    session.viewer.window.add_dock_widget(dock, name="Images (Nuclei)")
    return dock


def _open(qtbot, dock, *paths):
    with qtbot.waitSignal(dock.opener.finished, timeout=8000):
        dock.open_paths(list(paths))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty.tif", "empty.tif is empty (0 bytes)"),
        ("none.npy", "none has no pixels"),
        ("notes.txt", "notes.txt is not an image that can be opened"),
        ("cut.tif", "cut.tif is truncated"),
        ("slide.czi", "Zeiss CZI"),
        ("code.npy", "can run code"),
        ("gone.tif", "is not there"),
    ],
)
def test_a_file_that_is_no_image_says_why(qtbot, session, images, tmp_path, nuclei, name, message):
    path = tmp_path / name
    if name == "empty.tif":
        path.touch()
    elif name == "none.npy":
        np.save(path, np.zeros((0, 9)))
    elif name == "cut.tif":
        tifffile.imwrite(path, nuclei[0])
        path.write_bytes(path.read_bytes()[:5000])
    elif name == "code.npy":
        np.save(path, np.array([[print, 1]], dtype=object), allow_pickle=True)
    elif name != "gone.tif":
        path.write_text("a note")
    _open(qtbot, images, path)
    assert message in images.told.text()
    assert message in session.images[0].problem
    assert session.current is None or session.current.image is None


@pytest.mark.parametrize("kind", ["NaN", "RGBA", "2 channels", "constant"])
def test_unusual_images_open_and_say_what_was_done(qtbot, session, images, tmp_path, nuclei, kind):
    picture = nuclei[0]
    path = tmp_path / "a.tif"
    if kind == "NaN":
        pixels = picture.astype(np.float32)
        pixels[:20] = np.nan
        tifffile.imwrite(path, pixels)
    elif kind == "RGBA":
        path = tmp_path / "a.png"
        path.write_bytes(
            imagecodecs.png_encode(np.dstack([picture, picture // 2, picture, np.full_like(picture, 255)]))
        )
    elif kind == "2 channels":
        tifffile.imwrite(path, np.stack([picture, picture // 2]), imagej=True, metadata={"axes": "CYX"})
    else:
        tifffile.imwrite(path, np.full_like(picture, 9))
    _open(qtbot, images, path)
    entry = session.current
    assert not entry.problem
    qtbot.waitUntil(lambda: "image" in entry.layers and entry.layers["image"] in session.viewer.layers, timeout=8000)
    assert entry.image.n_channels == {"RGBA": 3, "2 channels": 2}.get(kind, 1)
    told = {"NaN": "not finite", "RGBA": "transparency", "constant": "nothing in it"}.get(kind)
    assert told is None or any(told in text for text in entry.image.warnings)


@pytest.mark.parametrize("kind", ["another size", "colour", "fractions", "text", "outlines elsewhere"])
def test_outlines_that_do_not_fit_are_refused(qtbot, session, images, entry, nuclei, tmp_path, kind):
    images.attach.show_entry(entry)
    path = tmp_path / ("wrong.geojson" if kind == "outlines elsewhere" else "wrong.tif")
    expected = {
        "another size": "but the image is 200×240",
        "colour": "colour picture of outlines",
        "fractions": "no label image",
        "text": "damaged",
        "outlines elsewhere": "outlines lie outside the image",
    }[kind]
    if kind == "another size":
        tifffile.imwrite(path, nuclei[2][:100])
    elif kind == "colour":
        rgb = np.dstack([nuclei[2] % 7, nuclei[2] % 5, nuclei[2] % 3]).astype(np.uint8)
        tifffile.imwrite(path, rgb, photometric="rgb")
    elif kind == "fractions":
        tifffile.imwrite(path, nuclei[2] / 7)
    elif kind == "text":
        path.write_text("no outlines")
    else:
        moved = np.zeros((600, 700), np.uint32)
        moved[400:, 460:] = nuclei[2]
        write_labels(moved, path, format="geojson")
    images.attach.take_labels_file(path)
    qtbot.waitUntil(lambda: "✗" in images.attach.told.text(), timeout=8000)
    assert expected in images.attach.told.text()
    assert entry.labels is None


def test_clicks_of_a_layer_of_another_image_are_refused(session, images, entry, nuclei):
    images.attach.show_entry(entry)
    session.set_points(entry, nuclei[1][:3])
    far = session.viewer.add_points(nuclei[1] + 900, name="others")
    images.attach.take_points_layer(far)
    assert "They probably belong to another image" in images.attach.told.text()
    assert "Nothing was changed" in images.attach.told.text()
    assert len(entry.points) == 3


# -- Points ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["another image", "volume", "none", "no columns", "damaged", "missing place"])
def test_files_without_clicks_of_this_image_are_refused(session, entry, nuclei, tmp_path, kind):
    dock = PointsDock(session.viewer)
    session.viewer.window.add_dock_widget(dock, name="Points (Nuclei)")
    before = entry.points.copy()
    path = tmp_path / "clicks.csv"
    if kind == "another image":
        write_points(nuclei[1] * 10, path)
    elif kind == "volume":
        write_points(np.column_stack([np.arange(len(nuclei[1])), nuclei[1]]), path)
    else:
        text = {
            "none": "index,axis-0,axis-1\n",
            "no columns": "name,size\na,3\n",
            "damaged": "index,axis-0,axis-1\n0,1,two\n",
            "missing place": "index,axis-0,axis-1\n0,nan,2\n",
        }[kind]
        path.write_text(text, encoding="utf-8")
    expected = {
        "another image": "belong to another image",
        "volume": "3 coordinates, but the image has 2 axes",
        "none": "neither clicks nor regions",
        "no columns": "no columns axis-0 and axis-1",
        "damaged": "line 2, holds no point",
        "missing place": "without a place",
    }[kind]
    dock.import_from(path)
    assert expected in dock.ask.text()
    np.testing.assert_array_equal(entry.points, before)


# -- Train -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch):
    """Runs handed to the launcher."""
    runs = []
    monkeypatch.setattr(launch, "start", lambda run: runs.append(run))
    monkeypatch.setattr(train_choices, "methods", lambda: {"toy": TOY})
    return runs


def _train_dock(session, qtbot):
    dock = train_dock.TrainDock(session.viewer)
    session.viewer.window.add_dock_widget(dock, name="Train")
    qtbot.waitUntil(lambda: not dock._background.busy and not dock.past._background.busy)
    return dock


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("none", "No clicks yet. Click once inside every nucleus of a small area."),
        ("one", "Only 1 click; 20 is the least that works."),
        ("three in a line", "Only 3 clicks; 20 is the least that works."),
        ("of another image", "Only 0 clicks; 20 is the least that works."),
    ],
)
def test_clicks_that_cannot_teach_stop_the_button(session, entry, nuclei, started, qtbot, kind, message):
    points = {
        "none": nuclei[1][:0],
        "one": nuclei[1][:1],
        "three in a line": np.array([[20.0, 20], [20, 60], [20, 100]]),
        "of another image": nuclei[1] + 700,
    }[kind]
    session.set_points(entry, points)
    dock = _train_dock(session, qtbot)
    dock._refresh_soon.stop()
    dock.refresh()
    assert not dock.train.isEnabled()
    assert dock.train.toolTip() == message
    if kind == "of another image":
        assert "They probably belong to another image" in dock.checklist.text()
    np.testing.assert_array_equal(entry.points, points)


def test_napari_closed_while_training(session, entry, nuclei, started, qtbot, make_napari_viewer):
    """Clicks made a moment before are on disk; the training is not stopped, and is found by the next viewer."""
    session.set_regions(entry, [np.array([[0, 0], [0, 239], [199, 239], [199, 0]], float)])
    entry.complete = True
    dock = _train_dock(session, qtbot)
    dock._refresh_soon.stop()
    dock.refresh()
    dock.train.click()
    trainer = Trainer(started[0])
    trainer.say(Progress(stage="SPN", step=1, total=2, fraction=0.5, overall=0.4))
    dock.follower.poll()
    trainer.preview(entry.path, np.ones((40, 50), np.uint32))
    late = np.vstack([nuclei[1], [[7.0, 9.0]]])
    session.set_points(entry, late)
    project = session.project.path
    session.viewer.close()
    session.close()
    np.testing.assert_array_equal(read_points(session.project.data / "points" / f"{entry.id}.csv"), late)
    assert not trainer.run.read_control(), "nobody asked it to stop"
    assert trainer.run.state == "running"
    trainer.say(Progress(stage="SPN", step=2, total=2, fraction=1.0, overall=0.7))

    other = get_session(make_napari_viewer(show=True), project)
    try:
        again = _train_dock(other, qtbot)
        qtbot.waitUntil(lambda: other.run is not None, timeout=8000)
        assert other.run.path == trainer.run.path
        again.follower.poll()
        assert again.progress.bar.value() == 700
        assert again.progress.stop.isVisibleTo(again.progress)
        other.restore()
        np.testing.assert_array_equal(other.images[0].points, late)
    finally:
        trainer.ownership.release()
        other.close()


# -- Predict -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def predict(session, monkeypatch, qtbot):
    worker = Worker()
    monkeypatch.setattr(predict_run, "worker_of", lambda session: worker)
    monkeypatch.setattr(predict_dock, "worker_of", lambda session: worker)
    dock = predict_dock.PredictDock(session.viewer)
    dock.worker = worker
    session.viewer.window.add_dock_widget(dock, name="Predict")
    qtbot.waitUntil(lambda: not dock.models._background.busy)
    return dock


def test_damaged_models_are_told_and_the_others_listed(predict, session, qtbot):
    good = make_model(session.project.models_folder / "liver", channels=1)
    for name, card in (
        ("half", '{"name": "half", "me'),
        ("later", '{"name": "x", "method": "y", "schema_version": 99}'),
    ):
        (make_model(session.project.models_folder / name) / "card.json").write_text(card, encoding="utf-8")
    predict.models.refresh()
    qtbot.waitUntil(lambda: predict.models.combo.count() == 2)
    assert predict.models.combo.findData(str(good)) > 0
    assert "2 models cannot be used" in predict.models.message.text()
    report = predict.models.message.text() + str(predict.models.message.__dict__.get("_details", ""))
    assert "half" in report or "damaged" in report


@pytest.mark.parametrize("kind", ["pickle", "cut short", "extra file"])
def test_model_files_that_are_none_are_refused_and_run_nothing(predict, session, tmp_path, qtbot, kind):
    import zipfile

    class Trap:
        def __reduce__(self):
            return (type(tmp_path).touch, (tmp_path / "code was run",))

    file = tmp_path / "mail.nucleidomain"
    folder = make_model(session.project.models_folder / "liver", channels=1)
    session.project.export_model(folder, file)
    if kind == "pickle":
        file.write_bytes(pickle.dumps(Trap()))
    elif kind == "cut short":
        file.write_bytes(file.read_bytes()[:-60])
    else:
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("code.pkl", pickle.dumps(Trap()))
    before = sorted(path.name for path in session.project.models_folder.iterdir())
    predict.models.import_file(file)
    qtbot.waitUntil(lambda: predict.models.message.level == "error")
    assert "is not a model" in predict.models.message.text()
    assert not (tmp_path / "code was run").exists()
    assert sorted(path.name for path in session.project.models_folder.iterdir()) == before


def test_folders_and_images_without_pixels_say_so(predict, session, entry, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no image")
    predict.where.buttons["folder"].setChecked(True)
    predict.where.set_folder(tmp_path / "empty")
    assert "0 images" in predict.where.folder_words.text()
    predict.find.click()
    assert "There are no images in empty" in predict.message.text()
    assert predict.worker.runs == []
    bad = session.add_entry("b", path=tmp_path / "b.tif", problem="b.tif is truncated.")
    session.set_current(bad)
    predict.where.buttons["image"].setChecked(True)
    assert not predict.find.isEnabled()
    assert predict.find.toolTip() == "b.tif is truncated."


# -- Review ------------------------------------------------------------------------------------------------------------


def test_outlines_that_went_bad_are_told_and_the_result_stays(session, entry, nuclei, tmp_path, qtbot):
    from .test_review_dock import predicted, read_for_show

    labels = nuclei[2].astype(np.uint32)
    result = result_layers(session).show(entry, *read_for_show(predicted(session, entry, labels)))
    entry.labels = write_labels(labels, tmp_path / "truth.tif")
    dock = review_dock.ReviewDock(session.viewer)
    session.viewer.window.add_dock_widget(dock, name="Review", area="right")

    def ready():
        dock._later.stop()
        dock.refresh()
        qtbot.waitUntil(lambda: not dock._background.busy)

    ready()
    assert dock.compare.currentText() == "outlines"
    for spoil, message in (
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "truth.tif is"),
        (lambda path: write_labels(labels[:50], path), "50"),
        (lambda path: path.unlink(), "is not there"),
    ):
        spoil(entry.labels)
        session.touch(entry, "labels")
        ready()
        assert dock.message.level == "error"
        assert message in dock.message.text()
        number = int(labels.max())
        assert dock.summary.text().startswith(f"<b>{number} nuclei"), "what was found is still counted and listed"
        assert dock.table.model.rowCount() == number
        assert dock.quality.isHidden()
    assert result.layer in session.viewer.layers
    np.testing.assert_array_equal(result.layer.data, labels)
    assert layers.in_viewer(session, entry, "errors") is None
