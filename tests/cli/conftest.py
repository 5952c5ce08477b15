from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import tifffile

from napari_nucleidomain.cli import main

from . import tiny


@dataclass(frozen=True)
class Said:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """The command line in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def go(*arguments: object) -> Said:
        capsys.readouterr()
        code = main([str(one) for one in arguments])
        return Said(code, *capsys.readouterr())

    return go


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with two images."""
    folder = tmp_path / "my pictures é"
    folder.mkdir()
    for name, count in (("a", 36), ("b", 16)):
        tifffile.imwrite(folder / f"{name}.tif", tiny.image_of(tiny.labels_of(tiny.centres(count))))
    return folder


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained through the command line for a few steps."""
    root = tmp_path_factory.mktemp("trained")
    points = tiny.centres()
    data = tiny.write_dataset(root / "data", tiny.image_of(tiny.labels_of(points)), points)
    arguments = ["train", "--data", data, "--out", root / "liver", "--project", root / "p", "--steps", 6, "--quiet"]
    assert main([str(one) for one in (*arguments, "--device", "cpu", "--threads", 1, *tiny.SMALL)]) == 0
    return root / "liver"
