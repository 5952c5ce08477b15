"""The warm worker: what it does before the first job, and who may start it."""

from __future__ import annotations

import shutil
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from napari_nucleidomain.contracts import ModelCard, SegmenterSpec, save_card
from napari_nucleidomain.instances.stitching import TileInstances
from napari_nucleidomain.runs import predict as predict_module
from napari_nucleidomain.runs import worker as worker_module
from napari_nucleidomain.runs.job import ImageRef, PredictJob
from napari_nucleidomain.runs.predict import warm_up
from napari_nucleidomain.runs.store import Project
from napari_nucleidomain.runs.worker import Worker, WorkerClient


class Recorder:
    """A segmenter that finds nothing and notes what it was given."""

    def __init__(self, spec: SegmenterSpec) -> None:
        self.spec, self.seen = spec, []

    def prepare(self, image, plane, factor=1.0):
        """No constants."""

    def forward(self, tiles, constants):
        """Nothing in each tile."""
        self.seen += [tile.shape for tile in tiles]
        none = np.zeros(0, np.float32)
        return [TileInstances(np.zeros(tile.shape[:-1], np.int32), none, none) for tile in tiles]


@pytest.mark.parametrize(
    ("ndim", "channels", "tile", "fixed", "seen"),
    [
        (2, 3, (96, 96), False, (96, 96, 3)),
        (2, 1, (1024, 1024), False, (160, 160, 1)),
        (2, 5, (256, 256), True, (256, 256, 5)),
        (3, 2, (64, 128, 128), False, (48, 48, 48, 2)),
        (2, 0, (64, 64), False, (64, 64, 1)),
    ],
)
def test_warming_up_segments_one_small_tile_of_the_models_kind(ndim, channels, tile, fixed, seen):
    halo = (8,) * ndim
    segmenter = Recorder(SegmenterSpec(ndim=ndim, channels=channels, tile=tile, halo=halo, fixed=fixed))
    warm_up(segmenter)
    assert segmenter.seen == [seen]


@pytest.fixture
def started(monkeypatch):
    """Counts processes instead of starting them."""
    made = []

    def spawn(arguments, log):
        # Long enough for others to look whether there is a worker.
        time.sleep(0.05)
        made.append(arguments)
        return SimpleNamespace(poll=lambda: None)

    monkeypatch.setattr(worker_module, "spawn", spawn)
    return made


def test_two_threads_start_one_worker(tmp_path, started):
    client = WorkerClient(Project.open(tmp_path / "Projekt Ü"))
    gate = threading.Barrier(8)

    def ask() -> None:
        gate.wait()
        client.warm("otsu")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 1


def test_a_new_wish_overrules_an_earlier_one_to_close(tmp_path, started):
    project = Project.open(tmp_path / "p")
    client = WorkerClient(project)
    client.warm("otsu")
    client.close()
    client.warm("otsu")
    assert not (project.worker_folder / "close.json").exists()
    assert len(started) == 1


def test_a_worker_ends_when_its_project_is_removed(tmp_path):
    project = Project.open(tmp_path / "p")
    worker = worker_module.Worker(project, idle_seconds=60)
    thread = threading.Thread(target=worker.serve)
    thread.start()
    end = time.monotonic() + 20
    while not (project.worker_folder / "owner.json").exists() and time.monotonic() < end:
        time.sleep(0.01)
    shutil.rmtree(project.path)
    thread.join(20)
    assert not thread.is_alive()
    assert not project.path.exists()


def waiting_prediction(project, name="a"):
    """One that fails at once, for its image is missing: it needs no model and leaves an event."""
    return project.new_run(PredictJob(model="otsu", images=[ImageRef(path=str(project.path / f"{name}.tif"))]))


def test_ticket_handed_in_while_the_worker_gives_up_is_taken(tmp_path, started, monkeypatch):
    project = Project.open(tmp_path / "Projekt Ü")
    client, worker = WorkerClient(project), Worker(project, idle_seconds=0.0)
    run, real = waiting_prediction(project), worker_module.Ownership.release

    def release(self):
        if not self._path.parent.samefile(project.worker_folder) or run.state != "waiting":
            real(self)
            return
        client.submit(run)
        real(self)

    monkeypatch.setattr(worker_module.Ownership, "release", release)
    worker._idle = 0.05
    worker.serve()
    assert started == [], "there was a live worker"
    assert run.state == "failed"
    assert not list((project.worker_folder / "queue").iterdir())


def test_ticket_handed_in_while_the_process_ends_starts_another(tmp_path, started):
    project = Project.open(tmp_path / "p")
    client = WorkerClient(project)
    client.warm()
    Worker(project, idle_seconds=0.0).serve()
    assert client._process.poll() is None, "its process has not gone yet"
    client.submit(waiting_prediction(project))
    assert len(started) == 2


def test_worker_that_is_asked_to_end_leaves_what_waited_before(tmp_path, started):
    project = Project.open(tmp_path / "p")
    client, run = WorkerClient(project), waiting_prediction(project)
    client.submit(run)
    client.close()
    Worker(project).serve()
    assert run.state == "waiting"
    assert len(list((project.worker_folder / "queue").iterdir())) == 1


@pytest.mark.parametrize(
    ("wish", "used", "holds"), [("auto", "cpu", False), ("auto", "cuda:0", True), ("cpu", "cpu", False)]
)
def test_a_model_on_the_processor_is_in_nobodys_way(tmp_path, monkeypatch, wish, used, holds):
    save_card(ModelCard(name="m", method="m"), tmp_path)
    made = SimpleNamespace(device=used)
    spec = SimpleNamespace(load="", resolve=lambda entry: lambda folder, card, device: made)
    monkeypatch.setattr(predict_module, "find_method", lambda name: spec)
    models = predict_module.LoadedModels()
    assert not models.on_accelerator
    models.get(str(tmp_path), wish)
    assert models.on_accelerator is holds
    models.clear()
    assert not models.on_accelerator
