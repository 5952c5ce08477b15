"""What every dock shares: the header on top, a body that scrolls, and a way to bring another dock to the front."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QVBoxLayout, QWidget

from napari_nucleidomain.contracts import NucleiError

from .folding import scrolled
from .header import Header
from .labels_ahead import prepare_labels
from .session import Session, get_session, plain

PLUGIN, TITLE = "napari-nucleidomain", "Nuclei"
DOCKS = {"images": "Images", "points": "Points", "train": "Train", "predict": "Predict", "review": "Review"}

# The dock is on the screen first.
_LABELS_AFTER_MS = 700
# Qt lays out what was just shown after this event.
_REVEAL_AFTER_MS = 50


class Dock(QWidget):
    """Base of the five docks.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Handed in by napari.

    Attributes
    ----------
    which : str
        Key of `DOCKS`.
    session : Session
    body : QVBoxLayout
        Where a dock puts its controls.
    footer : QVBoxLayout
        Below the part that scrolls: the way on to the next dock is always in sight.
    """

    which = ""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.session: Session = get_session(napari_viewer)
        self.header = Header(self.session)
        try:
            self.session.restore()
        except NucleiError as error:
            self.header.note.say_error(error)
        content = QWidget()
        self.body = QVBoxLayout(content)
        self.body.setContentsMargins(8, 4, 8, 8)
        self.body.setSpacing(6)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self.header)
        self._area = scrolled(content)
        outer.addWidget(self._area, 1)
        self.footer = QVBoxLayout()
        self.footer.setContentsMargins(8, 4, 8, 8)
        self.footer.setSpacing(4)
        outer.addLayout(self.footer)
        self.setMinimumWidth(300)
        self.session.asked_for.connect(self._asked_for)
        self._placed = False

    def event(self, event: QEvent | None) -> bool:
        """Qt's hook: once the dock is in a window, the session saves when this closes."""
        if event is not None and event.type() in (QEvent.Type.Show, QEvent.Type.ParentChange):
            self.session.watch_window(self)
            if event.type() == QEvent.Type.Show and not self._placed:
                self._placed = True
                # napari goes on arranging the window after this event.
                QTimer.singleShot(0, self._join)
                QTimer.singleShot(_LABELS_AFTER_MS, prepare_labels)
        return super().event(event)

    def reveal(self, widget: QWidget) -> None:
        """Scroll to a widget of the body, once it is laid out; focus and tab stay where they are."""

        def go() -> None:
            if not self.session.closed:
                self._area.ensureWidgetVisible(widget, 0, 8)

        soon = QTimer(self)
        soon.setSingleShot(True)
        soon.timeout.connect(go)
        soon.timeout.connect(soon.deleteLater)
        soon.start(_REVEAL_AFTER_MS)

    def _join(self) -> None:
        if not self.session.closed:
            join_tabs(self)

    def _asked_for(self, which: str) -> None:
        if which == self.which:
            raise_dock(self)


def holder(widget: QWidget) -> QDockWidget | None:
    """The dock that holds a widget."""
    parent: Any = widget
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent


def raise_dock(widget: QWidget) -> None:
    """Bring the dock that holds a widget to the front of its tabs."""
    dock = holder(widget)
    if dock is not None:
        dock.show()
        dock.raise_()


def join_tabs(widget: Dock) -> None:
    """Make a dock that was just opened a tab beside those of ours that are open in the same window.

    Its title becomes short: five tabs side by side have no room for the plugin's name, which napari adds.
    """
    dock, window = holder(widget), widget.window()
    if dock is not None:
        dock.setWindowTitle(DOCKS.get(widget.which, dock.windowTitle()))
    if dock is None or not isinstance(window, QMainWindow) or dock.isFloating():
        return
    for other in window.findChildren(Dock):
        beside = holder(other)
        if other is widget or beside is None or beside is dock or beside.isFloating():
            continue
        if beside in window.tabifiedDockWidgets(dock):
            return
        if window.dockWidgetArea(beside) == window.dockWidgetArea(dock):
            window.tabifyDockWidget(beside, dock)
            dock.show()
            dock.raise_()
            return


def open_dock(session: Session, which: str) -> QWidget:
    """Bring a dock to the front, opening it among the others if need be."""
    widget = _widget(session.viewer, which) or _open(session.viewer, which)
    raise_dock(widget)
    return widget


def open_all(viewer: Any) -> None:
    """Open all five as one group of tabs, with *Images* in front (*Plugins > Nuclei > open all*)."""
    viewer = plain(viewer)
    for which in DOCKS:
        if _widget(viewer, which) is None:
            _open(viewer, which)
    front = _widget(viewer, "images")
    if front is not None:
        raise_dock(front)


def dock_name(which: str) -> str:
    """The name under which napari's menu knows a dock."""
    from napari.plugins import menu_item_template

    return menu_item_template.format(TITLE, DOCKS[which])


def _widget(viewer: Any, which: str) -> QWidget | None:
    widget: QWidget | None = viewer.window.dock_widgets.get(dock_name(which))
    return widget


def _open(viewer: Any, which: str) -> QWidget:
    module = import_module(f".{which}_dock", __package__)
    widget: QWidget = getattr(module, f"{DOCKS[which]}Dock")(viewer)
    viewer.window.add_dock_widget(widget, name=dock_name(which), area="right")
    join_tabs(widget)
    return widget


class OpenAll(QWidget):
    """What the menu entry *open all* makes: it opens the five docks and takes itself away."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = plain(napari_viewer)
        self.setMaximumHeight(0)
        # napari puts this widget into a dock of its own right after making it.
        QTimer.singleShot(0, self._go)

    def _go(self) -> None:
        open_all(self._viewer)
        self._viewer.window.remove_dock_widget(self)
