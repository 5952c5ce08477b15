"""Many files for many images: guessed, shown, corrected, attached; formats of other programs through the menus."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.io
import tifffile
from qtpy.QtWidgets import QPushButton

from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.labels_out import write_labels
from napari_nucleidomain.data.points import read_points, write_points
from napari_nucleidomain.widgets.export import Snapshot, save_labels
from napari_nucleidomain.widgets.images_dock import ImagesDock
from napari_nucleidomain.widgets.images_pairing_box import names_apart, row_words
from napari_nucleidomain.widgets.points_files import export_file, import_file

from .buttons import press


@pytest.fixture
def dock(session):
    dock = ImagesDock(session.viewer)
    session.viewer.window.add_dock_widget(dock, name="Images (Nuclei)")
    return dock


@pytest.fixture
def folder(tmp_path, nuclei):
    """Four images, and outlines and clicks of three programs in a folder beside them."""
    picture, centres, labels = nuclei
    for name in ("a", "b", "c", "d"):
        skimage.io.imsave(tmp_path / f"{name}.png", picture, check_contrast=False)
    files = tmp_path / "files ü"
    write_labels(labels, files / "a_rois.zip")
    np.save(files / "b_seg.npy", {"masks": labels}, allow_pickle=True)
    skimage.io.imsave(files / "mask_c.png", np.where(labels > 0, 255, 0).astype(np.uint8)[:50], check_contrast=False)
    write_points(centres, files / "a.csv")
    write_points(centres[:5], files / "odd name.zip")
    (files / "broken.zip").write_bytes(b"no zip")
    return tmp_path


def _settled(qtbot, table):
    qtbot.waitUntil(
        lambda: (
            bool(table.rows)
            and not table._reading
            and all(one.state != "checking" for row in table.rows for one in row.choices.values())
        ),
        timeout=8000,
    )


def test_the_table_guesses_is_corrected_and_attaches(qtbot, session, dock, folder, nuclei):
    with qtbot.waitSignal(dock.opener.finished, timeout=8000):
        dock.open_paths([folder])
    table = dock.attach.pair([folder / "files ü"])
    _settled(qtbot, table)
    words = {row.entry.name: row_words(row) for row in table.rows}
    number = len(nuclei[1])
    assert words["a"] == f"✓ {number} outlines (same name)\n✓ {number} new clicks (same name)"
    assert words["b"] == f"✓ {number} outlines (same name)"
    assert words["c"].startswith("⚠ mask_c.png: The outlines are 50×240 pixels, but the image is 200×240")
    assert words["d"] == "no file found"
    assert "1 file without an image: odd name.zip" in table.left.text() and "broken.zip is damaged" in table.left.text()
    assert table.attach.text() == "Attach 3"
    combo = table.table.cellWidget(3, 2)
    combo.setCurrentIndex(combo.findText("odd name.zip"))
    combo.activated.emit(combo.currentIndex())
    _settled(qtbot, table)
    assert table.table.item(3, 3).text() == "✓ 5 new clicks"
    table.attach.click()
    entries = {one.name: one for one in session.images}
    assert entries["a"].labels.name == "a_rois.zip" and entries["b"].labels.name == "b_seg.npy"
    assert entries["c"].labels is None and entries["d"].labels is None
    assert len(entries["a"].points) == number and len(entries["d"].points) == 5
    assert "1 file did not fit" in table.told.text() and table.isVisible()
    assert "2 files of outlines and 2 files of clicks attached." in dock.attach.told.text()


def test_files_in_an_opened_folder_are_offered(qtbot, session, dock, folder, nuclei):
    """Also what cellpose laid beside an image, which is no image of its own."""
    skimage.io.imsave(folder / "b_cp_masks.png", nuclei[2], check_contrast=False)
    with qtbot.waitSignal(dock.opener.finished, timeout=8000):
        dock.open_paths([folder])
    assert [one.name for one in session.images] == ["a", "b", "c", "d"]
    assert all(one.labels is None for one in session.images), "nothing is attached unasked"
    assert "7 files of outlines or clicks may belong" in dock.told.text()
    next(one for one in dock.told.findChildren(QPushButton) if one.text() == "Attach them").click()
    table = dock.attach._pairing
    _settled(qtbot, table)
    assert table.rows[1].choices["labels"].file.name in ("b_seg.npy", "b_cp_masks.png")
    table.close()


def test_masks_opened_as_images_are_offered_as_outlines_of_the_image_beside(qtbot, session, dock, folder, nuclei):
    skimage.io.imsave(folder / "a_mask.png", nuclei[2], check_contrast=False)
    with qtbot.waitSignal(dock.opener.finished, timeout=8000):
        dock.open_paths([folder / "a.png", folder / "a_mask.png"])
    assert [one.name for one in session.images] == ["a", "a_mask"], "nothing is taken unasked"
    assert "By the name, a_mask.png may be outlines of the image beside" in dock.told.text()
    press(dock.told, "Attach as outlines")
    table = dock.attach._pairing
    _settled(qtbot, table)
    assert [one.name for one in session.images] == ["a"]
    assert table.rows[0].choices["labels"].file.name == "a_mask.png" and table.rows[0].choices["labels"].state == "fits"
    table.close()


def test_an_image_called_like_a_mask_can_stay_an_image(qtbot, session, dock, folder):
    skimage.io.imsave(folder / "a_mask.png", np.zeros((30, 40), np.uint8), check_contrast=False)
    with qtbot.waitSignal(dock.opener.finished, timeout=8000):
        dock.open_paths([folder / "a.png", folder / "a_mask.png"])
    press(dock.told, "Keep as image")
    with qtbot.waitSignal(dock.opener.finished, timeout=8000):
        dock.open_paths([folder / "b.png"])
    assert len(session.images) == 3 and not dock.told.text()


def test_files_dropped_with_nothing_open_say_what_to_do(session, dock, folder):
    dock.open_paths([folder / "files ü" / "a_rois.zip"])
    assert not session.images and "open their images first" in dock.told.text()


def test_files_dropped_on_the_dock_open_the_table(qtbot, session, dock, folder):
    with qtbot.waitSignal(dock.opener.finished, timeout=8000):
        dock.open_paths([folder / "a.png"])
    dock.open_paths([folder / "files ü" / "a_rois.zip"])
    table = dock.attach._pairing
    _settled(qtbot, table)
    assert [one.name for one in session.images] == ["a"]
    assert table.rows[0].choices["labels"].file.name == "a_rois.zip"
    table.close()


def test_a_mask_is_split_and_touching_nuclei_on_request(qtbot, session, dock, folder, nuclei):
    with qtbot.waitSignal(dock.opener.finished, timeout=8000):
        dock.open_paths([folder / "a.png"])
    yy, xx = np.mgrid[:200, :240]
    mask = np.zeros((200, 240), bool)
    for x in (60, 78, 150):
        mask |= (yy - 90) ** 2 + (xx - x) ** 2 < 100
    skimage.io.imsave(folder / "mask.png", np.where(mask, 255, 0).astype(np.uint8), check_contrast=False)
    dock.attach.take_labels_file(folder / "mask.png")
    qtbot.waitUntil(lambda: "black-and-white" in dock.attach.told.text(), timeout=8000)
    assert "2 outlines attached" in dock.attach.told.text()
    button = next(one for one in dock.attach.told.findChildren(QPushButton) if one.text() == "Split touching")
    button.click()
    qtbot.waitUntil(lambda: "Split into 3 outlines" in dock.attach.told.text(), timeout=8000)
    made = read_labels(session.current.labels).labels
    np.testing.assert_array_equal(made > 0, mask)
    assert made[90, 60] != made[90, 78] and (folder / "mask.png").exists()


def test_outlines_drawn_on_the_original_slide(qtbot, session, dock, nuclei, tmp_path):
    """QuPath counts from the slide's bounds; the TIFF of the whole canvas tells them; nothing is moved unasked."""
    names = {"x": 60, "y": 40, "width": 120, "height": 100}
    xml = "<image>" + "".join(f"<name>openslide.bounds-{k}</name><value>{v}</value>" for k, v in names.items())
    picture, _, labels = nuclei
    tifffile.imwrite(tmp_path / "a.tif", picture, description=xml, metadata=None)
    inside = np.where(np.indices(labels.shape)[1] > 70, labels, 0) * (np.indices(labels.shape)[0] > 50)
    write_labels(inside, tmp_path / "q.geojson", offset=(-40, -60))
    with qtbot.waitSignal(dock.opener.finished, timeout=8000):
        dock.open_paths([tmp_path / "a.tif"])
    dock.attach.take_labels_file(tmp_path / "q.geojson")
    text = "Drawn on the original slide"
    qtbot.waitUntil(lambda: text in [b.text() for b in dock.attach.told.findChildren(QPushButton)], timeout=8000)
    next(one for one in dock.attach.told.findChildren(QPushButton) if one.text() == text).click()
    qtbot.waitUntil(lambda: "empty margin" in dock.attach.told.text(), timeout=8000)
    np.testing.assert_array_equal(read_labels(session.current.labels).labels, inside)


def test_fiji_zips_from_review_and_points(qtbot, session, dock, folder, nuclei, tmp_path):
    """What Review saves lies on the image's pixels; clicks go out and come back."""
    with qtbot.waitSignal(dock.opener.finished, timeout=8000):
        dock.open_paths([folder / "a.png"])
    entry = session.current
    labels = nuclei[2][40:160, 30:200]
    result = Snapshot("a", labels, (40, 30), None, entry.image, None, None, None)
    whole = np.zeros((200, 240), np.uint32)
    whole[40:160, 30:200] = labels
    found = read_labels(save_labels(result, tmp_path / "out.zip"), (200, 240)).labels
    np.testing.assert_array_equal(found, whole)
    entry.points = nuclei[1]
    path = export_file(tmp_path / "clicks.zip", entry, "points")
    np.testing.assert_array_equal(read_points(path), nuclei[1])
    entry.points = np.zeros((0, 2))
    assert import_file(path, entry).new_points == len(nuclei[1])


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    files = [tmp_path / "one" / "a_labels.tif", tmp_path / "two" / "a_labels.tif", tmp_path / "two" / "b.tif"]
    assert list(names_apart(files).values()) == ["one/a_labels.tif", "two/a_labels.tif", "b.tif"]
