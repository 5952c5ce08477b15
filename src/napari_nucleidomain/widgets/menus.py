"""Buttons that open a menu, and flat ones; none of them takes the keyboard from the canvas."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMenu, QPushButton, QSizePolicy


def menu_button(text: str, tip: str = "") -> tuple[QPushButton, QMenu]:
    """A button with ▾ that opens a menu, looking like the other buttons."""
    button = QPushButton(f"{text} ▾")
    button.setToolTip(tip)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    button.setStyleSheet("QPushButton::menu-indicator { image: none; width: 0px; }")
    menu = QMenu(button)
    button.setMenu(menu)
    return button, menu


def tool_button(text: str, tip: str, *, checkable: bool = False) -> QPushButton:
    """A small button for a tool."""
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setCheckable(checkable)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    # As narrow as its words: four of them stand side by side in a dock of 320 px.
    button.setMinimumWidth(button.fontMetrics().horizontalAdvance(text) + 14)
    button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    button.setStyleSheet("QPushButton { padding: 4px 2px; } QPushButton:checked { font-weight: bold; }")
    return button


def plain_text(text: str) -> str:
    """Words for a menu or button in which & is a letter and marks no key."""
    return text.replace("&", "&&")
