"""Files that were left out of a batch: one line for each kind, and none of them stops the rest."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from napari_nucleidomain.cli.left_out import left_out_lines
from napari_nucleidomain.cli.predict import collect
from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.plainfolder import examples_in


def test_refusals_of_one_kind_are_one_line() -> None:
    problems = [(f"/d/note{k}.txt", f"note{k}.txt is not an image that can be opened.") for k in range(12)]
    problems.insert(3, ("a.tif", "a.tif is truncated."))
    problems.append(("/d/b.tif", "no reference is named b."))
    lines = left_out_lines(problems)
    assert len(lines) == 3
    assert "12 files (note0.txt, note1.txt, note2.txt and 9 more): each is not an image" in lines[0]
    assert lines[1:] == ["left out: a.tif is truncated.", "left out: /d/b.tif: no reference is named b."]


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's")
def test_names_that_are_no_text_are_told_and_the_rest_is_taken(tmp_path: Path) -> None:
    (tmp_path / "good.tif").write_bytes(b"x")
    with open(os.path.join(os.fsencode(tmp_path), b"bad\xff.tif"), "wb") as handle:
        handle.write(b"x")
    problems: list[tuple[str, str]] = []
    assert [file.name for file in collect([str(tmp_path)], problems)] == ["good.tif"]
    assert "no text" in problems[0][1] and problems[0][0].isascii()
    examples, told = examples_in(tmp_path)
    assert [one.image.name for one in examples] == ["good.tif"] and "no text" in told[0][1]


def test_a_folder_that_cannot_be_looked_into_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    for attempt in (lambda: collect([str(tmp_path)]), lambda: examples_in(tmp_path)):
        with pytest.raises(NucleiError, match="Permission denied"):
            attempt()
    with pytest.raises(NucleiError, match="cannot be opened"):
        collect(["x" * 300])
