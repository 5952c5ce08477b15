"""`nucleidomain check`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.runs import speed
from napari_nucleidomain.runs.speed import Speed


@pytest.fixture
def test_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[object], None]:
    """Say how the speed test ends."""
    from napari_nucleidomain.cli import check

    monkeypatch.setattr(speed, "speed_file", lambda: tmp_path / "speed.json")

    def say(outcome: object) -> None:
        class Test:
            def __init__(self, device: str, seconds: float) -> None:
                pass

            def follow(self, told: Callable[[float], None]) -> object:
                if isinstance(outcome, Exception):
                    raise outcome
                return outcome

        monkeypatch.setattr(check, "SpeedTest", Test)

    return say


def test_looks_and_measures(run: Callable, test_ends: Callable, tmp_path: Path) -> None:
    test_ends(Speed(device="cpu", words="the processor", steps={"small": 0.1, "large": 2.0}))
    said = run("check", "--project", tmp_path / "p")
    assert said.code == 0, said.err
    assert "✓ Speed test:" in said.out and "10.0 training steps a second" in said.out
    assert "Quick look: about 2 minutes of training here." in said.out
    assert not (tmp_path / "p").exists()
    content = json.loads(run("check", "--json", "--project", tmp_path / "p").out)
    assert content["speed"]["steps"]["small"] == 0.1 and "[ok] Speed test" in content["report"]


def test_fault_and_no_test(run: Callable, test_ends: Callable) -> None:
    test_ends(NucleiError("PyTorch cannot be loaded.", "Install it again."))
    said = run("check")
    assert said.code == 2 and "✗ Speed test:" in said.out and "Install it again." in said.out
    said = run("check", "--no-speed")
    assert said.code == 0 and "was not done" in said.out


def test_child_tells_a_fault_in_json(run: Callable) -> None:
    said = run("check", "--speed-only", "--device", "toaster")
    last = json.loads(said.out.splitlines()[-1])
    assert said.code == 2 and "toaster" in last["message"] and last["hint"]
