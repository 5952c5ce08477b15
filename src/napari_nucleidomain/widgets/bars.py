"""Progress bars that do not hold up the event loop."""

from __future__ import annotations

from qtpy.QtWidgets import QProgressBar


class Bar(QProgressBar):
    """A progress bar that is drawn together with everything else.

    Qt's own draws itself at every new value before it returns, and beside an OpenGL canvas that draws the whole window:
    ten times a second, while a person clicks.
    """

    def setValue(self, value: int) -> None:
        """Show a value soon."""
        self.setUpdatesEnabled(False)
        super().setValue(value)
        # Asks for a drawing; several requests make one.
        self.setUpdatesEnabled(True)
