"""Outlines corrected in a part of an image: taken as they are there, clicks elsewhere, nothing of them kept back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.dataset import Dataset, open_dataset
from napari_nucleidomain.data.example import Example
from napari_nucleidomain.data.known import known_map
from napari_nucleidomain.data.labels_out import write_labels
from napari_nucleidomain.data.points import write_points
from napari_nucleidomain.data.regions import Region, write_regions
from napari_nucleidomain.methods.spn_ien.clicked import load_clicked
from napari_nucleidomain.methods.spn_ien.corrected import points_with, teach_instances
from napari_nucleidomain.methods.spn_ien.labels import crop_centres, make_semantic
from napari_nucleidomain.methods.spn_ien.train import train
from napari_nucleidomain.runs.stages import StageFolder

from .fake_run import FakeRun
from .scenes import discs, stained
from .test_spn_ien_training import config

BOX = (0, 0, 90, 140)


def write_example(
    folder: Path, truth: np.ndarray, clicks: np.ndarray | None, box: tuple[int, ...] = BOX, **extra: object
) -> Example:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(stained(truth)).save(folder / "image.png")
    if clicks is not None:
        write_points(clicks, folder / "points.csv")
    write_labels(truth, folder / "corrected.tif")
    write_regions([Region.box(*box)], folder / "corrected.geojson")
    return Example(
        folder / "image.png",
        points=None if clicks is None else folder / "points.csv",
        corrected=folder / "corrected.tif",
        corrected_in=folder / "corrected.geojson",
        **extra,  # type: ignore[arg-type]
    )


def saved(folder: Path, *examples: Example) -> Dataset:
    return open_dataset(Dataset(folder / "dataset.json", list(examples)).save())


def test_outlines_replace_clicks_in_the_corrected_part_only(tmp_path: Path) -> None:
    truth, clicks = discs(140, 26, 8)
    wrong = clicks + np.where(clicks[:, :1] < 80, 5, 0)
    (one,) = load_clicked(saved(tmp_path, write_example(tmp_path, truth, wrong)), config(keep_back=0.0), _quiet)
    assert one.known is not None and one.corrected == len(np.unique(truth[:90])) - 1
    at = one.points.astype(int)
    above = at[:, 0] < 90
    assert above.sum() == one.corrected
    assert (np.diff(np.sort(truth[tuple(at[above].T)])) > 0).all() and truth[tuple(at[above].T)].all()
    # A click on a nucleus that the border cuts goes with it: two points would divide it.
    cut = np.isin(truth[tuple(wrong.astype(int).T)], np.unique(truth[:90]))
    own = {tuple(p) for p in wrong[(wrong[:, 0] > 90) & ~cut]}
    assert len(own) + one.corrected == len(clicks)
    assert {tuple(p) for p in one.points[~above]} == own
    assert one.inside.all(), "clicks and outlines together cover the image"


def test_corrections_are_never_kept_back(tmp_path: Path) -> None:
    truth, clicks = discs(300, 26, 8)
    # The strip to check with would be cut off at the lower end, where the corrections lie.
    example = write_example(tmp_path, truth, clicks, (200, 0, 300, 300))
    (one,) = load_clicked(saved(tmp_path, example), config(keep_back=0.3), _quiet)
    assert one.check_box is not None and one.check_mask is not None and len(one.check_points)
    rows, columns = (slice(*side) for side in one.check_box)
    assert not (one.check_mask & (one.known[rows, columns] >= 0)).any()
    assert one.inside[210:, :].all()
    assert sum(p[0] >= 200 for p in one.points) == one.corrected
    assert len(one.points) + len(one.check_points) == len(clicks)


def test_there_is_always_something_to_check_with(tmp_path: Path) -> None:
    truth, clicks = discs(140, 26, 8)
    # All but a row of the clicks lie in the corrected part: too few are left to keep some back.
    example = write_example(tmp_path, truth, clicks, (0, 0, 115, 140))
    (one,) = load_clicked(saved(tmp_path, example), config(keep_back=0.2), _quiet)
    assert one.check_box is not None and len(one.check_points) >= 4
    rows, columns = (slice(*side) for side in one.check_box)
    assert (one.known[rows, columns] == -1).all(), "what is kept back teaches nothing"
    assert one.corrected and len(one.points) + len(one.check_points) == len(clicks)


def test_a_part_alone_teaches_without_a_single_click(tmp_path: Path) -> None:
    truth, _ = discs(140, 26, 8)
    (one,) = load_clicked(saved(tmp_path, write_example(tmp_path, truth, None)), config(keep_back=0.0), _quiet)
    assert len(one.points) == one.corrected
    assert one.inside[:90].all() and not one.inside[90:].any()


def test_a_part_without_nuclei_is_background(tmp_path: Path) -> None:
    truth, clicks = discs(200, 26, 8)
    truth[:70] = 0
    (one,) = load_clicked(saved(tmp_path, write_example(tmp_path, truth, clicks, (0, 0, 60, 200))), config(), _quiet)
    assert one.corrected == 0 and (one.known[:60] == 0).all()
    assert (one.points[:, 0] > 59).all() and one.inside[:60].all()


def test_a_part_without_nuclei_far_from_every_click_teaches(tmp_path: Path) -> None:
    truth, clicks = discs(500, 26, 8)
    truth[350:, 350:] = 0
    write_regions([Region.box(0, 0, 150, 500)], tmp_path / "regions.geojson")
    (tmp_path / "a").mkdir()
    far = write_example(tmp_path / "a", truth, clicks[clicks[:, 0] < 150], (380, 380, 500, 500))
    alone = write_example(tmp_path / "b", np.zeros_like(truth), None, (0, 0, 100, 100))
    said: list[str] = []
    dataset = saved(tmp_path, far.changed(regions=tmp_path / "regions.geojson"), alone)
    images = load_clicked(dataset, config(), lambda message, hint: said.append(message))
    assert [len(one.points) > 0 for one in images] == [True, False, False]
    assert not any("no click" in message for message in said)
    for empty in images[1:]:
        assert empty.corrected == 0 and (empty.known[empty.inside] == 0).all() and len(crop_centres(empty, config()))
        assert len(crop_centres(empty, config(crops="everywhere")))
    run = FakeRun(tmp_path / "run", steps=6)
    train(run, dataset, config())
    weights, _ = run.build()
    assert all(np.isfinite(value).all() for value in weights.values())


def test_corrected_background_is_looked_at(tmp_path: Path) -> None:
    truth, clicks = discs(300, 26, 8)
    truth[200:] = 0
    example = write_example(tmp_path, truth, clicks[clicks[:, 0] < 200], (180, 0, 300, 300))
    (one,) = load_clicked(saved(tmp_path, example), config(keep_back=0.0), _quiet)
    assert (crop_centres(one, config())[:, 0] > 240).any()


def test_outlines_of_the_whole_image_are_corrected_too(tmp_path: Path) -> None:
    truth, clicks = discs(140, 26, 8)
    wrong = truth.copy()
    wrong[:70] = 0
    write_labels(wrong, tmp_path / "labels.tif")
    example = write_example(tmp_path, truth, clicks, labels=tmp_path / "labels.tif")
    (one,) = load_clicked(saved(tmp_path, example), config(variant="fully", keep_back=0.0), _quiet)
    np.testing.assert_array_equal(one.labels[:90] > 0, truth[:90] > 0)
    np.testing.assert_array_equal(one.labels[90:] > 0, wrong[90:] > 0)


def test_both_networks_are_told_what_is_known(tmp_path: Path) -> None:
    truth, clicks = discs(140, 26, 8)
    settings = config(keep_back=0.0)
    images = load_clicked(saved(tmp_path, write_example(tmp_path, truth, clicks)), settings, _quiet)
    stage = StageFolder(tmp_path / "stage", "key")
    make_semantic(FakeRun(tmp_path / "run"), stage, images, settings)
    maps = stage.load("0")
    for kind in ("voronoi", "clusters"):
        np.testing.assert_array_equal(maps[kind][:90], truth[:90] > 0)
        assert (maps[kind][95:] == 2).any(), "below, clicks leave some unsaid"


def test_guesses_that_reach_into_the_known_part_are_dropped() -> None:
    known = np.full((6, 6), -1, np.int32)
    known[:3] = 0
    known[0:3, 0:2] = 1
    guessed = np.zeros((6, 6), np.int32)
    guessed[2:5, 0:2] = 7
    guessed[4:6, 4:6] = 9
    made = teach_instances(guessed, known)
    assert (made[3:5, 0:2] == -1).all()
    assert (made[4:6, 4:6] == 9).all()
    assert len(np.unique(made[0:3, 0:2])) == 1 and made[0, 0] not in (-1, 0, 9)
    assert (made[:3, 2:] == 0).all()
    # A guessed nucleus never shares its number with a known one: the loss would pull the two together.
    guessed[4:6, 4:6] = 1
    made = teach_instances(guessed, known)
    assert made[5, 5] == 1 and made[0, 0] > 1


def test_huge_numbers_and_nuclei_cut_by_the_part(tmp_path: Path) -> None:
    truth, clicks = discs(140, 26, 8)
    painted = truth.astype(np.uint32)
    painted[truth == 3] = 4_000_000_000
    (tmp_path / "a").mkdir()
    example = write_example(tmp_path / "a", painted, clicks, (0, 0, 66, 140))
    corrections = example.load_corrections()
    known = known_map(corrections)
    assert known.max() == len(np.unique(truth[:66])) - 1
    points, sure = points_with(clicks, corrections)
    assert len(points) == len(clicks), "a nucleus that the border cuts has one point, not two"
    assert sure.sum() == known.max() and (known[tuple(points[sure].astype(int).T)] > 0).all()


def test_training_says_how_many_and_changes_with_them(tmp_path: Path) -> None:
    truth, clicks = discs(140, 26, 8)
    example = write_example(tmp_path, truth, clicks)
    with_them, without = (
        saved(tmp_path, example),
        Dataset(tmp_path, [example.changed(corrected=None, corrected_in=None)]),
    )
    assert with_them.digest() != without.digest()
    run = FakeRun(tmp_path / "run", steps=4)
    train(run, with_them, config())
    weights, card = run.build()
    assert card.trained_on["corrected"] == len(np.unique(truth[:90])) - 1
    assert all(np.isfinite(value).all() for value in weights.values())


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("missing", "belong together"),
        ("size", "100×140 pixels, but the image is 140×140"),
        ("outside", "outside the image"),
        ("cut", "truncated"),
    ],
)
def test_corrections_that_will_not_do_are_left_out_and_said(tmp_path: Path, harm: str, said: str) -> None:
    truth, clicks = discs(140, 26, 8)
    example = write_example(tmp_path, truth, clicks)
    if harm == "missing":
        example = example.changed(corrected_in=None)
    elif harm == "size":
        write_labels(truth[:100], tmp_path / "corrected.tif")
    elif harm == "outside":
        write_regions([Region.box(500, 500, 600, 600)], tmp_path / "corrected.geojson")
    else:
        whole = (tmp_path / "corrected.tif").read_bytes()
        (tmp_path / "corrected.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NucleiError, match=said):
        example.load_corrections()
    dataset = saved(tmp_path, example)
    assert dataset.all[0].corrected is None and dataset.all[0].points is not None
    assert any(said in message for _, message in dataset.problems)


def test_corrections_travel_with_a_job_for_a_cluster(tmp_path: Path) -> None:
    from napari_nucleidomain.runs.job import TrainJob
    from napari_nucleidomain.runs.portable import write_portable

    truth, clicks = discs(140, 26, 8)
    data = Dataset(tmp_path / "dataset.json", [write_example(tmp_path, truth, clicks)]).save()
    made = write_portable(TrainJob(method="spn-ien", preset="quick", data=str(data), name="m"), tmp_path / "job")
    copied = open_dataset(Path(made.job.data)).all[0]
    assert copied.corrected is not None and copied.corrected.is_relative_to(tmp_path / "job")
    np.testing.assert_array_equal(copied.load_corrections().labels, truth)


def _quiet(message: str, hint: str) -> None:
    """Warnings are not looked at here."""
