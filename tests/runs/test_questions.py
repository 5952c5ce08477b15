"""A run asks once, goes on, and remembers what was answered, also when it was killed in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from napari_nucleidomain.contracts import ModelCard, NucleiError
from napari_nucleidomain.contracts.events import Answered, Event, Finished, Question, Started, Stopped
from napari_nucleidomain.runs.event_log import EventWriter, read_events
from napari_nucleidomain.runs.execute import ExitCode, execute
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.ownership import Ownership
from napari_nucleidomain.runs.questions import Questions
from napari_nucleidomain.runs.requests import Requests

from . import toy
from .test_training_run import wait_for

ASKED = Question(id="first_look", text="Does this look right?", hint="Sizes are what matters.")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "läuft", TrainJob(method="toy", data="d", name="toy"))


def process(run: RunFolder) -> Questions:
    """What a process that begins with this folder knows."""
    return Questions(run.path, EventWriter(run.path))


def said(run: RunFolder, kind: type) -> list[Event]:
    return [event for event in read_events(run.path)[0] if isinstance(event, kind)]


def test_asked_once_and_answered_over_a_kill(run: RunFolder) -> None:
    first = process(run)
    first.ask(ASKED)
    first.ask(Question(id="first_look", text="again"))
    assert first.answer_to("first_look") is None
    second = process(run)
    second.ask(Question(id="first_look", text="after a kill"))
    assert [event.text for event in said(run, Question)] == [ASKED.text]

    # Answered while no process was there.
    run.answer("go_on")
    assert run.open_question() is None, "an answer that waits to be read is an answer"
    third = process(run)
    assert third.answer_to("first_look") == "go_on"
    assert third.answer_to("first_look") == "go_on"
    assert [event.answer for event in said(run, Answered)] == ["go_on"], "it is told once"
    (run.path / "answers.json").unlink()
    assert process(run).answer_to("first_look") == "go_on", "what was read is remembered"


def test_answers_leave_a_pending_stop_alone(run: RunFolder) -> None:
    with pytest.raises(NucleiError, match="asks nothing"):
        run.answer()
    process(run).ask(ASKED)
    with pytest.raises(NucleiError, match="is no answer"):
        run.answer("stop")
    run.request("stop")
    run.answer()
    assert (run.read_control() or {})["request"] == "stop"


def test_answer_to_a_withdrawn_question_is_not_taken_for_the_next(run: RunFolder) -> None:
    mine = process(run)
    mine.ask(ASKED)
    run.answer()
    assert mine.answer_to("first_look") == "go_on"
    mine.withdraw()
    assert mine.answer_to("first_look") is None and process(run).answer_to("first_look") is None
    assert run.open_question() is None
    mine.ask(Question(id="first_look", text="Of the new image?"))
    assert mine.answer_to("first_look") is None, "the old answer was to another picture"
    assert (run.open_question() or ASKED).text == "Of the new image?"
    run.answer()
    assert process(run).answer_to("first_look") == "go_on"


@pytest.mark.parametrize("content", ["", "[1]", '{"first_look": "go_on"}', '{"first_look": {"asked": 1}}'])
def test_damaged_answers_are_none(run: RunFolder, content: str) -> None:
    mine = process(run)
    mine.ask(ASKED)
    (run.path / "answers.json").write_text(content)
    assert mine.answer_to("first_look") is None
    run.answer()
    assert mine.answer_to("first_look") == "go_on"


def test_nothing_is_asked_of_who_is_over(run: RunFolder) -> None:
    events = EventWriter(run.path)
    process(run).ask(ASKED)
    for last in (Finished(), Stopped()):
        events.write(last)
        assert run.open_question() is None
        events.write(Started(resumed=True))
        assert run.open_question() is not None


def test_the_thread_hears_the_answer(run: RunFolder) -> None:
    events = EventWriter(run.path)
    requests = Requests(run, events, Ownership(run.path))
    try:
        requests.questions.ask(ASKED)
        run.answer()
        wait_for(lambda: said(run, Answered))
        assert not requests.stopped
    finally:
        requests.close()


def test_what_it_is_about_is_a_picture_that_anything_opens(new_training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grey = np.linspace(-1, 1, 40 * 60, dtype=np.float32).reshape(40, 60)

    def train(context: Any, dataset: Any, config: toy.ToyConfig) -> None:
        context.ask("early", "Right, without a picture?")
        context.preview("a.png", (0, 0), labels=np.zeros((4, 4), np.uint32), picture=grey, painted=np.stack([grey] * 3))
        context.ask("look", "Right?")
        context.preview("a.png", (0, 0), labels=np.zeros((4, 4), np.uint32))
        context.ask("bare", "Right, of labels alone?")
        toy.train(context, dataset, config)

    monkeypatch.setattr(toy.SPEC.__class__, "resolve", lambda self, entry: train)
    run = new_training(config={"steps": 1})
    assert execute(run.path) == ExitCode.DONE
    early, look, bare = said(run, Question)
    assert run.picture_of(early) is None and run.picture_of(bare) is None  # type: ignore[arg-type]
    file = run.picture_of(look)  # type: ignore[arg-type]
    assert file is not None and file.suffix == ".png" and file.parent == run.path / "previews"
    pixels = np.asarray(Picture.open(file))
    # Two pictures of 40 x 60 px, six times as large, beside each other, and a line of words above.
    assert pixels.shape[0] > 240 and pixels.shape[1] > 2 * 360
    assert len(np.unique(pixels[60:, 30:340])) > 50 and len(np.unique(pixels[60:, 400:700])) > 50
    file.unlink()
    assert run.picture_of(look) is None  # type: ignore[arg-type]


def test_training_that_begins_anew_asks_anew(new_training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    images, heard = ["first"], []

    def train(context: Any, dataset: Any, config: toy.ToyConfig) -> None:
        state = toy.Vector(1)
        context.attach(toy.NumpyCheckpoints(), images[0])
        context.track(state=state)
        context.offer(lambda: ({"state": state.value}, ModelCard(name="toy", method="toy")))
        context.ask("look", f"Right, the {images[0]}?")
        heard.append(context.answer_to("look"))
        with context.stage("only"):
            for step in context.steps("only", 8):
                if step.index == 5 and not context.resumed:
                    raise KeyboardInterrupt

    monkeypatch.setattr(toy.SPEC.__class__, "resolve", lambda self, entry: train)
    monkeypatch.setattr("napari_nucleidomain.runs.context.FolderRun._save_every", 0.0)
    run = new_training()
    with pytest.raises(KeyboardInterrupt):
        execute(run.path)
    run.answer()
    images[0] = "other"
    with pytest.raises(KeyboardInterrupt):
        execute(run.path)
    run.answer()
    assert execute(run.path) == ExitCode.DONE
    assert heard == [None, None, "go_on"]
    assert [event.text for event in said(run, Question)] == ["Right, the first?", "Right, the other?"]
