"""Several devices for one training: how they are written, who is refused and in which words."""

from __future__ import annotations

import io
import queue
from pathlib import Path

import pytest

from napari_nucleidomain.cli import main
from napari_nucleidomain.contracts import NucleiError, find_method
from napari_nucleidomain.runs import computer
from napari_nucleidomain.runs.devices import Holder
from napari_nucleidomain.runs.execute import ExitCode
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.store import Project
from napari_nucleidomain.runs.team_devices import check_job_team, check_team, split_devices
from napari_nucleidomain.runs.team_process import Said, listen


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ("auto", ("auto",)),
        ("cuda:1", ("cuda:1",)),
        ("cuda:0,cuda:1", ("cuda:0", "cuda:1")),
        ("cuda:0,1,3", ("cuda:0", "cuda:1", "cuda:3")),
        ("GPU:2, 0", ("cuda:2", "cuda:0")),
        ("cuda,cuda:1", ("cuda:0", "cuda:1")),
        ("cpu,cpu", ("cpu", "cpu")),
    ],
)
def test_devices_as_people_write_them(wish: str, expected: tuple[str, ...]) -> None:
    assert split_devices(wish) == expected


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        ("cuda:0,cuda:0", "twice"),
        ("cuda,0", "twice"),
        ("cpu,cuda:0", "cannot train together"),
        ("mps,mps", "cuda:0,cuda:1"),
        ("auto,cpu", "cuda:0,cuda:1"),
        ("cuda:0,", "cuda:0,cuda:1"),
        ("cuda:x,cuda:1", "cuda:0,cuda:1"),
    ],
)
def test_devices_that_cannot_work_together(wish: str, word: str) -> None:
    with pytest.raises(NucleiError) as caught:
        split_devices(wish)
    assert word in str(caught.value)


def test_who_can_use_them() -> None:
    panoptic, clicks = find_method("panoptic"), find_method("spn-ien")
    config = panoptic.config.build({"batch": 6})
    check_team(panoptic, config, split_devices("cuda:0,1,2"))
    with pytest.raises(NucleiError, match=r"batch of 6 .* 4 devices\. Take a batch of 4 or 8 \(--set batch=8"):
        check_team(panoptic, config, split_devices("cuda:0,1,2,3"))
    check_team(clicks, clicks.config.build({}), ("cuda:1",))
    with pytest.raises(NucleiError, match="spn-ien trains on one device"):
        check_team(clicks, clicks.config.build({}), ("cuda:0", "cuda:1"))


def test_the_command_line_says_so_before_a_folder_is_made(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--data", str(dataset), "--out", str(tmp_path / "m"), "--project", str(tmp_path / "mine")]
    for more, said in (
        (["--device", "cpu,cpu"], "spn-ien trains on one device"),
        (["--method", "panoptic", "--device", "cpu,cpu,cpu"], "--set batch=3"),
        (["--device", "cuda:0,cpu"], "cannot train together"),
    ):
        assert main([*words, *more]) == ExitCode.USER
        assert said in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()
    job = TrainJob(method="spn-ien", data=str(dataset), name="a", device="cpu")
    run = Project.open(tmp_path / "p").new_run(job)
    before = (run.path / "run.json").read_bytes()
    assert main(["run", str(run.path), "--device", "cpu,cpu"]) == ExitCode.USER
    assert (run.path / "run.json").read_bytes() == before
    with pytest.raises(NucleiError, match="one device"):
        check_job_team(job, "cuda:0,1")


def test_a_training_on_several_cards_has_them_all() -> None:
    def holder(device: str, *others: str) -> Holder:
        return Holder(device, "", "train", "a", "", "", 0.0, 1, 0.0, others=list(others))

    both, second, third = holder("cuda A", "cuda B"), holder("cuda B"), holder("cuda C")
    assert both.meets(second) and second.meets(both)
    assert not both.meets(third) and not third.meets(both)


def test_cards_are_counted_as_a_program_may_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for allowed, count in (("0,1,2", 3), ("", 0), ("-1", 0), ("GPU-a, GPU-b", 2)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
        assert computer.card_count() == count


def test_whatever_another_process_prints_its_end_is_heard() -> None:
    said: Said = queue.Queue()
    lines = b'{"met": "x"}\n{a warning of another package}\n[1]\n{"other": 1}\n\xff\n{"failed": "full", "hint": ""}\n'
    listen(1, io.BytesIO(lines), said)
    heard = [said.get_nowait() for _ in range(said.qsize())]
    assert heard == [(1, {"met": "x"}), (1, {"failed": "full", "hint": ""}), (1, None)]
