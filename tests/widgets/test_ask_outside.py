"""The question before a run from elsewhere writes outside its folder."""

from __future__ import annotations

import json

import pytest

from napari_nucleidomain.contracts import WritesOutside
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.foreign import asked_for, refuse_foreign
from napari_nucleidomain.widgets.ask_outside import ask_outside
from napari_nucleidomain.widgets.inline import Inline

from .buttons import offered, press


@pytest.fixture
def run(tmp_path):
    (tmp_path / "mailed").mkdir()
    job = {"schema_version": 1, "kind": "predict", "model": "otsu", "images": [], "out": str(tmp_path / "mine")}
    (tmp_path / "mailed" / "run.json").write_text(json.dumps(job))
    return RunFolder(tmp_path / "mailed")


@pytest.mark.parametrize("answer", ["Write there", "Leave it"])
def test_it_writes_there_only_after_a_yes(qtbot, run, tmp_path, answer):
    message, gone_on = Inline(), []
    qtbot.addWidget(message)
    with pytest.raises(WritesOutside) as error:
        refuse_foreign(run)
    ask_outside(message, run, error.value, lambda: gone_on.append(1))
    assert "mailed was made in another place" in message.text() and str(tmp_path / "mine") in message.text()
    assert offered(message) == ["Write there", "Leave it"]
    press(message, answer)
    assert not message.text()
    assert gone_on == ([1] if answer == "Write there" else [])
    assert bool(asked_for(run)) == (answer == "Leave it")
