"""Correcting a result in a real window: keys, mouse, napari's undo, and that the viewer is left as it was."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.widgets.predict_run import read_for_show
from napari_nucleidomain.widgets.result_layers import result_layers
from napari_nucleidomain.widgets.results import find_results, load_result
from napari_nucleidomain.widgets.review_notes import notes_file, read_notes
from napari_nucleidomain.widgets.review_walk import Pace, Walk

from .canvas import click, drag, key, settle
from .test_review_dock import dock, entry, predicted, ready  # noqa: F401


@pytest.fixture
def result(session, entry, nuclei):  # noqa: F811
    return result_layers(session).show(entry, *read_for_show(predicted(session, entry, nuclei[2].astype(np.uint32))))


@pytest.fixture
def bar(result, dock, qtbot):  # noqa: F811
    ready(dock, qtbot)
    return dock.hand.edit


def of_viewer(viewer):
    """What a guest must not change."""
    active = viewer.layers.selection.active
    return (
        active,
        {layer: str(layer.mode) for layer in viewer.layers if layer.name != "selected nucleus"},
        viewer.scene.camera.center,
        viewer.scene.camera.zoom,
        viewer.scene.camera.mouse_pan,
        viewer.dims.point,
        viewer.cursor.style,
        [layer.name for layer in viewer.layers if layer.name != "selected nucleus"],
        bool(viewer.keymap),
    )


def centre(result, number):
    return np.argwhere(result.layer.data == number).mean(axis=0)


def test_keep_notes_it_goes_on_and_is_remembered_with_the_result(bar, dock, result, session, entry):  # noqa: F811
    walk, total = dock.walk, int(result.layer.data.max())
    assert "Choose a nucleus" in bar.buttons["keep"].toolTip()
    assert walk.told.text().startswith(f"0 of {total} looked at, about")
    session.viewer.layers.selection.active = result.layer
    walk.step(1)
    first = walk.here
    key(session.viewer, Qt.Key.Key_K)
    assert walk.told.text().startswith(f"1 of {total} looked at")
    assert walk.here != first
    assert bar.number == walk.here
    assert (result.layer.data == first).any()
    session.close()
    assert read_notes(result.stored).looked == {first}
    assert not find_results(session.project, entry.path)[0].edited


def test_delete_is_one_step_of_naparis_undo_and_on_disk_when_the_window_closes(bar, dock, result, session, qtbot):  # noqa: F811
    session.viewer.layers.selection.active = result.layer
    before = result.layer.data.copy()
    dock.walk.step(1)
    gone = dock.walk.here
    key(session.viewer, Qt.Key.Key_D)
    assert not (result.layer.data == gone).any()
    np.testing.assert_array_equal(result.layer.data, np.where(before == gone, 0, before))
    assert dock.walk.here != gone
    standing = dock.walk.here
    ready(dock, qtbot)
    assert gone not in dock.table.model.columns["id"]
    assert dock.walk.here == standing
    result.layer.undo()
    np.testing.assert_array_equal(result.layer.data, before)
    qtbot.waitUntil(lambda: gone in dock.table.model.columns["id"])
    bar.buttons["redo"].click()
    assert not (result.layer.data == gone).any()
    session.close()
    stored = find_results(session.project, result.entry.path)[0]
    assert stored.edited
    np.testing.assert_array_equal(read_labels(stored.labels_file).labels, np.where(before == gone, 0, before))
    assert np.isnan(load_result(stored).scores[gone - 1])


def test_split_by_a_line_leaves_selection_tool_and_camera(bar, dock, result, session, qtbot):  # noqa: F811
    viewer = session.viewer
    viewer.layers.selection.active = result.layer
    result.layer.mode = "paint"
    was, before = of_viewer(viewer), result.layer.data.copy()
    y, x = centre(result, 7)
    key(viewer, Qt.Key.Key_T)
    assert bar.buttons["split"].isChecked()
    assert str(result.layer.mode) == "pan_zoom"
    drag(viewer, result.layer, (y - 15, x + 3), (y + 15, x + 3))
    assert of_viewer(viewer) == was
    new = int(before.max()) + 1
    now = result.layer.data
    np.testing.assert_array_equal(np.where(now == new, 7, now), before)
    assert (np.argwhere(now == new)[:, 1] > x + 1).all()
    assert (now == 7).sum() > (now == new).sum() > 20
    assert bar.number == 7
    assert not bar.buttons["split"].isChecked()
    bar.buttons["undo"].click()
    np.testing.assert_array_equal(result.layer.data, before)
    assert read_after_flush(session, result) == (7, new)


def test_the_walk_keeps_its_place_after_a_neighbour_was_split_or_joined(bar, dock, result, session, qtbot):  # noqa: F811
    viewer, layer, walk = session.viewer, result.layer, dock.walk
    viewer.layers.selection.active = layer
    for _ in range(3):
        walk.step(1)
    here, following, total = walk.here, int(walk.ids[3]), len(walk.ids)
    far = int(walk.ids[-1])
    y, x = centre(result, far)
    key(viewer, Qt.Key.Key_T)
    drag(viewer, layer, (y - 15, x + 3), (y + 15, x + 3))
    assert bar.number == far and walk.here == here
    ready(dock, qtbot)
    assert (walk.here, walk.place.text()) == (here, f"3 of {total + 1}")
    new = int(layer.data.max())
    key(viewer, Qt.Key.Key_J)
    click(viewer, layer, centre(result, far))
    click(viewer, layer, centre(result, new))
    assert not bar.tool.kind and bar.number in (far, new)
    ready(dock, qtbot)
    assert (walk.here, walk.place.text()) == (here, f"3 of {total}")
    walk.on.click()
    assert walk.here == following


def read_after_flush(session, result):
    session.about_to_close.emit()
    return tuple(sorted(read_notes(result.stored).looked))


def test_a_line_that_does_not_cross_says_so_and_esc_leaves(bar, result, session, entry):  # noqa: F811
    viewer = session.viewer
    other = viewer.add_points(name="mine")
    other.mode = "add"
    was, before = of_viewer(viewer), result.layer.data.copy()
    bar.buttons["split"].click()
    y, x = centre(result, 7)
    drag(viewer, result.layer, (y - 15, x), (y - 1, x))
    assert "edge to edge" in bar.message.text()
    assert bar.tool.kind == "line"
    np.testing.assert_array_equal(result.layer.data, before)
    key(viewer, Qt.Key.Key_Escape)
    assert not bar.tool.kind
    assert of_viewer(viewer) == was
    assert len(other.data) == 0


def test_join_by_two_clicks_with_a_tool_in_hand_that_comes_back(bar, dock, result, session):  # noqa: F811
    viewer, layer = session.viewer, result.layer
    a, b = centre(result, 1), centre(result, 2)
    gap = [(round(a[0]), column) for column in range(240) if a[1] + 11 < column < b[1] - 11]
    layer.data_setitem(tuple(np.array(gap).T), 1)
    layer.contour = 0
    viewer.layers.selection.active = layer
    layer.mode = "erase"
    was = of_viewer(viewer)
    key(viewer, Qt.Key.Key_J)
    click(viewer, layer, a)
    assert "other one" in bar.message.text()
    click(viewer, layer, (a[0] + 19, a[1]))
    assert "no nucleus here" in bar.message.text()
    click(viewer, layer, b)
    assert of_viewer(viewer) == was
    assert len(np.unique(layer.data[np.isin(layer.data, (1, 2))])) == 1
    assert layer.data[tuple(np.round(a).astype(int))] == layer.data[tuple(np.round(b).astype(int))]
    layer.undo()
    assert (layer.data == 2).any()


def test_far_ones_are_not_joined_and_why(bar, result, session):
    session.viewer.layers.selection.active = result.layer
    bar.buttons["join"].click()
    click(session.viewer, result.layer, centre(result, 1))
    click(session.viewer, result.layer, centre(result, 12))
    assert "px apart" in bar.message.text()
    bar.buttons["join"].click()
    assert not bar.tool.kind


def test_redraw_hands_over_naparis_polygon_with_the_same_id_and_takes_it_back(bar, dock, result, session, qtbot):  # noqa: F811
    viewer, layer = session.viewer, result.layer
    image = result.entry.layers["image"]
    viewer.layers.selection.active = image
    dock.go_to(7, follow=False)
    y, x = centre(result, 7)
    bar.buttons["redraw"].click()
    assert not (layer.data == 7).any()
    assert viewer.layers.selection.active is layer
    assert (str(layer.mode), layer.selected_label) == ("polygon", 7)
    layer.paint_polygon([(y - 5, x - 5), (y - 5, x + 5), (y + 5, x + 5), (y + 5, x - 5)], 7)
    settle()
    assert viewer.layers.selection.active is image
    assert str(layer.mode) == "pan_zoom"
    assert (layer.data == 7).sum() == 121
    layer.undo()
    layer.undo()
    assert (layer.data == 7).sum() > 200


def test_a_missed_nucleus_is_added_with_a_new_number(bar, dock, result, session, qtbot):  # noqa: F811
    viewer, layer = session.viewer, result.layer
    viewer.layers.selection.active = layer
    new = int(layer.data.max()) + 1
    before = layer.data.copy()
    key(viewer, Qt.Key.Key_A)
    assert (str(layer.mode), layer.selected_label) == ("polygon", new)
    assert "Click round the missed nucleus" in bar.message.text()
    layer.paint_polygon([(2, 2), (2, 9), (9, 9), (9, 2)], new)
    settle()
    assert str(layer.mode) == "pan_zoom" and (layer.data == new).sum() == 64
    assert bar.number == new and not bar.message.text()
    ready(dock, qtbot)
    assert dock.table.model.row_of(new) >= 0
    assert new in read_after_flush(session, result)
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)


def test_keys_are_ours_only_while_the_results_layer_is_selected_and_the_dock_is_seen(bar, dock, result, session):  # noqa: F811
    viewer = session.viewer
    viewer.layers.selection.active = result.entry.layers["image"]
    dock.go_to(7, follow=False)
    assert "select it" in bar.keys_note.text()
    key(viewer, Qt.Key.Key_D)
    assert (result.layer.data == 7).any()
    bar.keys_note.linkActivated.emit("select")
    assert viewer.layers.selection.active is result.layer
    assert "select it" not in bar.keys_note.text()
    dock.hide()
    settle()
    key(viewer, Qt.Key.Key_D)
    assert (result.layer.data == 7).any()
    assert not result.layer.keymap
    dock.show()
    key(viewer, Qt.Key.Key_D)
    assert not (result.layer.data == 7).any()


def test_a_layer_that_comes_and_goes_does_not_take_the_line_away(bar, result, session, nuclei):
    from napari_nucleidomain.widgets.layers import put_labels, remove

    viewer = session.viewer
    viewer.layers.selection.active = result.layer
    bar.buttons["split"].click()
    put_labels(session, result.entry, "preview", "preview", nuclei[2])
    settle()
    assert bar.tool.kind == "line"
    assert not viewer.scene.camera.mouse_pan
    remove(session, result.entry, "preview")
    result.layer.mode = "paint"
    settle()
    assert not bar.tool.kind, "the person took up another tool"
    assert str(result.layer.mode) == "paint"
    bar.buttons["split"].click()
    viewer.layers.remove(result.layer)
    settle()
    assert not bar.tool.kind
    assert "cut" not in viewer.layers


def test_large_and_locked_results_say_why(bar, dock, result, session, qtbot):  # noqa: F811
    result.layer.editable = False
    bar.refresh()
    assert "locked" in bar.buttons["delete"].toolTip()
    data = result.layer.data
    pyramid = session.viewer.add_labels([data, data[::2, ::2]], name="large")
    from napari_nucleidomain.widgets.review_subject import Subject

    bar.serve(result.entry, Subject("layer:large", "large", pyramid))
    for name, button in bar.buttons.items():
        assert not button.isEnabled(), name
        assert "this large" in button.toolTip()
    assert bar.keys_note.isHidden()
    bar.split()
    assert "this large" in bar.message.text()


def test_in_3d_and_in_a_project_of_another_viewer_it_says_why(bar, dock, result, session, monkeypatch):  # noqa: F811
    from napari_nucleidomain.contracts import NucleiError
    from napari_nucleidomain.widgets.session import Session

    viewer = session.viewer
    viewer.dims.ndisplay = 3
    assert "2D" in bar.buttons["split"].toolTip()
    bar.split()
    assert not bar.tool.kind
    assert "2D" in bar.message.text()
    viewer.dims.ndisplay = 2
    assert bar.buttons["split"].isEnabled()
    monkeypatch.setattr(Session, "read_only", property(lambda _: NucleiError("Another napari has it.", "Close it.")))
    session.read_only_changed.emit()
    viewer.layers.selection.active = result.layer
    dock.go_to(7, follow=False)
    key(viewer, Qt.Key.Key_D)
    assert (result.layer.data == 7).any()
    assert "Another napari" in bar.buttons["delete"].toolTip()
    dock.hand.check.begin()
    assert "Another napari" in dock.hand.check.message.text()
    told = []
    session.save_failed.connect(told.append)
    dock.hand.notes.look(dock.subject, (7,))
    dock.hand.notes.flush()
    assert "Another napari" in str(told[0])
    assert not notes_file(result.stored).exists()


def test_notes_of_a_later_version_are_told_and_left_alone(bar, dock, result, session, qtbot):  # noqa: F811
    file = notes_file(result.stored)
    file.parent.mkdir()
    file.write_text('{"schema_version": 99}', encoding="utf-8")
    told = []
    session.save_failed.connect(told.append)
    dock.hand.notes._all.clear()
    dock.hand.notes._files.clear()
    dock.hand.serve(result.entry, dock.subject)
    dock.go_to(3, follow=False)
    bar.keep()
    session.about_to_close.emit()
    assert "later version" in str(told[0])
    assert "99" in file.read_text(encoding="utf-8")


def test_the_walk_says_how_long_it_will_take(qtbot):
    times = iter([0, 10, 20, 30, 30 + 3600, 3640])
    pace = Pace(lambda: next(times))
    for _ in range(6):
        pace.step()
    assert pace.left(6) == 60
    walk = Walk()
    qtbot.addWidget(walk)
    walk.pace = Pace(lambda: 0.0)
    walk.set_table({"id": np.arange(1, 41), "area_px": np.arange(40.0)}, {})
    walk.by.setCurrentIndex(walk.by.findData("smallest"))
    assert walk.told.text() == "0 of 40 looked at, about 3 min left"
    walk.set_looked(set(range(1, 41)))
    assert walk.told.text() == "40 of 40 looked at ✓"
    assert not walk.go_on()
    walk.set_looked({1, 2, 3})
    assert walk.go_on()
    assert walk.here == 4
    walk.set_table({"id": np.array([1, 2, 3, 5, 6]), "area_px": np.arange(5.0)}, {})
    walk.step(1)
    assert walk.here == 5


def test_after_a_correction_the_walk_goes_on_where_it_was(qtbot):
    """A nucleus changed by hand has no score any more: by score it would be the last."""
    walk = Walk()
    qtbot.addWidget(walk)
    walk.set_table({"id": np.arange(1, 7), "score": np.arange(6) / 10, "uncertainty": np.arange(6) / 10}, {})
    walk.step(2)
    assert walk.here == 2
    score = np.array([0.0, np.nan, 0.2, 0.3, 0.4, 0.5, np.nan])
    walk.set_table({"id": np.arange(1, 8), "score": score, "uncertainty": score}, {})
    assert walk.ids.tolist() == [1, 2, 7, 3, 4, 5, 6]
    assert walk.here == 2
    walk.set_table({"id": np.array([1, 3, 4, 5, 6]), "score": score[2:], "uncertainty": score[2:]}, {})
    assert walk.ids.tolist() == [1, 3, 4, 5, 6]
    walk.step(1)
    assert walk.here == 3
    walk.forget()
    walk.set_table({"id": np.arange(1, 4), "score": np.array([0.9, 0.5, 0.1]), "uncertainty": np.zeros(3)}, {})
    assert walk.ids.tolist() == [3, 2, 1]
