"""The form is the configuration: types, units, ranges, help, and only what was changed goes into the job."""

from __future__ import annotations

from typing import Literal

import pytest

from napari_nucleidomain.contracts import MethodConfig, setting
from napari_nucleidomain.widgets.config_form import ConfigForm, limits_of, range_words
from napari_nucleidomain.widgets.number_boxes import FloatBox, IntBox


class Config(MethodConfig):
    rate: float = setting(1e-4, "Learning rate.", unit="1/step", gt=0, le=1, source="Sec. 3")
    size: int = setting(224, "Side of a tile.", unit="px", ge=32, le=1024, advanced=False)
    decoder: Literal["ien", "watershed"] = setting("ien", "How nuclei are told apart.")
    flips: bool = setting(True, "Mirror images at random.")
    spacing: tuple[float, float] = setting((0.25, 0.5), "Pixel size.", unit="µm")
    limit: float | None = setting(None, "Smallest nucleus.", unit="px", ge=0)
    note: str = setting("", "Free text.")


@pytest.fixture
def form(qtbot):
    made = ConfigForm(Config)
    qtbot.addWidget(made)
    made.set_base({"size": 128})
    return made


def test_nothing_changed_gives_nothing(form):
    assert form.changes() == {}
    assert form.problem() == ""


def test_everyday_settings_come_first(form):
    assert next(iter(form.rows)) == "size"


def test_every_kind_of_value_round_trips(form):
    wanted = {
        "rate": 2.5e-5,
        "size": 256,
        "decoder": "watershed",
        "flips": False,
        "spacing": [0.5, 1.5],
        "limit": 12.0,
        "note": "näher",
    }
    form.set_changes(wanted)
    assert form.changes() == wanted
    assert Config.build({"size": 128}, form.changes()).rate == 2.5e-5
    form.reset()
    assert form.changes() == {}


def test_ranges_bind_and_are_told(form):
    field = Config.settings()["rate"]
    assert limits_of(field) == {"gt": 0, "le": 1}
    assert range_words(field) == "more than 0 to 1"
    assert "Sec. 3" in form.rows["rate"].help()
    form.rows["size"].set_value(5000)
    assert form.changes() == {"size": 1024}


def test_a_refused_value_is_said_and_not_used(form):
    form.rows["rate"].set_value(0.0)
    assert "rate" in form.problem()
    assert form.changes() == {}
    assert form._message.text().startswith("✗ rate")
    assert "1 numbers" not in form.problem()


def test_a_tuple_of_the_wrong_length_is_refused(form):
    form.rows["spacing"]._editor.setText("1 2 3")
    assert form.problem().startswith("spacing")


def test_finding_a_setting(form):
    form.show()
    form._filter.setText("learning")
    visible = [name for name, row in form.rows.items() if form._form.isRowVisible(row)]
    assert visible == ["rate"]


def test_number_boxes(qtbot):
    box = FloatBox({"ge": 0, "le": 1}, "1/step")
    qtbot.addWidget(box)
    box.setValue(0.00001)
    assert box.text() == "1e-05 1/step"
    box.lineEdit().setText("3,5e-3 1/step")
    box.interpretText()
    assert box.value() == 0.0035
    whole = IntBox({"gt": 3, "lt": 9})
    qtbot.addWidget(whole)
    assert (whole.minimum(), whole.maximum()) == (4, 8)
