"""*Plugins > Nuclei > Check my computer*."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QLabel, QSizePolicy, QVBoxLayout, QWidget
from superqt import QFlowLayout

from .background import in_background
from .bars import Bar
from .folding import scrolled
from .inline import Inline, WhyButton
from .session import get_session
from .speed_runner import SpeedRunner

if TYPE_CHECKING:
    from napari_nucleidomain.runs.checkup import Finding
    from napari_nucleidomain.runs.speed import Speed

_SIGNS = {"ok": "✓", "info": "ℹ", "warning": "⚠", "error": "✗"}
_COLOURS = {"ok": "#009E73", "info": "#56B4E9", "warning": "#E69F00", "error": "#D55E00"}
_SUBJECT = "Speed test"
_TIGHT = 'style="margin: 3px 0"'


class CheckDock(QWidget):
    """What this computer has, what is amiss, how fast it trains, and what that means.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Given by napari.
    """

    # Tests look at the rest without waiting for it.
    measures_at_once = True

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._session = get_session(napari_viewer)
        self._found: list[Finding] = []
        self._sentences: list[str] = []
        self._begun = False
        self.runner = SpeedRunner(self)
        self._build()
        self.runner.progressed.connect(lambda share: self.bar.setValue(round(1000 * share)))
        self.runner.ended.connect(self._measured)
        self.runner.failed.connect(self._not_measured)
        self._session.closing.connect(self.runner.close)

    def _build(self) -> None:
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(8, 8, 8, 8)
        self.means = _text()
        self.lines = _text()
        self.lines.setText("Looking …")
        self.trouble = Inline()
        self.bar = Bar()
        self.bar.setRange(0, 1000)
        self.bar.setFormat("speed test: %p %")
        self.bar.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.test = WhyButton("Test the speed again", "Five seconds of real training, in a process of its own")
        self.cancel = WhyButton("Cancel", "End the speed test")
        self.copy = WhyButton("Copy report", "All of this as text, without your name and the computer's")
        buttons = QWidget()
        flow = QFlowLayout(buttons)
        flow.setContentsMargins(0, 0, 0, 0)
        for button in (self.test, self.cancel, self.copy):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            flow.addWidget(button)
        for widget in (self.bar, self.means, self.trouble, buttons, self.lines):
            layout.addWidget(widget)
        layout.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolled(content))
        self.setMinimumWidth(300)
        self.test.clicked.connect(self.measure)
        self.cancel.clicked.connect(self.runner.cancel)
        self.copy.clicked.connect(self.copy_report)
        self._show_running(False)

    def showEvent(self, event: Any) -> None:
        """Qt's hook: look once the window is on the screen."""
        super().showEvent(event)
        if not self._begun:
            self._begun = True
            QTimer.singleShot(0, self.look)

    def closeEvent(self, event: Any) -> None:
        """Qt's hook: nobody waits for the test any more."""
        self.runner.close()
        super().closeEvent(event)

    # ---- looking

    def look(self) -> None:
        """Look at everything, and measure where nothing else computes."""
        from napari_nucleidomain.runs.checkup import look
        from napari_nucleidomain.runs.devices import holders
        from napari_nucleidomain.runs.speed import load_speed

        folder = self._session.project_folder
        in_background(self, lambda: (look(folder), holders(), load_speed("auto")), self._looked, self._failed)

    def _looked(self, found: tuple[list[Finding], list[Any], Speed | None]) -> None:
        self._found, busy, speed = found
        if busy:
            self.trouble.say(
                "info",
                f"{busy[0].name} computes now; a speed test would disturb it and show too little.",
                Test_all_the_same=self.measure,
            )
        elif self.measures_at_once:
            self.measure()
        self._tell(speed)

    # ---- measuring

    def measure(self) -> None:
        """Begin the speed test."""
        self.trouble.clear()
        self.bar.setValue(0)
        self.runner.start()
        self._show_running(self.runner.running)

    def _measured(self, speed: Speed | None) -> None:
        from napari_nucleidomain.runs.checkup import speed_finding
        from napari_nucleidomain.runs.speed import load_speed

        self._show_running(False)
        self._keep(speed_finding(speed))
        # A cancelled test leaves the one before.
        self._tell(speed or load_speed("auto"))
        if speed is not None:
            self._session.speed_measured.emit()

    def _not_measured(self, error: BaseException) -> None:
        from napari_nucleidomain.contracts import NucleiError
        from napari_nucleidomain.runs.checkup import Finding

        self._show_running(False)
        if isinstance(error, NucleiError):
            self._keep(Finding(_SUBJECT, "error", error.message, error.hint))
        self._failed(error)
        self._tell(None)

    def _failed(self, error: BaseException) -> None:
        self.trouble.say_error(error)

    def _keep(self, finding: Finding) -> None:
        self._found = [one for one in self._found if one.subject != _SUBJECT] + [finding]

    # ---- telling

    def _show_running(self, running: bool) -> None:
        self.bar.setVisible(running)
        self.cancel.setVisible(running)
        self.test.setVisible(not running)

    def _tell(self, speed: Speed | None) -> None:
        from napari_nucleidomain.runs.checkup import meaning

        self._sentences = meaning(speed)
        told = ["Measuring, five seconds …"] if self.runner.running and speed is None else self._sentences
        self.means.setText("<b>What this means</b>" + "".join(f"<p {_TIGHT}>{escape(one)}</p>" for one in told))
        self.lines.setText("".join(_line(one) for one in self._found))

    def report(self) -> str:
        """The text of [Copy report]."""
        from napari_nucleidomain.runs.checkup import report

        return report(self._found, self._sentences)

    def copy_report(self) -> None:
        """Put the report on the clipboard."""
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.report())


def _text() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
    return label


def _line(finding: Finding) -> str:
    sign = f'<span style="color: {_COLOURS[finding.level]}">{_SIGNS[finding.level]}</span>'
    # Zero-width spaces let a long path wrap.
    text = escape(finding.text).replace("/", "/\u200b").replace("\\", "\\\u200b")
    hint = f"<br><i>{escape(finding.hint)}</i>" if finding.hint else ""
    return f"<p {_TIGHT}>{sign} <b>{finding.subject}</b><br>{text}{hint}</p>"
