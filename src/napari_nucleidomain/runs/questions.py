"""Questions of a run to the person, and their answers: asked once, answered whenever, never waited for.

The question is an event; the answer is a file, `answers.json`, apart from `control.json`, so that it replaces no stop
or pause that is still to be read. An answer names the question by its id and by when it was asked, so one that was
meant for an earlier asking is not taken for this one.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.events import WITHDRAWN, Answered, Question, parse_event
from napari_nucleidomain.contracts.files import SMALL, open_plain, read_json, write_json

from .event_log import EVENTS_FILE, EventWriter, lines_of

ANSWERS_FILE = "answers.json"
_MARKS = (b'"kind":"question"', b'"kind":"answered"')


def read_questions(folder: Path) -> tuple[dict[str, Question], dict[str, str]]:
    """What a run has asked so far.

    Parameters
    ----------
    folder : Path
        The run folder.

    Returns
    -------
    asked : dict of str to Question
        By id, the latest asking; withdrawn ones are left out.
    answers : dict of str to str
        Of those the run knows the answer to.
    """
    asked: dict[str, Question] = {}
    answers: dict[str, str] = {}
    try:
        with open_plain(folder / EVENTS_FILE) as handle:
            # A long run has many thousand lines, and two of them are of interest.
            lines = [line for line in lines_of(handle) if any(mark in line for mark in _MARKS)]
    except (NucleiError, OSError):
        # None yet, or nothing that could be read.
        return {}, {}
    for event in map(parse_event, lines):
        if isinstance(event, Question):
            asked[event.id] = event
            answers.pop(event.id, None)
        elif isinstance(event, Answered) and event.answer == WITHDRAWN:
            asked.pop(event.id, None)
            answers.pop(event.id, None)
        elif isinstance(event, Answered):
            answers[event.id] = event.answer
    return asked, answers


def read_given(folder: Path) -> dict[str, Any]:
    """Answers as they were written from outside, read or not: id to `{"answer", "asked"}`."""
    path = folder / ANSWERS_FILE
    if not path.exists():
        return {}
    try:
        content = read_json(path, SMALL)
    except NucleiError:
        # Being replaced this very moment (Windows): the next look will find it.
        return {}
    return content if isinstance(content, dict) else {}


def _given(content: dict[str, Any], question: Question) -> str | None:
    """The answer to this asking of a question."""
    entry = content.get(question.id)
    if not isinstance(entry, dict) or entry.get("asked") != question.time:
        return None
    return str(entry.get("answer", "")) or None


def open_question(folder: Path) -> Question | None:
    """The oldest question of a run that nobody has answered, or None."""
    asked, answers = read_questions(folder)
    given = read_given(folder) if asked else {}
    for question in asked.values():
        if question.id not in answers and _given(given, question) is None:
            return question
    return None


def write_answer(folder: Path, question: Question, answer: str) -> None:
    """Answer a question from outside; the run reads it within a second, or when it goes on.

    Raises
    ------
    WriteError
        The folder cannot be written to.
    """
    content = read_given(folder)
    content[question.id] = {"answer": answer, "asked": question.time}
    write_json(folder / ANSWERS_FILE, content)


class Questions:
    """The run's own side: what it asked, also in processes before this one, and what was answered.

    Parameters
    ----------
    folder : Path
        The run folder.
    events : EventWriter
        Questions and answers are told there.
    """

    def __init__(self, folder: Path, events: EventWriter) -> None:
        self._folder, self._events = folder, events
        self._lock = threading.Lock()
        self._asked, self._answers = read_questions(folder)

    def ask(self, question: Question) -> None:
        """Tell a question, unless one of this id was asked before."""
        with self._lock:
            if question.id not in self._asked:
                self._events.write(question)
                self._asked[question.id] = question

    def answer_to(self, name: str) -> str | None:
        """The answer to a question, or None; returns at once."""
        self.look()
        return self._answers.get(name)

    def look(self) -> None:
        """Take in what was answered since; called by the thread that reads requests, too."""
        with self._lock:
            waiting = [question for question in self._asked.values() if question.id not in self._answers]
            content = read_given(self._folder) if waiting else {}
            for question in waiting:
                answer = _given(content, question)
                if answer is not None:
                    self._events.write(Answered(id=question.id, answer=answer))
                    self._answers[question.id] = answer

    def withdraw(self) -> None:
        """Forget all of it: the training begins again from nothing, and what was looked at is gone."""
        with self._lock:
            for name in self._asked:
                self._events.write(Answered(id=name, answer=WITHDRAWN))
            self._asked, self._answers = {}, {}
