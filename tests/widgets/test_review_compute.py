"""What Review tells of a result: measured and scored as the layers below do, errors by clicks, tables, figure."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.regions import Region
from napari_nucleidomain.data.tables import read_table
from napari_nucleidomain.instances.errormap import ErrorClass
from napari_nucleidomain.instances.scores import score_labels
from napari_nucleidomain.widgets.export import Snapshot, measure_result, save_labels, whole
from napari_nucleidomain.widgets.review_compute import Reference, assess, unusual, with_errors
from napari_nucleidomain.widgets.review_export import methods_paragraph, write_measurements
from napari_nucleidomain.widgets.review_figure import (
    FigureStyle,
    draw_figure,
    inner_edges,
    scale_bar_um,
    write_figure,
)
from napari_nucleidomain.widgets.review_images import image_row
from napari_nucleidomain.widgets.review_walk import order_ids


def snapshot(labels, origin=None, image=None, size=None, scores=None, **facts):
    origin = origin or (0,) * labels.ndim
    return Snapshot("a", labels, origin, size, image, None, scores, scores, **facts)


@pytest.fixture
def truth():
    labels = np.zeros((40, 60), np.uint32)
    labels[2:10, 2:10], labels[2:10, 20:30], labels[20:30, 5:15], labels[20:30, 40:50] = 1, 2, 3, 4
    return labels


def test_scores_are_those_of_the_scores_module(truth):
    predicted = truth.copy()
    predicted[predicted == 4] = 0
    predicted[30:36, 20:26] = 9
    found = assess(snapshot(predicted), Reference("labels", "outlines", truth))
    expected = score_labels(predicted, truth, thresholds=(0.5, 0.7)).as_dict()
    assert found.scores == pytest.approx({k: float(v) for k, v in expected.items()})
    assert found.sentence == "3 of 4 found, 1 missed, 1 extra"
    assert found.error_of == {1: 1, 2: 1, 3: 1, 9: int(ErrorClass.FALSE_ALARM)}
    np.testing.assert_allclose(found.missed, [[24.5, 44.5]])


def test_a_part_is_compared_with_its_part_of_the_truth(truth):
    part = truth[0:15, 0:35]
    found = assess(snapshot(part), Reference("labels", "outlines", truth))
    assert found.scores["aji"] == 1.0
    shifted = assess(snapshot(truth[10:40, 30:60], origin=(10, 30)), Reference("labels", "outlines", truth))
    assert shifted.sentence == "1 of 1 found"
    np.testing.assert_allclose(shifted.table["centroid_x_px"], [44.5])


def test_other_sizes_are_refused_in_words(truth):
    with pytest.raises(NucleiError, match="60×40"):
        assess(snapshot(truth), Reference("labels", "outlines", truth.T))


def test_clicks_tell_found_merged_missed_and_extra(truth):
    clicks = np.array([[5, 5], [5, 22], [5, 27], [35, 50]], float)
    found = assess(snapshot(truth), Reference("clicks", "clicks", points=clicks))
    assert found.sentence == "1 of 4 found, 1 missed, 2 merged, 2 extra"
    assert found.error_of == {
        1: ErrorClass.FOUND,
        2: ErrorClass.MERGED,
        3: ErrorClass.FALSE_ALARM,
        4: ErrorClass.FALSE_ALARM,
    }
    assert found.errors[35, 50] == ErrorClass.MISSED
    np.testing.assert_allclose(found.missed, [[35, 50]])


def test_outside_the_clicked_area_nothing_is_an_error(truth):
    region = Region.box(0, 0, 15, 15)
    found = assess(snapshot(truth), Reference("clicks", "clicks", points=np.array([[5.0, 5]]), regions=[region]))
    assert found.sentence == "1 of 1 found"
    assert found.error_of == {1: ErrorClass.FOUND}
    assert set(np.unique(found.errors)) == {0, 1}


@pytest.mark.parametrize("regions", [[], [Region.box(0, 0, 40, 60)]])
def test_a_nucleus_painted_with_a_huge_number_costs_no_memory(truth, regions):
    truth = truth.astype(np.uint32)
    truth[truth == 2] = 300_000_000
    clicks = np.array([[5, 5], [5, 22], [5, 27], [35, 50]], float)
    tracemalloc.start()
    try:
        found = assess(snapshot(truth), Reference("clicks", "clicks", points=clicks, regions=regions))
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
    assert found.error_of == {
        1: ErrorClass.FOUND,
        3: ErrorClass.FALSE_ALARM,
        4: ErrorClass.FALSE_ALARM,
        300_000_000: ErrorClass.MERGED,
    }


def test_clicks_elsewhere_are_told(truth):
    with pytest.raises(NucleiError, match="None of the clicks"):
        assess(snapshot(truth[:15, :15]), Reference("clicks", "clicks", points=np.array([[35.0, 50]])))


def test_an_empty_result_has_an_empty_table(truth):
    found = assess(snapshot(np.zeros_like(truth)), Reference("labels", "outlines", truth))
    assert len(found.table["id"]) == 0
    assert found.sentence == "0 of 4 found, 4 missed"
    assert not unusual(found.table).any()


def test_measurements_are_in_the_image_and_in_micrometres(truth, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60), dtype=np.uint8)
    image = open_image(pixels)
    result = snapshot(truth[10:40, 30:60], (10, 30), image, (0.5, 0.5), np.array([0.1, 0.2, 0.3, 0.9]))
    table = measure_result(result)
    assert table["id"].tolist() == [4]
    assert table["centroid_y_um"][0] == pytest.approx(24.5 * 0.5)
    assert table["mean_intensity"][0] == pytest.approx(pixels[20:30, 40:50].mean())
    assert table["score"][0] == pytest.approx(0.9)
    path = write_measurements(result, tmp_path / "nuclei.csv")
    columns = read_table(path)
    assert columns["image"] == ["a"]
    assert columns["area_um2"] == ["25"]
    row = image_row(result, table)
    assert row["nuclei"] == 1
    assert row["area_analysed_px"] == 900
    assert row["nuclei_per_mm2"] == pytest.approx(1 / (900 * 0.25e-6))


def test_saved_parts_lie_where_they_were_found(truth, tmp_path):
    image = open_image(np.zeros((40, 60), np.uint8))
    part = snapshot(truth[10:40, 30:60], (10, 30), image)
    expected = np.zeros_like(truth)
    expected[10:40, 30:60] = truth[10:40, 30:60]
    np.testing.assert_array_equal(whole(part), expected)
    for name in ("a.tif", "b.png", "c.geojson"):
        save_labels(part, tmp_path / name)
        read = read_labels(tmp_path / name, truth.shape).labels
        assert (read > 0).tolist() == (expected > 0).tolist()


def test_figure_has_outlines_scale_bar_and_resolution(truth, tmp_path):
    from PIL import Image as Picture

    image = open_image(np.full((80, 120, 3), 200, np.uint8))
    big = np.kron(truth, np.ones((2, 2), np.uint32))
    style = FigureStyle(enlarge=2, least_side=1)
    plain = draw_figure(snapshot(big, image=image), style)
    assert plain.shape == (160, 240, 3)
    edges = inner_edges(np.kron(big, np.ones((2, 2), np.uint32)))
    assert (plain[edges] == style.colour).all()
    assert (plain[~edges] == 200).all()
    barred = draw_figure(snapshot(big, image=image, size=(0.5, 0.5)), style)
    changed = (barred != plain).any(axis=-1)
    assert changed.any()
    assert not changed[:80].any()
    path = write_figure(snapshot(big, image=image), tmp_path / "figure.png", FigureStyle(dpi=600))
    assert round(Picture.open(path).info["dpi"][0]) == 600


def test_a_figure_of_nothing_is_refused(truth):
    with pytest.raises(NucleiError, match="needs a flat image"):
        draw_figure(snapshot(truth), FigureStyle())
    image = open_image(np.zeros((40, 60), np.uint8))
    with pytest.raises(NucleiError, match="outside"):
        draw_figure(snapshot(truth[:10, :10], image=image), FigureStyle(box=[[20, 30], [20, 30]]))


@pytest.mark.parametrize(("width", "bar"), [(100, 20), (260, 50), (9, 1), (1000, 200)])
def test_scale_bars_are_round(width, bar):
    assert scale_bar_um(width) == bar


def test_order_of_a_walk():
    table = {"id": np.array([4, 7, 9]), "area_px": np.array([5, 50, 20]), "uncertainty": np.array([0.1, 0.2, 0.9])}
    assert order_ids(table, "unsure").tolist() == [9, 7, 4]
    scored = {**table, "score": np.array([0.9, np.nan, 0.2])}
    assert order_ids(scored, "unsure").tolist() == [9, 4, 7]
    assert order_ids(table, "largest").tolist() == [7, 9, 4]
    assert order_ids(table, "smallest").tolist() == [4, 9, 7]
    assert order_ids(table, "errors", {4: 1, 7: 2, 9: 5}).tolist() == [7, 9]


def test_unusual_nuclei_stand_out():
    area = np.concatenate([np.random.default_rng(1).normal(100, 5, 200), [900.0]])
    table = {"area_px": area, "solidity": np.random.default_rng(2).normal(0.95, 0.01, 201)}
    assert unusual(table)[-1]
    assert unusual(table)[:-1].mean() < 0.03


def test_errors_in_words():
    table = {"id": np.array([1, 2])}
    assert with_errors(table, {}) is table
    assert with_errors(table, {1: 1, 2: 2})["error"].tolist() == ["found", "false alarm"]


def test_methods_paragraph_says_what_is_known(tmp_path, truth):
    from .trainer import make_model

    assert "Otsu" in methods_paragraph(snapshot(truth, model="otsu"))
    folder = make_model(tmp_path / "liver", 0.83, trained_on={"images": 4, "clicks": 220, "digest": "x"})
    words = methods_paragraph(snapshot(truth, model="liver", model_folder=str(folder)))
    assert "liver" in words
    assert "4 images, 220 clicks" in words
    assert "points_f1 0.83" in words


def test_a_figure_shows_the_colours_on_screen_and_is_large_enough(truth):
    image = open_image(np.full((*truth.shape, 3), 200, np.uint8))
    table = np.array([[0, 0, 0, 0], [1, 0, 0, 1]], float)
    errors = (truth == truth.max()).astype(np.uint8)
    drawn = draw_figure(snapshot(truth, image=image), FigureStyle(classes=errors, table=table))
    assert max(drawn.shape) >= 1000
    enlarge = drawn.shape[0] // truth.shape[0]
    y, x = np.argwhere(errors)[0] * enlarge
    assert drawn[y, x].tolist() == [233, 80, 80]
    y, x = np.argwhere(errors == 0)[0] * enlarge
    assert drawn[y, x].tolist() == [200, 200, 200]
