"""The Images dock in a real window: files good and bad, open layers, corrections, attached outlines."""

from __future__ import annotations

import canvas
import numpy as np
import pytest
import skimage.io
import tifffile
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QPushButton

from napari_nucleidomain.widgets import images_dock
from napari_nucleidomain.widgets.images_dock import ImagesDock
from napari_nucleidomain.widgets.train_dock import TrainDock

from .buttons import press


@pytest.fixture
def dock(session):
    dock = ImagesDock(session.viewer)
    session.viewer.window.add_dock_widget(dock, name="Images (Nuclei)")
    return dock


def _open(qtbot, dock, *paths):
    with qtbot.waitSignal(dock.opener.finished, timeout=8000):
        dock.open_paths(list(paths))


def _shown(qtbot, session, entry):
    qtbot.waitUntil(lambda: "image" in entry.layers and entry.layers["image"] in session.viewer.layers, timeout=8000)


def test_empty_dock_says_what_to_do(dock):
    assert "Drop images here" in dock.empty.text()
    assert not dock.click.isEnabled()
    assert "Open an image" in dock.click.toolTip()


def test_fluorescence_alone_can_be_trained_on_without_clicks(session, dock, bare_entry, nuclei, monkeypatch):
    train = TrainDock(session.viewer)
    session.viewer.window.add_dock_widget(train, name="Train")
    train.choices.choose_needs("points")
    opened = []
    monkeypatch.setattr(images_dock, "open_dock", lambda session, which: opened.append(which) or train)
    dock.refresh()
    assert bare_entry.image.kind == "fluorescence" and dock.bare.isVisible()
    dock.bare.click()
    assert opened == ["train"]
    train.refresh()
    assert train.choices.spec.needs == "nothing", "whatever was chosen there before"
    session.set_points(bare_entry, nuclei[1])
    assert not dock.bare.isVisible()


def test_the_list_is_as_high_as_its_rows(session, dock, bare_entry):
    session.add_entry(
        "a name that is so long that it does not fit into one line of a narrow dock", path=bare_entry.path
    )
    dock.resize(300, 700)
    canvas.settle()
    rows = sum(dock.list.visualItemRect(dock.list.item(row)).height() for row in range(2))
    assert dock.list.count() == 2 and dock.list.viewport().height() >= rows


def test_a_bad_file_in_a_folder_is_listed_and_the_rest_opens(qtbot, session, dock, nuclei, tmp_path):
    folder = tmp_path / "Bilder ä"
    folder.mkdir()
    skimage.io.imsave(folder / "a10.png", nuclei[0], check_contrast=False)
    skimage.io.imsave(folder / "a2.tif", nuclei[0].astype(np.uint16) * 200, check_contrast=False)
    whole = (folder / "a10.png").read_bytes()
    (folder / "b.png").write_bytes(whole[: len(whole) // 3])
    (folder / "notes.txt").write_text("hello")
    (folder / "c.tif").write_text("not an image")
    _open(qtbot, dock, folder)
    assert [one.name for one in session.images] == ["a2", "a10", "b", "c"], "sorted as a person would, without the text"
    bad = [one.name for one in session.images if one.problem]
    assert bad == ["b", "c"]
    assert "2 of 4 could not be read" in dock.told.text()
    assert session.current.name == "a2"
    _shown(qtbot, session, session.current)
    text = dock.list.item(0).text()
    assert "200×240" in text
    assert dock.list.item(2).text().startswith("⚠ b")


def test_the_same_file_is_listed_once(qtbot, session, dock, image_file):
    _open(qtbot, dock, image_file)
    _open(qtbot, dock, image_file)
    assert len(session.images) == 1
    assert "already" in dock.told.text()


def test_an_open_layer_keeps_its_file(qtbot, session, dock, image_file):
    layer = session.viewer.open(str(image_file), plugin="napari")[0]
    entry = dock.use_layer(layer)
    qtbot.waitUntil(lambda: not entry.reading, timeout=8000)
    assert entry.path == image_file
    assert entry.layers["image"] is layer
    assert session.current is entry


def test_a_layer_without_a_file_is_copied_into_the_project(qtbot, session, dock, nuclei):
    layer = session.viewer.add_image(nuclei[0][:150, :100], scale=(0.5, 0.5), units=("um", "um"), name="crop/1")
    entry = dock.use_layer(layer)
    qtbot.waitUntil(lambda: not entry.reading, timeout=8000)
    assert not entry.problem
    assert entry.path.is_relative_to(session.project.data)
    assert entry.image.pixel_size_um == pytest.approx((0.5, 0.5))
    np.testing.assert_array_equal(entry.image.read()[..., 0], nuclei[0][:150, :100])


def test_a_cropped_layer_is_not_mistaken_for_its_file(qtbot, session, dock, image_file, nuclei):
    layer = session.viewer.open(str(image_file), plugin="napari")[0]
    layer.data = nuclei[0][::-1].copy()
    entry = dock.use_layer(layer)
    qtbot.waitUntil(lambda: not entry.reading, timeout=8000)
    assert entry.path != image_file
    np.testing.assert_array_equal(entry.image.read()[..., 0], nuclei[0][::-1])


def test_layers_become_the_channels_of_one_image(qtbot, session, dock, nuclei):
    viewer = session.viewer
    green = viewer.add_image(
        nuclei[0][::-1].astype(np.uint16) * 9, name="cells - GFP", scale=(0.5, 0.5), units=("um", "um")
    )
    blue = viewer.add_image(nuclei[0], name="cells - DAPI", scale=(0.5, 0.5), units=("um", "um"))
    entry = dock.use_channels([green, blue])
    qtbot.waitUntil(lambda: not entry.reading, timeout=8000)
    assert not entry.problem
    assert entry.name == "cells"
    assert entry.image.channel_names == ["cells - GFP", "cells - DAPI"]
    assert entry.image.nuclei_channel == 1
    np.testing.assert_array_equal(entry.image.read()[..., 1], nuclei[0])
    small = viewer.add_image(nuclei[0][:50], name="other")
    assert dock.use_channels([blue, small]) is None
    assert "differ in size" in dock.told.text()


def test_correcting_the_pixel_size_moves_all_layers_together(qtbot, session, dock, image_file):
    _open(qtbot, dock, image_file)
    entry = session.current
    _shown(qtbot, session, entry)
    session.annotations.use("click")
    before = canvas.pixel(session.viewer, entry.layers["image"], (50, 60))
    dock.understood.pixel.setText("0,25")
    dock.understood.pixel.editingFinished.emit()
    assert "all layers of this image (2)" in dock.understood.trouble.text()
    assert entry.pixel_size_um is None, "it asks first"
    dock.understood.trouble.findChild(QPushButton).click()
    qtbot.waitUntil(lambda: entry.pixel_size_um is not None, timeout=8000)
    for role in ("image", "clicks"):
        np.testing.assert_allclose(entry.layers[role].scale, (0.25, 0.25))
    after = canvas.pixel(session.viewer, entry.layers["image"], (50, 60))
    assert abs(before.x() - after.x()) <= 1 and abs(before.y() - after.y()) <= 1, "the view stays on the same pixels"
    assert dock.understood.pixel_source.text() == "by you"


def test_a_wrong_correction_is_told_and_changes_nothing(qtbot, session, dock, image_file):
    _open(qtbot, dock, image_file)
    image = session.current.image
    dock.understood.axes.setText("ZYX")
    dock.understood.axes.editingFinished.emit()
    qtbot.waitUntil(lambda: dock.understood.trouble.isVisible(), timeout=8000)
    assert session.current.image is image
    assert "axes" in dock.understood.trouble.text()
    assert dock.understood.axes.text() == "ZYX", "what is wrong stays beside what is said of it"
    dock.refresh()
    assert dock.understood.axes.text() == "ZYX", "also when something else of the image changes"
    assert not [one for one in dock.understood.trouble.findChildren(QPushButton) if one.isVisibleTo(dock)]
    dock.understood.axes.setText(image.axes)
    dock.understood.axes.editingFinished.emit()
    assert not dock.understood.trouble.isVisible()


def test_news_of_an_image_take_nothing_away_that_is_being_typed(qtbot, session, dock, image_file, nuclei):
    _open(qtbot, dock, image_file)
    for field, keys in ((dock.understood.pixel, "0.3"), (dock.understood.axes, "Z")):
        field.clear()
        QTest.keyClicks(field, keys)
        session.touch(session.current, "points")
        dock.refresh()
        assert field.text() == keys
    other = image_file.with_name("other.png")
    skimage.io.imsave(other, nuclei[0][:150], check_contrast=False)
    _open(qtbot, dock, other)
    session.set_current(session.images[1])
    dock.refresh()
    assert dock.understood.axes.text() == "YX" and not dock.understood.pixel.text(), "of another image it is not kept"


def test_three_pages_ask_channels_or_planes(qtbot, session, dock, nuclei, tmp_path):
    path = tmp_path / "three.tif"
    tifffile.imwrite(
        path, np.stack([nuclei[0], nuclei[0][::-1], nuclei[0][:, ::-1]]), photometric="minisblack", metadata=None
    )
    _open(qtbot, dock, path)
    entry = session.current
    assert dock.understood.questions[0].isVisibleTo(dock), "the file does not say what its pages are"
    question = next(one for one in entry.image.questions if one.topic == "axes")
    fields = question.options["z"]
    _shown(qtbot, session, entry)
    dock._corrected(dict(fields))
    qtbot.waitUntil(lambda: len(entry.image.axes.replace("C", "")) == 3, timeout=8000)
    _shown(qtbot, session, entry)
    assert entry.layers["image"].ndim == 3


def test_outlines_of_another_size_are_refused(qtbot, session, dock, image_file, nuclei, tmp_path):
    _open(qtbot, dock, image_file)
    wrong = tmp_path / "wrong.tif"
    skimage.io.imsave(wrong, nuclei[2][:100], check_contrast=False)
    dock.attach.take_labels_file(wrong)
    qtbot.waitUntil(lambda: "✗" in dock.attach.told.text(), timeout=8000)
    assert session.current.labels is None
    right = tmp_path / "right.tif"
    skimage.io.imsave(right, nuclei[2], check_contrast=False)
    dock.attach.take_labels_file(right)
    qtbot.waitUntil(lambda: session.current.labels is not None, timeout=8000)
    assert f"{nuclei[2].max()} outlines" in dock.attach.told.text()


def test_a_labels_layer_of_another_scale_is_aligned_and_attached(qtbot, session, dock, image_file, nuclei):
    _open(qtbot, dock, image_file)
    entry = session.current
    _shown(qtbot, session, entry)
    entry.layers["image"].scale = (0.25, 0.25)
    mine = session.viewer.add_labels(nuclei[2].astype(int), name="mine & yours")
    dock.attach.fill()
    actions = {one.text(): one for one in dock.attach.menu.actions()}
    actions["Align layer mine && yours to this image"].trigger()
    np.testing.assert_allclose(mine.scale, (0.25, 0.25))
    actions["Outlines: layer mine && yours"].trigger()
    qtbot.waitUntil(lambda: entry.labels is not None, timeout=8000)
    assert mine in session.viewer.layers


def test_a_removed_layer_can_be_shown_again(qtbot, session, dock, image_file, nuclei):
    _open(qtbot, dock, image_file)
    entry = session.current
    _shown(qtbot, session, entry)
    session.annotations.change(entry, points=nuclei[1])
    layer = session.annotations.clicks(entry)
    session.viewer.layers.remove(layer)
    assert len(entry.points) == len(nuclei[1])
    assert dock.trouble.isVisibleTo(dock)
    press(dock.trouble, "Show again")
    assert layer in session.viewer.layers
    assert len(layer.data) == len(nuclei[1])


def test_a_removed_picture_comes_back_by_its_row_and_by_its_file(qtbot, session, dock, image_file, nuclei):
    _open(qtbot, dock, image_file)
    entry, viewer = session.current, session.viewer
    _shown(qtbot, session, entry)
    session.annotations.change(entry, points=nuclei[1])
    mine = [entry.layers["image"], session.annotations.clicks(entry)]
    for again in (
        lambda: QTest.mouseClick(
            dock.list.viewport(),
            Qt.MouseButton.LeftButton,
            pos=dock.list.visualItemRect(dock.list.item(0)).center(),
        ),
        lambda: _open(qtbot, dock, image_file),
        lambda: press(dock.trouble, "Show again"),
    ):
        for layer in mine:
            viewer.layers.remove(layer)
        assert "Its picture was removed from the viewer." in dock.trouble.text()
        assert "removed from the viewer" in dock.list.item(0).text()
        again()
        assert all(layer in viewer.layers for layer in mine)
        assert viewer.layers.index(mine[0]) < viewer.layers.index(mine[1])
        assert not dock.trouble.isVisibleTo(dock)


def test_an_unreadable_image_can_be_taken_off_and_empties_no_canvas(qtbot, session, dock, image_file, nuclei, tmp_path):
    _open(qtbot, dock, image_file)
    good = session.current
    _shown(qtbot, session, good)
    (tmp_path / "broken.tif").write_text("not an image")
    skimage.io.imsave(tmp_path / "new.png", nuclei[0], check_contrast=False)
    _open(qtbot, dock, tmp_path / "broken.tif", tmp_path / "new.png")
    broken, new = session.images[1:]
    assert session.current is new, "the first new one that can be read"
    _shown(qtbot, session, new)
    session.set_current(broken)
    assert new.layers["image"] in session.viewer.layers
    assert "The viewer still shows new." in dock.trouble.text()
    press(dock.trouble, "Take this image off the list")
    assert broken not in session.images
    assert session.current is new and new.layers["image"] in session.viewer.layers
    assert not dock.trouble.isVisibleTo(dock)


def test_samples_open(qtbot, session, dock):
    dock.open_sample("hne", with_clicks=True)
    entry = session.current
    _shown(qtbot, session, entry)
    qtbot.waitUntil(lambda: "clicks" in entry.layers, timeout=8000)
    assert len(entry.points) == 95
    assert entry.labels is not None
    assert entry.image.kind == "h&e"


def test_a_click_on_the_tick_changes_the_tick_alone(qtbot, session, dock, image_file, nuclei, tmp_path):
    skimage.io.imsave(tmp_path / "second.png", nuclei[0], check_contrast=False)
    first, second = (
        session.add_entry("first", path=image_file),
        session.add_entry("second", path=tmp_path / "second.png"),
    )
    session.set_current(first)
    canvas.settle()
    item = dock.list.item(1)
    at = dock.list.tick_box(item).center()
    QTest.mouseClick(dock.list.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
    assert not second.ticked and first.ticked and session.current is first
    QTest.mouseClick(dock.list.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
    assert second.ticked
    row = dock.list.visualItemRect(item)
    place = QPoint(row.right() - 20, row.center().y())
    QTest.mouseClick(dock.list.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    assert session.current is second and second.ticked
    assert "Use" in dock.tick_words.text() and dock.tick_words.isVisible()


def _several(session, number, **facts):
    return [session.add_entry(f"image {k}", **facts) for k in range(number)]


def test_a_group_stays_on_one_side_of_the_split(session, dock):
    a, b, c, other = _several(session, 4)
    for one in (a, b):
        session.set_current(one)
        dock.details.group.setText(" patient 7 ")
        dock.details.group.editingFinished.emit()
    session.set_current(a)
    dock.use.setCurrentIndex(dock.use.findData("check"))
    dock.use.activated.emit(1)
    assert [one.use for one in (a, b, c, other)] == ["check", "check", "train", "train"]
    assert "Also image 1 of the group patient 7" in dock.told.text()
    session.set_current(c)
    dock.details.group.setText("patient 7")
    dock.details.group.editingFinished.emit()
    assert (c.group, c.use) == ("patient 7", "check")
    assert "image 2 is used for checking only, as the other 2 images of the group patient 7" in dock.told.text()
    dock.use.setCurrentIndex(dock.use.findData("predict"))
    dock.use.activated.emit(2)
    assert [one.use for one in (a, b, c)] == ["check", "check", "predict"], "on neither side: the others stay"
    assert dock.details._known.stringList() == ["patient 7"]


def test_corrected_axes_and_sizes_apply_to_similar_files(qtbot, session, dock, nuclei, tmp_path):
    stack = np.stack([nuclei[0]] * 5)
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.tif", stack, photometric="minisblack")
    tifffile.imwrite(tmp_path / "flat.tif", nuclei[0])
    _open(qtbot, dock, *(tmp_path / f"{name}.tif" for name in ("a", "b", "flat")))
    a, b, flat = session.images
    session.set_current(a)
    # In this order: the pixel size of an image that has several layers already is asked about.
    for changes in ({"pixel_size_um": 0.5}, {"axes": "CYX"}):
        dock._corrected(changes)
        qtbot.waitUntil(lambda changes=changes: changes.items() <= a.understanding.items(), timeout=20_000)
        qtbot.waitUntil(lambda: not dock.understood.trouble.isVisibleTo(dock))
    assert (a.image.n_channels, b.image.n_channels) == (5, 1)
    qtbot.waitUntil(dock.understood.similar.isEnabled, timeout=20_000)
    dock.understood.similar.click()
    qtbot.waitUntil(lambda: b.image.n_channels == 5, timeout=20_000)
    assert b.image.axes == a.image.axes and b.image.pixel_size_um == a.image.pixel_size_um
    assert flat.image.pixel_size_um is None and not flat.understanding
    assert "Applied to 1 more" in dock.told.text()
