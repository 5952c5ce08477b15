"""CSV tables."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.tables import read_table, stack_tables, write_table


def test_spreadsheets_read_it(tmp_path: Path) -> None:
    columns = {
        "image": ["é, 1", "b"],
        "id": np.array([1, 2], np.uint32),
        "area_µm²": np.array([1.5, np.nan]),
        "touches_border": np.array([True, False]),
        "score": np.array([0.1, 1 / 3], np.float32),
    }
    path = write_table(columns, tmp_path / "nuclei.csv")
    table = pd.read_csv(path)
    assert list(table.columns) == list(columns)
    assert table["image"].tolist() == ["é, 1", "b"]
    assert table["id"].tolist() == [1, 2]
    assert table["touches_border"].tolist() == [1, 0]
    assert np.isnan(table["area_µm²"][1])
    np.testing.assert_allclose(table["score"], columns["score"], rtol=1e-6)
    assert read_table(path)["id"] == ["1", "2"]


def test_no_rows_and_wrong_lengths(tmp_path: Path) -> None:
    path = write_table({"id": np.zeros(0, int), "area": []}, tmp_path / "a.csv")
    assert pd.read_csv(path).shape == (0, 2)
    with pytest.raises(ValueError, match="different length"):
        write_table({"a": [1], "b": []}, tmp_path / "b.csv")
    (tmp_path / "file").touch()
    with pytest.raises(NucleiError):
        write_table({"a": [1]}, tmp_path / "file" / "c.csv")


def test_tables_of_several_images() -> None:
    stacked = stack_tables([("a", {"id": np.array([1, 2]), "x": [3.0, 4.0]}), ("b", {"id": [7], "y": [9]}), ("c", {})])
    assert stacked == {
        "image": ["a", "a", "b"],
        "id": [1, 2, 7],
        "x": [3.0, 4.0, None],
        "y": [None, None, 9],
    }


@pytest.mark.parametrize(
    "text", ["=1+1", "+A1", "-5 µm", "@x", "a;=cmd()", "'=quoted", "''+x", "＝1", "plain", "a-b", "'n"]
)
def test_texts_are_no_formulas_and_come_back(tmp_path: Path, text: str) -> None:
    file = write_table({"image": [text, "b"], "=area": [-1.5, 2.0]}, tmp_path / "a.csv")
    header, row, _ = file.read_text("utf-8-sig").splitlines()
    assert header == "image,'=area" and row.endswith(",-1.5")
    assert not re.search(r"(^|[;\t])[=+\-@＝]", row)
    assert read_table(file) == {"image": [text, "b"], "=area": ["-1.5", "2"]}


def test_control_characters_are_written_out(tmp_path: Path) -> None:
    file = write_table({"image": ["a\x1b[2J\nb\tc"]}, tmp_path / "a.csv")
    assert file.read_text("utf-8-sig") == "image\na\\x1b[2J\\nb\\tc\n"
