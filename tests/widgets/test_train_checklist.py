"""What the data offers and lacks, in lines."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from napari_nucleidomain.data.labels_out import write_labels
from napari_nucleidomain.widgets.entry import ImageEntry
from napari_nucleidomain.widgets.train_checklist import check_data, likely_method, questions, stops


def image(shape=(100, 100), rgb=True, channels=3, size=None, kind="h&e", nuclei=None):
    facts = {"spatial_shape": shape, "ndim": len(shape), "rgb": rgb, "n_channels": channels, "pixel_size_um": size}
    return SimpleNamespace(**facts, kind=kind, nuclei_channel=nuclei, axes="YXC", plane_axes="")


def bright(shape=(100, 100), **facts):
    """An entry with a fluorescence image."""
    size = (0.5,) * len(shape)
    known = {"rgb": False, "channels": 1, "kind": "fluorescence", "nuclei": 0, "size": size}
    use = {name: facts.pop(name) for name in ("use", "labels", "corrections") if name in facts}
    return entry(0, facts.pop("clicks", 0), image=image(shape, **{**known, **facts}), **use)


def entry(number=0, clicks=0, spread=90.0, **facts):
    rng = np.random.default_rng(number)
    points = rng.uniform(5, spread, (clicks, 2))
    facts.setdefault("image", image())
    facts.setdefault("complete", bool(facts.get("regions")))
    return ImageEntry(id=f"i{number}", name=f"image {number}", points=points, **facts)


def box(low, high):
    return np.array([[low, low], [low, high], [high, high], [high, low]], float)


def texts(checks):
    return " | ".join(f"{check.sign} {check.text}" for check in checks)


def test_nothing_yet():
    (check,) = check_data([], "points")
    assert (check.level, check.goto) == ("stop", "images")
    assert stops(check_data([entry()], "points")).goto == "points"


def test_seven_clicks_are_too_few_and_the_message_says_how_many_work():
    stop = stops(check_data([entry(clicks=7)], "points"))
    assert stop.text == "Only 7 clicks; 20 is the least that works."


def test_a_good_set_has_no_stop_and_counts_images_and_clicks():
    checks = check_data([entry(1, 60, regions=[box(0, 99)]), entry(2, 60, regions=[box(0, 99)])], "points")
    assert stops(checks) is None
    assert "✓ 2 images, 120 clicks" in texts(checks)
    assert questions(checks) == []


def test_clicks_in_a_corner_without_a_region_are_asked_about():
    checks = check_data([entry(3, 40, spread=30.0)], "points")
    assert questions(checks) == ["i3"]
    assert stops(checks) is None


def test_a_region_that_is_not_complete_is_told():
    one = entry(4, 40, regions=[box(0, 99)], complete=False)
    assert "What lies between the clicks there is taken for background" in texts(check_data([one], "points"))
    assert questions(check_data([one], "points")) == ["i4"]
    one.complete = True
    assert questions(check_data([one], "points")) == []


def test_clicks_in_every_attached_outline_are_not_asked_about(tmp_path):
    labels = np.zeros((100, 100), np.uint16)
    for number, row in enumerate(range(5, 90, 4), start=1):
        labels[row : row + 2, 60:70] = number
    path = write_labels(labels, tmp_path / "outlines.tif")
    few = entry(3, 22, image=image(), labels=path)
    few.points = np.array([(row + 0.5, 65.0) for row in range(5, 90, 4)])
    assert questions(check_data([few], "points")) == []
    few.points = few.points[:20] * (0.5, 0.5)
    assert questions(check_data([few], "points")) == ["i3"]


def test_clicks_over_the_whole_image_are_not_asked_about():
    grid = np.stack(np.meshgrid(np.arange(5, 100, 10.0), np.arange(5, 100, 10.0)), -1).reshape(-1, 2)
    covering = ImageEntry(id="a", name="a", points=grid, image=image())
    assert questions(check_data([covering], "points")) == []


def test_clicks_outside_every_region_are_counted():
    one = entry(4, 0, regions=[box(0, 50)])
    one.points = np.array([[10.0, 10.0]] * 25 + [[80.0, 80.0]] * 2)
    assert "⚠ image 4: 2 clicks outside every region." in texts(check_data([one], "points"))


def test_images_for_checking_or_predicting_do_not_teach():
    checks = check_data([entry(5, 80, use="check"), entry(6, 80, use="predict")], "points")
    assert stops(checks) is not None
    checks = check_data([entry(5, 80, use="check"), entry(6, 80)], "points")
    assert "1 image kept for checking only" in texts(checks)


def test_colour_and_grey_do_not_mix_and_broken_images_are_named():
    grey = entry(7, 40, image=image(rgb=False, channels=1), regions=[box(0, 99)])
    checks = check_data([grey, entry(8, 40, regions=[box(0, 99)]), entry(9, 40, problem="truncated")], "points")
    assert "different kinds" in stops(checks).text
    assert "1 image cannot be read" in texts(checks)


def test_pixel_sizes_far_apart_are_told():
    sizes = [(0.25, 0.25), (0.5, 0.5)]
    entries = [entry(k, 40, image=image(size=size), regions=[box(0, 99)]) for k, size in enumerate(sizes)]
    assert "0.25 to 0.5 µm" in texts(check_data(entries, "points"))


def test_methods_that_need_outlines_or_nothing():
    assert stops(check_data([entry(1, 80)], "labels")).goto == "images"
    assert stops(check_data([entry(1, 0, labels="x.png")], "labels")) is None
    held = [entry(1, 0, labels="x.png"), entry(2, 0, labels="y.png", use="check")]
    assert any(check.text == "1 image kept for checking." for check in check_data(held, "labels"))
    assert "set Use" in stops(check_data(held[1:], "labels")).text
    assert stops(check_data([entry(1, 0, labels="x.png")], "labels elsewhere")) is not None


def test_the_tick_of_the_list_is_not_taken_for_what_trains():
    one = entry(6, 80, regions=[box(0, 99)], complete=True)
    one.ticked = False
    (told,) = [check for check in check_data([one], "points") if "not ticked" in check.text]
    assert "set Use to “predict only”" in told.text and told.goto == "images"
    one.use = "predict"
    assert "set Use to" in texts(check_data([one], "points"))


def test_a_group_on_both_sides_stops_a_training():
    sides = [entry(1, 60, group="p7", regions=[box(0, 99)]), entry(2, 60, group="p7", use="check")]
    stop = stops(check_data(sides, "points"))
    assert "the group p7 are both learned from and kept for checking" in stop.text and stop.goto == "images"
    sides[1].use = "predict"
    assert stops(check_data(sides, "points")) is None


def only(*entries):
    return check_data(list(entries), "nothing")


def test_fluorescence_alone_is_enough():
    checks = only(bright(), bright(), entry(3, use="predict"))
    assert stops(checks) is None
    assert "✓ 2 fluorescence images; no clicks or outlines are needed." in texts(checks)
    assert "set Use" in stops(only(bright(use="check"))).text
    assert stops(only(bright(rgb=True, channels=3, kind="fluorescence", nuclei=2))) is None
    assert "not known to be fluorescence" in texts(only(bright(kind="other")))


def test_stained_tissue_leads_to_clicks():
    stop = stops(only(entry(1)))
    assert "a colour picture of stained tissue" in stop.text and stop.instead == "points"
    mixed = only(bright(), entry(1))
    assert "click nuclei in it" in stops(mixed).text and "1 fluorescence image" in texts(mixed)


def test_what_the_files_do_not_say_is_asked():
    assert "which channel shows the nuclei?" in stops(only(bright(channels=3, nuclei=None))).text
    assert stops(only(bright(channels=3, nuclei=1))) is None
    assert "distance between planes" in stops(only(bright((9, 90, 90), size=None))).text
    assert stops(only(bright(size=None))) is None, "flat images need no pixel size"
    assert "cannot be learned together" in stops(only(bright(), bright((9, 90, 90)))).text


def test_the_likely_method():
    needs = ("points", "labels", "nothing")
    specs = {name: SimpleNamespace(needs=name) for name in needs}
    assert likely_method([bright()], specs) == "nothing"
    assert likely_method([bright()], {"points": specs["points"]}) == ""
    assert likely_method([bright(), entry(1)], specs) == "points", "tissue among them"
    assert likely_method([bright(), entry(1, image=None)], specs) == "", "not opened yet"
    assert likely_method([bright(clicks=1)], specs) == "points"
    assert likely_method([bright(labels="x.png"), bright()], specs) == "labels"
    assert likely_method([bright(corrections=SimpleNamespace(nuclei=3))], specs) == ""
    assert likely_method([], specs) == ""
