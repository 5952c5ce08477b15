"""Names of images that no system, or not every one, takes for the results."""

from __future__ import annotations

import pytest

from napari_nucleidomain.runs.result_names import result_name


@pytest.mark.parametrize("name", ["liver-1", "Liver 2 (left)", "Größe.v2", "核", "a.b"])
def test_ordinary_names_stay(name: str) -> None:
    assert result_name(name) == name


@pytest.mark.parametrize(
    "name", ["b" * 249, "é" * 130, "a\nb", "CON", "com1.x", "trail. ", " lead", "x:y?", "bad\udcff", "..", "", "\x7f"]
)
def test_odd_names_become_ones_that_every_system_takes(name: str) -> None:
    made = result_name(name)
    assert 0 < len(made.encode("utf-8")) <= 180 and made == made.strip(" ").rstrip(".")
    assert not set(made) & set('<>:"/\\|?*\n\x7f') and made.casefold().split(".")[0] not in ("con", "com1")


def test_long_names_that_begin_alike_stay_apart() -> None:
    assert result_name("b" * 240 + "1") != result_name("b" * 240 + "2")
