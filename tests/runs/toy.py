"""A method small enough to reason about: its state is two vectors, its model the first of them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import MethodConfig, MethodSpec, ModelCard, NucleiError, Preset, setting


class ToyConfig(MethodConfig):
    """Steps only."""

    steps: int = setting(40, "Steps of each stage.", ge=1)
    key: str = setting("k", "Of all it depends on.")
    stop_at: int = setting(-1, "Raise KeyboardInterrupt at this step of the second stage; a stand-in for a kill.")


class Vector:
    """Something with state."""

    def __init__(self, size: int) -> None:
        self.value = np.zeros(size)

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.value = np.asarray(state["value"]).copy()


class NumpyCheckpoints:
    """Checkpoints without torch: one npz with names joined by slashes."""

    def save(self, state: dict[str, Any], path: Path) -> None:
        import json

        arrays = {f"t/{k}/{n}": v for k, d in state["tracked"].items() for n, v in d.items()}
        arrays["position"] = np.frombuffer(json.dumps(state["position"]).encode(), dtype=np.uint8)
        with open(path, "wb") as handle:
            np.savez(handle, **arrays)

    def load(self, path: Path) -> dict[str, Any]:
        try:
            return self._load(path)
        except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
            raise NucleiError(f"{path.name} is damaged.", "Begin anew.") from error

    def _load(self, path: Path) -> dict[str, Any]:
        import json

        tracked: dict[str, Any] = {}
        with np.load(path) as file:
            for name in file.files:
                if name.startswith("t/"):
                    _, key, field = name.split("/")
                    tracked.setdefault(key, {})[field] = file[name]
            position = json.loads(file["position"].tobytes())
        return {"position": position, "tracked": tracked}

    def seed(self, seed: int) -> None:
        np.random.seed(seed % 2**32)  # noqa: NPY002 - this is the global generator a library would use


def train(run: Any, dataset: Any, config: ToyConfig) -> None:
    """Two stages; each step depends on the one before, on Step.rng and on the global generator."""
    run.attach(NumpyCheckpoints(), config.key)
    run.plan(first=1.0, second=2.0)
    a, b = Vector(3), Vector(2)
    run.track(a=a)
    with run.stage("first") as stage:
        if stage.needed:
            for step in run.steps("first", config.steps):
                a.value = 0.9 * a.value + step.rng.normal(size=3) + np.random.normal(size=3)  # noqa: NPY002
            stage.save("a", value=a.value)
    run.offer(
        lambda: (
            {"a": a.value.astype(np.float32), "b": b.value.astype(np.float32)},
            ModelCard(name="toy", method="toy"),
        )
    )
    run.track(b=b)
    with run.stage("second") as stage:
        if stage.needed:
            for step in run.steps("second", config.steps):
                b.value = 0.9 * b.value + step.rng.normal(size=2) + a.value[:2]
                run.metric(loss=float(b.value.sum()), nothing=float("nan"))
                if step.index == config.stop_at and not run.resumed:
                    run.check()  # in the middle of a step: must not save
                    b.value += 100.0  # lost with the process, must not survive
                    raise KeyboardInterrupt


SPEC = MethodSpec(
    name="toy",
    title="Toy",
    needs="points",
    sentence="For tests.",
    config=ToyConfig,
    presets={"quick": Preset("Quick", "Quick.")},
    train="tests.runs.toy:train",
    load="tests.runs.toy:load",
)
