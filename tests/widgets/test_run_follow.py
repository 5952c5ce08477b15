"""Following a run: every event once, previews kept, the end told."""

from __future__ import annotations

import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.events import Finished, Metric, Preview, Progress, Started, Warned
from napari_nucleidomain.widgets.run_follow import RunFollower


class Folder:
    """As much of a `RunFolder` as is followed."""

    def __init__(self):
        self.events, self.state, self.away = [], "running", False

    def read_events(self, offset=0):
        if self.away:
            raise NucleiError("The drive is away.")
        return self.events[offset:], len(self.events)


@pytest.fixture
def follower(qapp):
    made = RunFollower()
    made.heard = []
    for name in ("progressed", "measured", "previewed", "told", "ended", "state_changed"):
        getattr(made, name).connect(lambda *given, name=name: made.heard.append((name, *given)))
    yield made
    made.unfollow()


def test_a_burst_is_one_signal_and_nothing_is_told_twice(follower):
    run = Folder()
    follower.follow(run)
    follower.heard.clear()
    run.events += [Progress(stage="SPN", step=k) for k in range(1000)]
    run.events += [Metric(stage="SPN", step=1, values={"loss": 1.0})] * 5
    follower.poll()
    assert [what[0] for what in follower.heard] == ["progressed", "measured"]
    follower.poll()
    assert len(follower.heard) == 2
    assert follower.story.progress.step == 999


def test_every_preview_of_a_prediction_arrives_in_order(follower):
    run = Folder()
    follower.follow(run)
    run.events += [Preview(file=f"{k}.npz", image="a", origin=[0, 0]) for k in range(3)]
    follower.poll()
    (told,) = [what[1] for what in follower.heard if what[0] == "previewed"]
    assert [preview.file for preview in told] == ["0.npz", "1.npz", "2.npz"]


def test_end_and_state_are_told_and_polling_stops(follower, qtbot):
    run = Folder()
    run.events = [Started(device="CPU")]
    follower.follow(run)
    run.events.append(Finished(summary={"n": 3}))
    run.state = "finished"
    with qtbot.waitSignal(follower.ended, timeout=2000):
        pass
    assert ("state_changed", "finished") in follower.heard
    assert not follower._timer.isActive()


def test_found_again_after_the_viewer_was_closed(follower):
    run = Folder()
    run.events = [Started(), Warned(message="w"), *[Preview(file=f"{k}", image="a", origin=[0, 0]) for k in range(9)]]
    follower.follow(run, quietly=True)
    names = [what[0] for what in follower.heard]
    assert "told" not in names
    (previews,) = [what[1] for what in follower.heard if what[0] == "previewed"]
    assert [preview.file for preview in previews] == ["8"]
    assert len(follower.story.warnings) == 1


def test_a_drive_that_is_away_for_a_moment_loses_nothing(follower):
    run = Folder()
    follower.follow(run)
    run.events.append(Metric(stage="SPN", step=1, values={"loss": 1.0}))
    run.away = True
    follower.poll()
    run.away = False
    follower.poll()
    assert follower.story.series["SPN", "loss"].values == [1.0]
