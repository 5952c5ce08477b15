"""The viewer beside `nucleidomain demo`: it follows the training, shows the result, leaves a picture.

Started as a process of its own (`python -m napari_nucleidomain.widgets.demo OUT RUN [--stay]`), like a person who opens
napari while a training runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import QTimer

from napari_nucleidomain.contracts.events import is_last
from napari_nucleidomain.runs.event_log import last_event
from napari_nucleidomain.runs.folder import RunFolder

from .dock import open_all, open_dock
from .entry import ImageEntry
from .result_layers import measure_ids, result_layers
from .results import find_results, load_result
from .samples import add_sample
from .session import Session, get_session

_SAMPLE = "hne"
_SETTLE_MS = 2000


class Demo:
    """Opens the sample and the docks, then waits for the command line's `done.json`.

    Parameters
    ----------
    out : Path
        The demo's folder.
    run : RunFolder
        The training to follow.
    stay : bool
        Leave the viewer open at the end.
    """

    def __init__(self, out: Path, run: RunFolder, *, stay: bool) -> None:
        self._out, self._run, self._stay = out, run, stay
        self._viewer = napari.Viewer(title="Nuclei: demo")
        self._viewer.window.resize(1360, 800)
        self._session: Session = get_session(self._viewer, out / "project")
        self._waited = 0
        self._timer = QTimer()
        self._timer.timeout.connect(self._look)

    def begin(self) -> None:
        """Show the sample with the clicks the training uses, and the training itself."""
        entry = add_sample(self._session, _SAMPLE, with_clicks=True)
        open_all(self._viewer)
        self._session.set_current(entry)
        self._session.run = self._run
        open_dock(self._session, "train")
        self._timer.start(500)

    def _look(self) -> None:
        entry = self._session.current
        if entry is not None and entry.image is not None and len(entry.points):
            self._keep_left_half(entry)
        if (self._out / "done.json").exists():
            self._timer.stop()
            self._show_result(entry)
            self._review = open_dock(self._session, "review")
            self._wait_for_result()
            return
        event = last_event(self._run.path)
        if event is not None and is_last(event) and event.kind != "finished":
            # The training failed or was stopped; the command line says why.
            self._timer.stop()
            self._picture()

    def _show_result(self, entry: ImageEntry | None) -> None:
        """Lay the newest result over the image, as *Show an earlier one* does."""
        stored = find_results(self._session.project, entry.path if entry is not None else None)
        if entry is None or not stored:
            return
        loaded = load_result(stored[0])
        areas, border = measure_ids(loaded.labels, len(loaded.scores))
        result_layers(self._session).show(entry, loaded, areas, border)
        if "preview" in entry.layers:
            entry.layers["preview"].visible = False

    def _keep_left_half(self, entry: ImageEntry) -> None:
        """Only the clicks that teach are shown, and the region they fill."""
        assert entry.image is not None
        points, (height, width) = np.asarray(entry.points), entry.image.spatial_shape[-2:]
        middle = width // 2
        left = points[points[:, -1] < middle - 0.5]
        if len(left) < len(points):
            corners = np.array([[0, 0], [0, middle], [height, middle], [height, 0]], float) - 0.5
            self._session.annotations.change(entry, points=left, regions=[corners])
            # The sample has a click in every nucleus.
            self._session.touch(entry, "regions", complete=True)

    def _wait_for_result(self) -> None:
        """Take the picture when the result lies over the image, at the latest after half a minute."""
        self._waited += _SETTLE_MS
        if self._review.subject is None and self._waited < 30_000:  # type: ignore[attr-defined]
            QTimer.singleShot(_SETTLE_MS, self._wait_for_result)
        else:
            QTimer.singleShot(_SETTLE_MS, self._picture)

    def _picture(self) -> None:
        self._viewer.screenshot(str(self._out / "viewer.png"), canvas_only=False, flash=False)
        if not self._stay:
            self._viewer.close()


def main() -> None:
    """Run the viewer until the demo is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--stay", action="store_true")
    parsed = parser.parse_args()
    demo = Demo(parsed.out, RunFolder(parsed.run), stay=parsed.stay)
    QTimer.singleShot(0, demo.begin)
    napari.run()


if __name__ == "__main__":
    main()
