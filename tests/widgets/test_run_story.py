"""What a run has told so far, in the words of the docks."""

from __future__ import annotations

import pytest

from napari_nucleidomain.contracts.events import (
    Failed,
    Finished,
    Metric,
    Preview,
    Progress,
    StageEvent,
    Started,
    Stopped,
)
from napari_nucleidomain.widgets.run_story import RunStory, Series
from napari_nucleidomain.widgets.wording import checked_sentence, count, density_words, duration, file_size


def test_story_gathers_stages_losses_and_point_scores():
    story = RunStory()
    story.feed(
        [
            Started(time=100.0, device="CPU"),
            StageEvent(time=101.0, name="SPN", index=1, count=3),
            Progress(time=102.0, stage="SPN", step=5, total=50, fraction=0.1, overall=0.05, eta=95.0),
            Metric(time=103.0, stage="SPN", step=5, values={"loss": 0.7}, seconds=3.0),
            Preview(time=104.0, file="previews/1.npz", image="a.png", origin=[0, 0]),
            Metric(
                time=105.0,
                stage="SPN",
                step=9,
                values={"loss": 0.5, "points_found": 8, "points_total": 10},
                seconds=5.0,
            ),
        ]
    )
    assert (story.stage, story.stage_index, story.stage_count) == ("SPN", 1, 3)
    assert story.overall == 0.05
    assert story.first_preview_after == 4.0
    assert story.curves("points_", beginning=False)["loss"].values == [0.7, 0.5]
    assert story.curves("points_", beginning=False)["loss"].seconds == [3.0, 5.0]
    assert checked_sentence(story.checked) == "8 of 10 found"
    assert story.end is None


def test_a_resumed_run_has_not_ended():
    story = RunStory()
    story.feed([Started(time=1.0), Stopped(time=2.0, model=True)])
    assert isinstance(story.end, Stopped)
    story.feed([Started(time=50.0, resumed=True)])
    assert story.end is None
    assert story.began == 1.0
    story.feed([Failed(message="x"), Finished()])
    assert story.overall == 1.0


def test_two_stages_with_one_metric_name_are_two_curves():
    story = RunStory()
    story.feed([Metric(stage=stage, step=1, values={"loss": 1.0}, seconds=1.0) for stage in ("SPN", "IEN")])
    assert list(story.curves("points_", beginning=False)) == ["SPN loss", "IEN loss"]


def test_long_series_stays_short_and_keeps_its_ends():
    line = Series()
    for k in range(20_000):
        line.add(float(k), float(k))
    assert len(line.values) <= 4001
    assert line.values[0] == 0.0
    assert line.values[-1] == 19_999.0
    assert line.values == sorted(line.values)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "1 s"), (59, "59 s"), (59.6, "1 min"), (200, "3 min"), (3600, "1 h"), (4800, "1 h 20 min")],
)
def test_duration(seconds, words):
    assert duration(seconds) == words


def test_words_for_counts_sizes_and_densities():
    assert count(1, "click") == "1 click"
    assert count(1204, "nucleus", "nuclei") == "1,204 nuclei"
    assert file_size(1234) == "1.2 kB"
    assert file_size(0) == "0 B"
    # 1000 x 1000 px of 0.25 µm are 0.0625 mm².
    assert density_words(100, 1e6, (0.25, 0.25)) == "1,600 / mm²"
    assert density_words(100, 1e6, None) == "100 per 1000 × 1000 px"
    assert density_words(10, 1000.0, (10.0, 10.0, 10.0)) == "10,000 / mm³"
    assert density_words(36, 1e6, (0.284, 0.127, 0.127), 3) == "7,860,000 / mm³"
    assert density_words(5, 0, None) == ""


def test_checked_sentence_names_only_what_happened():
    values = {"points_found": 112.0, "points_total": 120.0, "points_merged": 5.0, "points_extra": 9.0}
    assert checked_sentence(values) == "112 of 120 found, 5 merged, 9 extra"
    assert checked_sentence({}) == ""
