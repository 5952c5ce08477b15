"""A viewer in which somebody corrects a result and adds it to the training images; the test kills it on the way.

    python correcting.py PROJECT IMAGE LABELS STEP

Says `at STEP` on its standard output when it has come there, and then does nothing more.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import napari
import numpy as np
from qtpy.QtWidgets import QApplication
from trainer import Predictor

from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.runs.job import ImageRef, PredictJob
from napari_nucleidomain.widgets.dock import open_dock
from napari_nucleidomain.widgets.predict_run import read_for_show
from napari_nucleidomain.widgets.result_layers import result_layers
from napari_nucleidomain.widgets.results import find_results
from napari_nucleidomain.widgets.session import get_session

PAINTED = 3


def until(so) -> None:
    end = time.monotonic() + 60
    while not so():
        QApplication.processEvents()
        time.sleep(0.005)
        if time.monotonic() > end:
            raise SystemExit("it did not come about")


def come_to(step: str, wanted: str) -> None:
    """Stand still for good where the test wants it."""
    if step == wanted:
        print(f"at {step}", flush=True)
        while True:
            time.sleep(1)


def main(project: Path, image: Path, file: Path, wanted: str) -> None:
    labels = np.load(file)
    viewer = napari.Viewer()
    session = get_session(viewer, project)
    entry = session.add_entry("picture", path=image)
    entry.image = open_image(image)
    session.set_current(entry)
    until(lambda: entry.layers.get("image") in viewer.layers)
    run = session.project.new_run(
        PredictJob(model="otsu", name="otsu", images=[ImageRef(path=str(image), name=entry.id)])
    )
    predictor = Predictor(run)
    predictor.result(labels)
    predictor.leave()
    shown = result_layers(session)
    result = shown.show(entry, *read_for_show(find_results(session.project, image)[0]))
    dock = open_dock(session, "review")
    until(lambda: dock.subject is not None and not dock._background.busy)
    result.layer.data_setitem(np.nonzero(result.layer.data == PAINTED), 0)
    shown.autosave.flush()
    session.flush()
    come_to("painted", wanted)
    box = dock.corrections
    box.ask.click()
    until(lambda: box._part is not None)
    box.add.click()
    come_to("adding", wanted)
    until(lambda: entry.corrections is not None)
    come_to("added", wanted)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
