"""What a person paints in a result stays: on disk, with what the model said of all other nuclei."""

from __future__ import annotations

import numpy as np
import pytest

from napari_nucleidomain.contracts.files import read_json, write_json
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.tables import read_table
from napari_nucleidomain.widgets.predict_run import read_for_show
from napari_nucleidomain.widgets.result_layers import result_layers
from napari_nucleidomain.widgets.result_save import keep_edited
from napari_nucleidomain.widgets.results import find_results, load_result
from napari_nucleidomain.widgets.review_images import write_all_images
from napari_nucleidomain.widgets.review_subject import subjects
from napari_nucleidomain.widgets.uncertainty_colours import uncertainty_colours

from .test_review_dock import dock, entry, predicted, ready  # noqa: F401


@pytest.fixture
def result(session, entry, nuclei):  # noqa: F811
    stored = predicted(session, entry, nuclei[2].astype(np.uint32))
    return result_layers(session).show(entry, *read_for_show(stored))


def paint(result):
    """One nucleus more, by napari's own brush, and nucleus 2 taken away."""
    number = int(result.layer.data.max()) + 1
    layer = result.layer
    layer.brush_size = 5
    layer.paint((3, 3), number)
    layer.fill(tuple(np.argwhere(layer.data == 2)[0]), 0)
    return number


def test_a_painted_nucleus_is_on_disk_seconds_later_and_the_programs_own_result_too(result, session, nuclei, qtbot):
    number = paint(result)
    with qtbot.waitSignal(result_layers(session).autosave.saved, timeout=15_000):
        pass
    stored = find_results(session.project, result.entry.path)[0]
    now = read_labels(stored.labels_file).labels
    np.testing.assert_array_equal(now, result.labels())
    assert now[3, 3] == number
    np.testing.assert_array_equal(read_labels(stored.found_file).labels, nuclei[2])
    assert stored.nuclei == nuclei[2].max()
    assert stored.when == result.stored.when
    result.layer.undo()
    result.layer.undo()
    result_layers(session).autosave.flush()
    np.testing.assert_array_equal(read_labels(stored.labels_file).labels, nuclei[2])


def test_closing_the_viewer_saves_at_once_and_it_opens_again_as_painted(result, session, dock, qtbot, tmp_path):  # noqa: F811
    number = paint(result)
    session.close()
    stored = find_results(session.project, result.entry.path)[0]
    assert stored.edited
    loaded = load_result(stored)
    assert loaded.labels[3, 3] == number
    assert not (loaded.labels == 2).any()
    assert np.isnan(loaded.scores[[1, number - 1]]).all()
    assert np.isfinite(np.delete(loaded.scores, [1, number - 1])).all()
    write_all_images(session.project, [("cells 1", result.entry.path, None)], tmp_path)
    assert number in [int(one) for one in read_table(tmp_path / "nuclei.csv")["id"]]


def test_an_earlier_result_says_that_it_was_edited(result, session, dock, entry, qtbot):  # noqa: F811
    number = paint(result)
    session.viewer.layers.remove(result.layer)
    entry.layers.pop(result.stored.role, None)
    result_layers(session).all.clear()
    result_layers(session).autosave.flush()
    dock.older.look()
    qtbot.waitUntil(lambda: dock.older.list.count() == 1 and "edited" in dock.older.list.itemText(0))
    dock.older.show_chosen()
    qtbot.waitUntil(lambda: len(result_layers(session).of(entry)) == 1)
    again = result_layers(session).of(entry)[0]
    assert again.edited
    assert again.labels()[3, 3] == number
    assert subjects(session, entry)[0].name.endswith("edited")


def test_only_painted_nuclei_lose_their_score(result, session, dock, entry, qtbot):  # noqa: F811
    number = paint(result)
    ready(dock, qtbot)
    table = dock.found.table
    unknown = np.isnan(table["uncertainty"])
    assert table["id"][unknown].tolist() == [number]
    assert np.array_equal(np.isnan(table["score"]), unknown)
    assert dock.modes._buttons["uncertain"].isEnabled()
    assert dock.walk.by.findData("unsure") >= 0
    grey = uncertainty_colours(subjects(session, entry)[0]).map(number)
    np.testing.assert_allclose(grey[:3], 0.5, atol=0.01)


def test_a_failed_save_leaves_the_old_one_and_is_told(result, session, nuclei, monkeypatch):
    from napari_nucleidomain.contracts import NucleiError
    from napari_nucleidomain.data import labels_out

    def full(*_, **__):
        raise NucleiError("The disk is full.", "Free some space.")

    told = []
    session.save_failed.connect(told.append)
    paint(result)
    with monkeypatch.context() as patch:
        patch.setattr(labels_out, "write_labels", full)
        result_layers(session).autosave.flush()
    assert "full" in str(told[0])
    np.testing.assert_array_equal(read_labels(result.stored.labels_file).labels, nuclei[2])
    result_layers(session).autosave.flush()
    np.testing.assert_array_equal(read_labels(result.stored.labels_file).labels, result.labels())


def test_the_same_labels_are_not_written_again(result):
    labels = result.labels()
    known = keep_edited(result.stored, labels, None, None)
    before = result.stored.labels_file.stat().st_mtime_ns
    assert keep_edited(result.stored, labels, None, known) == known
    assert result.stored.labels_file.stat().st_mtime_ns == before


def test_a_result_in_other_hands_is_kept_beside_theirs(result, session, nuclei):
    told = []
    session.save_failed.connect(told.append)
    paint(result)
    owner = session.project_folder / "viewer" / "owner.json"
    write_json(owner, {**read_json(owner), "token": "other", "host": "elsewhere"})
    result_layers(session).autosave.flush()
    file = result.stored.labels_file
    np.testing.assert_array_equal(read_labels(file).labels, nuclei[2])
    kept = file.with_name(f"{file.stem}.kept-1.tif")
    np.testing.assert_array_equal(read_labels(kept).labels, result.labels())
    assert kept.name in str(told[-1]) and session.read_only is not None
    assert not result.stored.edited


def test_a_result_is_saved_before_its_project_is_given_up(result, session, tmp_path):
    number = paint(result)
    session.open_project(tmp_path / "another")
    assert read_labels(result.stored.labels_file).labels[3, 3] == number
