"""Tables as CSV: ``nuclei.csv`` and ``images.csv``."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts.files import write_atomic
from napari_nucleidomain.contracts.shown import shown

# Where a spreadsheet begins a cell, and what makes it compute; apostrophes that stand there already get one more, so
# that reading back takes off just what was put on.
_BEGIN, _COMPUTES = r"(?:^|(?<=[;\t]))", r"(?='*[=+\-@\uff1d\uff0b\uff0d\uff20])"
_FORMULA, _HARMLESS = re.compile(_BEGIN + _COMPUTES), re.compile(_BEGIN + "'" + _COMPUTES)


def write_table(columns: Mapping[str, Sequence[Any] | np.ndarray], path: Path | str) -> Path:
    """Write columns as CSV (UTF-8 with a mark for Excel, decimal points, one header line).

    Parameters
    ----------
    columns : mapping of str to sequence
        All of one length. Numbers that are not finite, None and empty text become empty cells; floats keep 7 digits.
        Texts that a spreadsheet would compute get an apostrophe in front, control characters are written out.
    path : Path or str

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        The columns differ in length.
    NucleiError
        The file cannot be written.
    """
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns of different length: {lengths}")
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow([_text(name) for name in columns])
    out.writerows(zip(*(_cells(values) for values in columns.values()), strict=True))
    return write_atomic(Path(path), text.getvalue().encode("utf-8-sig"))


def _cells(values: Sequence[Any] | np.ndarray) -> list[Any]:
    plain = values.tolist() if isinstance(values, np.ndarray) else list(values)
    return [_cell(v) for v in plain]


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, (float, np.floating)):
        return f"{value:.7g}" if np.isfinite(value) else ""
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    """A text that no spreadsheet takes for a formula, also where it splits cells at semicolons."""
    return _FORMULA.sub("'", shown(text))


def read_table(path: Path | str) -> dict[str, list[str]]:
    """Read a table back as columns of text, as they were before `write_table` made them harmless.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with open(path, encoding="utf-8-sig", newline="") as handle:
        rows = [[_HARMLESS.sub("", cell) for cell in row] for row in csv.reader(handle)]
    return {name: [row[k] for row in rows[1:]] for k, name in enumerate(rows[0])} if rows else {}


def stack_tables(tables: Sequence[tuple[str, Mapping[str, Sequence[Any] | np.ndarray]]]) -> dict[str, list[Any]]:
    """Put the tables of several images under one another.

    Parameters
    ----------
    tables : sequence of (image name, columns)
        Columns may differ: where a table has none, its cells stay empty.

    Returns
    -------
    dict of str to list
        A first column ``image``, then every column in the order of its first appearance.
    """
    names = list(dict.fromkeys(name for _, columns in tables for name in columns if name != "image"))
    stacked: dict[str, list[Any]] = {"image": [], **{name: [] for name in names}}
    for image, columns in tables:
        rows = max((len(v) for v in columns.values()), default=0)
        stacked["image"] += [image] * rows
        for name in names:
            values = columns.get(name)
            stacked[name] += [None] * rows if values is None else np.asarray(values).tolist()
    return stacked
