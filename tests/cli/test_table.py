"""The printed scores: every heading apart from its neighbour, counts as counts, and no line wider than the terminal."""

from __future__ import annotations

import re

import pytest

from napari_nucleidomain.cli.table import score_table

COLUMNS = ["n_clicks", "found", "point_precision", "point_recall", "point_f1", "aji"]
LONG = "TCGA-18-5592-01Z-00-DX1 normalised, second scan of the lower left"


def row(found: int, recall: float) -> dict[str, float | int | None]:
    return {"n_clicks": 1234, "found": found, "point_precision": 0.5, "point_recall": recall, "point_f1": 0.25}


ROWS = {"a": row(1200, 0.1), LONG: row(7, 1.0)}
MEAN = {"n_clicks": 1234.0, "found": 603.5, "point_precision": 0.5, "point_recall": 0.55, "point_f1": 0.25}


def table(width: int | None = None) -> str:
    return score_table(ROWS, MEAN, dict.fromkeys(MEAN, 0.0), COLUMNS, width)


def test_headings_stand_apart_and_counts_are_whole() -> None:
    lines = table().splitlines()
    assert lines[0].split() == COLUMNS
    assert re.split(r" {2,}", lines[1]) == ["a", "1234", "1200", "0.5000", "0.1000", "0.2500", "-"]
    assert re.split(r" {2,}", lines[3])[:3] == ["mean", "1234.0", "603.5"]
    assert lines[2].startswith(LONG + "  ")
    assert len({len(line) for line in lines}) == 1, "columns are straight"


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_it_fits_the_terminal_and_leaves_nothing_out(width: int) -> None:
    text = table(width)
    least = 12 + 2 + len("point_precision")
    assert max(len(line) for line in text.splitlines()) < max(width, least + 1)
    blocks = text.split("\n\n")
    assert [name for block in blocks for name in block.splitlines()[0].split()] == COLUMNS
    assert all(len(block.splitlines()) == 5 for block in blocks), "each block names its images"
    assert all(block.splitlines()[2].startswith("TCGA") for block in blocks)
