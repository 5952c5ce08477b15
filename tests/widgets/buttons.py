"""The buttons under a message of a dock, as a person sees them."""

from __future__ import annotations

from qtpy.QtWidgets import QPushButton


def _buttons(message):
    # Not `findChildren`: that finds those of the last message too until Qt has deleted them.
    found = (message._row.itemAt(number).widget() for number in range(message._row.count()))
    return [widget for widget in found if isinstance(widget, QPushButton)]


def offered(message) -> list[str]:
    """Texts of the buttons, in order."""
    return [button.text() for button in _buttons(message)]


def press(message, text: str) -> None:
    """Press the button with this text."""
    next(button for button in _buttons(message) if button.text() == text).click()
