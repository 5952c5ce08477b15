"""What *Check my computer* says, and the forecasts that follow from the speed test and from past trainings."""

from __future__ import annotations

import errno
import getpass
import socket
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from napari_nucleidomain.contracts import NucleiError, find_method
from napari_nucleidomain.methods.spn_ien.forecast import forecast as spn_forecast
from napari_nucleidomain.runs import checkup, computer, forecast, speed
from napari_nucleidomain.runs.checkup import Finding, anonymous, look, meaning, report, speed_finding, spoken
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.speed import Speed, SpeedTest, load_speed, save_speed
from napari_nucleidomain.runs.store import Project

SPEC = find_method("spn-ien")
COST = "large", 10, 6.0
LAPTOP = Speed(device="cpu", words="the processor", steps={"small": 0.1, "large": 2.0}, import_seconds=2.0, torch="2")


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "speed_file", lambda: tmp_path / "state" / "speed.json")


def by_subject(found: list[Finding]) -> dict[str, Finding]:
    return {one.subject: one for one in found}


def test_everything_is_told_and_faults_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = by_subject(look(tmp_path / "Projekt ü"))
    assert {"Processor", "Memory", "Graphics card", "Project's disk", "Temporary files", "Packages"} <= set(found)
    assert found["Project folder"].level == "ok" and not (tmp_path / "Projekt ü").exists(), "looking makes nothing"
    assert "torch" in found["Packages"].text

    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(computer.shutil, "disk_usage", lambda path: Usage(10**12, 10**12, 10**8))
    monkeypatch.setattr(checkup, "memory", lambda: computer.Memory(4 * 10**9, 10**9))
    monkeypatch.setattr(checkup, "synced_by", lambda path: "OneDrive - Uni")
    monkeypatch.setattr(checkup, "_version", lambda name: "" if name == "torchvision" else "1.0")

    def refuse(**_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(checkup.tempfile, "NamedTemporaryFile", refuse)
    found = by_subject(look(tmp_path))
    assert found["Project's disk"].level == "error" and "0.1 GB" in found["Project's disk"].text
    assert found["Memory"].level == "warning" and "Close other programs" in found["Memory"].hint
    assert "OneDrive - Uni" in found["Project's place"].text
    assert "missing: torchvision" in found["Packages"].text and "pip install torchvision" in found["Packages"].hint
    assert found["Project folder"].level == "error" and "Read-only file system" in found["Project folder"].text
    for one in found.values():
        assert one.hint or one.level in ("ok", "info"), one


def test_report_names_neither_person_nor_computer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "lab-pc-7.uni.example")
    monkeypatch.setattr(getpass, "getuser", lambda: "mueller")
    monkeypatch.setattr(Path, "home", classmethod(lambda cls: Path("/home/mueller")))
    text = "/home/mueller/Nuclei on LAB-PC-7, /data/mueller/x, lab-pc-7.uni.example; muellerite stays"
    assert anonymous(text) == "~/Nuclei on COMPUTER, /data/USER/x, COMPUTER; muellerite stays"
    made = report([Finding("Project folder", "error", "/data/mueller/x: no", "Ask.")], meaning(LAPTOP))
    assert "mueller" not in made and "Ask." in made and "Quick look" in made


def test_network_and_synced_places(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    Disk = namedtuple("Disk", "mountpoint fstype opts")
    disks = [Disk("/", "ext4", "rw"), Disk("/lab", "nfs4", "rw"), Disk("/lab/local", "ext4", "rw")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: disks)
    assert computer.network_folder(Path("/lab/nuclei"))
    assert not computer.network_folder(Path("/lab/local/x"))
    assert not computer.network_folder(Path("/laboratory"))
    assert computer.synced_by(Path("/home/a/OneDrive - Uni/x")) == "OneDrive - Uni"
    assert computer.synced_by(Path("/home/a/Documents/x")) == ""


@pytest.mark.parametrize(
    ("seconds", "words"), [(30, "30 seconds"), (70, "1 minute"), (3600, "1 hour"), (2.2e5, "3 days")]
)
def test_spoken(seconds: float, words: str) -> None:
    assert spoken(seconds) == words


def test_card_that_torch_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert speed_finding(LAPTOP).level == "ok"
    monkeypatch.setattr(checkup, "graphics_cards", lambda: [computer.GraphicsCard("RTX", 8 * 2**30, "550")])
    found = speed_finding(LAPTOP)
    assert found.level == "warning" and "graphics card's build" in found.hint
    assert "memory" in speed_finding(Speed(device="cuda:0", words="RTX")).text


def test_speed_is_kept_per_device_and_a_damaged_file_is_no_fault() -> None:
    assert load_speed("auto") is None
    save_speed(LAPTOP, "auto")
    save_speed(LAPTOP.model_copy(update={"device": "cuda:0", "words": "RTX"}), "cuda")
    assert load_speed("auto") == load_speed("cpu") == LAPTOP
    assert load_speed("cuda").words == "RTX"  # type: ignore[union-attr]
    speed.speed_file().write_text("{")
    assert load_speed("cpu") is None
    save_speed(LAPTOP, "cpu")
    assert load_speed("cpu") == LAPTOP


def test_forecast_from_speed_limit_and_past() -> None:
    paper = forecast.forecast(SPEC, "paper", {}, LAPTOP)
    assert paper.known_by == "speed test"
    assert paper.seconds == pytest.approx((1440 + 24000) * 2.0, rel=0.01)
    assert forecast.forecast(SPEC, "paper", {"variant": "spn"}, LAPTOP).seconds == pytest.approx(2880, rel=0.01)
    assert forecast.forecast(SPEC, "paper", {}, None).seconds is None
    quick = forecast.forecast(SPEC, "quick", {}, LAPTOP)
    assert (quick.seconds, quick.short) == (120.0, False)
    assert quick.full_seconds == pytest.approx(800 * 0.1 + 5)
    slow = forecast.forecast(SPEC, "quick", {}, LAPTOP, past={"small": 1.0})
    assert (slow.seconds, slow.short, slow.known_by) == (120.0, True, "past trainings")
    assert forecast.forecast(SPEC, "quick", {}, LAPTOP, {"small": 1.0}, minutes=30.0).short is False
    wide = forecast.forecast(SPEC, "balanced", {"batch": 16}, LAPTOP).full_seconds or 0.0
    assert wide > 2 * 4000 * 0.1


def test_a_training_that_ends_early_does_not_fill_its_limit() -> None:
    spec = find_method("adgan")
    flat, deep = (forecast.forecast(spec, "quick", {}, LAPTOP, ndim=ndim) for ndim in (2, 3))
    assert deep.full_seconds is not None and deep.full_seconds < 1200
    assert deep.seconds == deep.full_seconds
    assert flat.full_seconds is not None and flat.full_seconds > 1200
    assert flat.seconds == 1200
    assert forecast.forecast(SPEC, "quick", {}, LAPTOP).seconds == 120.0, "others use all of it"


def test_volumes_take_their_own_time() -> None:
    spec = find_method("adgan")
    flat, deep = (forecast.forecast(spec, "balanced", {}, LAPTOP, ndim=ndim).full_seconds for ndim in (2, 3))
    wider = forecast.forecast(spec, "balanced", {"batch_volume": 8}, LAPTOP, ndim=3).full_seconds
    assert flat and deep and wider and flat != deep
    # Beside the steps there is what is waited for at the start and at the end.
    assert wider - 5 == pytest.approx(4 * (deep - 5))
    assert forecast.training_space(spec, "paper", {}, 3) > forecast.training_space(spec, "quick", {}, 3)
    told = [line for line in meaning(LAPTOP) if "olumes" in line]
    assert any(line.startswith("Paper's settings: about") and "Volumes: about" in line for line in told)
    assert not any("olumes" in line for line in meaning(LAPTOP) if "MultiOrgan" in line), "clicks are for flat images"


def test_past_trainings_of_this_computer_count(
    new_training: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "find_method", lambda name: SPEC)
    run = new_training(config={"steps": 40})
    assert execute(run.path) == ExitCode.DONE
    summary = run.summary()
    assert summary["computer"] == speed.computer_id() and set(summary["rates"]) <= {"first", "second"}
    events = run.path / "events.jsonl"
    text = events.read_text()
    mended = text.replace('"rates":', '"rates":{"SPN":4.0,"IEN":2.0},"before":')
    events.write_text(mended)
    job = (run.path / "run.json").read_text()
    (run.path / "run.json").write_text(job.replace('"config": {\n    "steps": 40\n  }', '"config": {}'))
    monkeypatch.setattr(type(SPEC), "resolve", lambda self, entry: spn_forecast)
    assert forecast.past_steps(project, "auto") == {"small": pytest.approx((0.25 + 0.5) / 2)}
    assert forecast.past_steps(project, "cuda") == {}, "another device teaches nothing"
    assert '"device":"auto"' in mended
    events.write_text(mended.replace('"device":"auto"', '"device":"cuda:0,cuda:1"'))
    assert forecast.past_steps(project, "cuda:0,1") == {"small": pytest.approx((0.25 + 0.5) / 2)}
    assert forecast.past_steps(project, "auto") == {}, "whatever it would go on on"
    monkeypatch.setattr(forecast, "find_method", lambda name: replace(SPEC, ndims=(2, 3)))
    seen = []
    monkeypatch.setattr(type(SPEC), "resolve", lambda self, entry: lambda config, ndim: seen.append(ndim) or COST)
    assert summary["ndim"] == 2 and '"ndim":2' in mended
    events.write_text(mended.replace('"ndim":2', '"ndim":3'))
    assert forecast.past_steps(project, "auto") == {"large": pytest.approx((0.25 + 0.5) / 2 / 6)} and seen == [3]
    events.write_text(mended.replace('"ndim":2,', ""))
    assert forecast.past_steps(project, "auto") == {}, "volumes or not, nobody knows"
    events.write_text(mended.replace(speed.computer_id(), "elsewhere"))
    assert forecast.past_steps(project, "auto") == {}, "nor does another computer"


def test_speed_test_in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []
    found = SpeedTest("cpu", seconds=0.05).follow(shares.append)
    assert found is not None and set(found.steps) == {"small", "large"}
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert load_speed("cpu") == found


def test_speed_test_of_a_child_that_prints_much(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # More than any pipe holds: the child would wait for ever for somebody to read it.
    talker = "import sys; sys.stderr.write('a warning\\n' * 100_000 + 'no torch'); print('{}')"
    popen = subprocess.Popen
    monkeypatch.setattr(
        speed.subprocess, "Popen", lambda command, **options: popen([sys.executable, "-c", talker], **options)
    )
    with pytest.raises(NucleiError, match="could not run: no torch"):
        SpeedTest("cpu").follow()


def test_speed_test_cancelled_or_impossible() -> None:
    test = SpeedTest("cpu", seconds=600)
    test.cancel()
    assert test.follow() is None
    assert load_speed("cpu") is None
    with pytest.raises(NucleiError, match="no device 'toaster'"):
        SpeedTest("toaster").follow()
