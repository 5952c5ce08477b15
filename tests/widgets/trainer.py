"""A stand-in for the process that trains: it writes the same files, when the test says so."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import psutil

from napari_nucleidomain.contracts import MethodConfig, MethodSpec, ModelCard, Preset, ScoreOnData, save_card, setting
from napari_nucleidomain.contracts.events import Preview, Started
from napari_nucleidomain.contracts.files import write_json
from napari_nucleidomain.data.labels_out import write_labels
from napari_nucleidomain.runs.arrays import write_arrays
from napari_nucleidomain.runs.devices import Holder, registry
from napari_nucleidomain.runs.event_log import EventWriter
from napari_nucleidomain.runs.ownership import Ownership


class ToyConfig(MethodConfig):
    """Settings of a method that does nothing."""

    rate: float = setting(1e-3, "Learning rate.", unit="1/step", gt=0, le=1)
    tile: int = setting(64, "Tile.", unit="px", ge=16, le=512)


TOY = MethodSpec(
    name="toy",
    title="Toy (nobody, never)",
    needs="points",
    sentence="Needs clicks. Learns nothing.",
    config=ToyConfig,
    presets={
        "quick": Preset("Quick look", "Soon there.", {"tile": 128}, minutes=2.0),
        "paper": Preset("Paper's settings", "As printed.", {"rate": 0.5}),
    },
    train="nowhere:train",
    load="nowhere:load",
)


class Trainer:
    """Owns a run folder like the process that executes it."""

    def __init__(self, run) -> None:
        self.run = run
        self.ownership = Ownership(run.path)
        self.events = EventWriter(run.path)
        self.events.write(Started(device="cpu"))

    def take(self, device="cpu", words="the processor") -> None:
        """Be on the list of who computes on which device, until `leave`."""
        job, project = self.run.job, str(self.run.path.parent.parent)
        since = psutil.Process().create_time()
        mine = Holder(device, words, job.kind, job.name, str(self.run.path), project, time.time(), os.getpid(), since)
        self.record = registry() / f"{mine.token}.json"
        self.record.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.record, asdict(mine))

    record: Path | None = None

    def say(self, *events) -> None:
        """Write events."""
        for event in events:
            self.events.write(event)

    def preview(self, image: Path, labels: np.ndarray, /, origin=(0, 0), number: int = 1, **more) -> None:
        """Publish a preview."""
        (self.run.path / "previews").mkdir(exist_ok=True)
        file = f"previews/{number:05d}.npz"
        np.savez(self.run.path / file, labels=labels, **more)
        self.say(Preview(stage="SPN", step=number, file=file, image=str(image), origin=list(origin)))

    def publish(self, score: float = 0.8, **facts) -> Path:
        """Leave a model where the job wants it."""
        return make_model(Path(self.run.job.publish), score, **facts)

    def leave(self, *events) -> None:
        """Say the last words and let the folder go."""
        self.say(*events)
        self.ownership.release()
        if self.record is not None:
            self.record.unlink()


def make_model(folder: Path, score: float = 0.8, **facts) -> Path:
    """A model's folder with a card and no sensible weights."""
    folder.mkdir(parents=True, exist_ok=True)
    scores = [ScoreOnData(name="points_f1", value=score, on="kept-back clicks")]
    card = ModelCard(name=folder.name, method="toy", kind="h&e", scores=scores, **facts)
    save_card(card, folder)
    (folder / "weights.safetensors").write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")
    return folder


class Predictor(Trainer):
    """Owns a prediction's run folder like the warm worker."""

    def tile(self, labels: np.ndarray, origin, number: int = 1) -> None:
        """Publish one tile of the first image."""
        ref = self.run.job.images[0]
        (self.run.path / "previews").mkdir(exist_ok=True)
        file = f"previews/t{number:05d}.npz"
        np.savez(self.run.path / file, labels=labels.astype(np.uint32))
        self.say(Preview(stage=ref.name, step=number, file=file, image=ref.path, origin=list(origin)))

    def result(self, labels: np.ndarray, origin=(0, 0), number: int = 0, scores=None) -> dict:
        """Write the result of one image."""
        ref = self.run.job.images[number]
        count = int(labels.max())
        scores = np.linspace(0.1, 1.0, count) if scores is None else np.asarray(scores)
        name = ref.name or Path(ref.path).stem
        tables = {"ids": np.arange(1, count + 1), "scores": scores, "uncertainty": 1 - scores}
        write_arrays(self.run.result_folder / f"{name}.npz", tables)
        file = write_labels(labels.astype(np.uint32), self.run.result_folder / f"{name}.labels.tif")
        record = {
            "name": name,
            "image": ref.path,
            "nuclei": count,
            "labels": str(file),
            "origin": list(origin),
            "shape": list(labels.shape),
            "scale": 1.0,
            "scale_reason": "as it is",
            "pixel_size_um": None,
            "seconds": 0.5,
        }
        write_json(self.run.result_folder / f"{name}.json", record)
        return record


class Worker:
    """A stand-in for the warm worker: keeps what it is handed."""

    def __init__(self) -> None:
        self.alive = True
        self.runs: list = []
        self.warmed: list = []

    def submit(self, run) -> None:
        """Take a prediction."""
        self.runs.append(run)

    def warm(self, model=None, device="auto") -> None:
        """Note the model."""
        self.warmed.append((model, device))

    def close(self) -> None:
        """Nothing to end."""
