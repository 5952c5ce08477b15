"""Clicks as other programs write them: names, units, separators and encodings; what is ambiguous is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.clicks_table import corner_note, read_clicks
from napari_nucleidomain.data.points import read_points

AT = np.array([[23.5, 44.25], [77.25, 33.5], [28.0, 82.0]])  # y, x
UM = 0.25


def table(header: str, row: str, *, decimal: str = ".", before: str = "", scale: float = 1, shift: float = 0) -> str:
    lines = [row.format(k=k, y=(y + shift) * scale, x=(x + shift) * scale) for k, (y, x) in enumerate(AT.tolist())]
    return before + "\n".join([header, *[line.replace(".", decimal) for line in lines]]) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        table("x;y", "{x};{y}", decimal=",", before="sep=;\n"),
        table("x,y", "{x},{y}", before="sep=,\r\n"),
        table("x;y", "{x};{y}", decimal=",", before='"sep=;"\n'),
        table("x\ty", "{x}\t{y}", before="sep=\t\n"),
        table(" ,Area,Mean,X,Y", "{k},0,100,{x},{y}"),
        table(" ,Area,XM,YM", "{k},0,{x},{y}"),
        table("row,col", "{y},{x}"),
        table("label,centroid-0,centroid-1", "{k},{y},{x}"),
        table("image,id,centroid_y_px,centroid_x_px,area_px", "a,{k},{y},{x},9"),
        table("LABEL,POSITION_X,POSITION_Y", "{k},{x},{y}"),
        table("ObjectNumber,Location_Center_X,Location_Center_Y", "{k},{x},{y}"),
        table("x y", "{x} {y}"),
        table("# x,y", "{x},{y}"),
        table("Y,X,x_um,y_um", "{y},{x},1,2"),
        table("x_um,y_um", "{x},{y}", scale=UM),
        table("X (microns);Y (microns)", "{x};{y}", decimal=",", scale=UM),
        table("x [nm]\ty [nm]", "{x}\t{y}", scale=1000 * UM),
        table(
            "Image\tName\tCentroid X µm\tCentroid Y µm\tNucleus: Area µm^2",
            "a.tif\tc\t{x}\t{y}\t7",
            scale=UM,
            shift=0.5,
        ),
        table("Image\tClass\tCentroid X px\tCentroid Y px", "a.tif\t\t{x}\t{y}", shift=0.5),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_program_has_its_own_table(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    np.testing.assert_allclose(read_points(tmp_path / "a.csv", pixel_size_um=(UM, UM)), AT, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (table("44.25,23.5", "{x},{y}"), "no names of columns, so nobody knows which is x and which is y"),
        (table("x_um,y_um", "{x},{y}"), "counts in µm .* the size of a pixel is not known"),
        (table("x,y", "{x},{y}", decimal=","), "line 2, has more cells than names"),
        ("Image,x,y\na,1,2\nb,3,4\n", r"points of 2 images \(a, b\)"),
        ("sep=;\n", "empty"),
        ("x,y\n1," + "9" * 200_000 + "\n", "a cell in it is too long|holds"),
        ('x,y\n1,"' + "9" * 200_000 + '"\n', "a cell in it is too long"),
    ],
)
def test_what_is_ambiguous_or_damaged_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with pytest.raises(NucleiError, match=words) as caught:
        read_points(tmp_path / "a.csv")
    assert "a.csv" in caught.value.message and caught.value.hint


def test_micrometres_without_a_unit_are_noticed(tmp_path: Path) -> None:
    rows = "".join(f"{k},{10 + 3 * k},{8 + 2 * k}\n" for k in range(8))
    (tmp_path / "a.csv").write_text(" ,X,Y\n" + rows)
    found = read_clicks(tmp_path / "a.csv")
    assert not found.unit_told and not found.notes
    note = corner_note(tmp_path / "a.csv", found.points, (160, 160))
    assert "All 8 clicks lie in the upper left corner, 19% × 14%" in note and "x_um and y_um" in note
    assert not corner_note(tmp_path / "a.csv", found.points, (30, 40))
    (tmp_path / "b.csv").write_text("index,axis-0,axis-1\n" + rows)
    assert not corner_note(tmp_path / "b.csv", found.points, (160, 160))
