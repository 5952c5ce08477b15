"""A run context without a folder run: everything in memory but the stages, and it can be interrupted at a step."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import Step, StopRun
from napari_nucleidomain.runs.context import mix_seed
from napari_nucleidomain.runs.stages import StageFolder


class FakeRun:
    """See `contracts.run.RunContext`.

    Parameters
    ----------
    folder : Path
    stop_at : tuple of (stage, step), optional
        Where StopRun is raised, after saving what is tracked.
    saved : dict, optional
        What an interrupted run kept in `saved`; goes on from there.
    """

    device, threads, minutes, background, preset, name = "cpu", 1, None, False, "test", "test"
    team = None
    seconds = 0.0

    def __init__(
        self,
        folder: Path,
        *,
        steps: int | None = None,
        stop_at: tuple[str, int] | None = None,
        saved: dict[str, Any] | None = None,
        parent: Path | None = None,
        seed: int = 0,
    ) -> None:
        self.folder, self.step_budget, self.parent, self.seed = folder, steps, parent, seed
        self.saved: dict[str, Any] = copy.deepcopy(saved) if saved else {"steps": {}, "tracked": {}}
        self.warnings: list[str] = []
        self.hints: list[str] = []
        self.metrics: list[dict[str, float]] = []
        self.previews: list[tuple[str, tuple[int, ...], np.ndarray]] = []
        self.before: list[np.ndarray | None] = []
        self.stages: list[str] = []
        self.asked: dict[str, str] = {}
        self.answers: dict[str, str] = {}
        self.build: Callable[[], Any] = lambda: None
        self.request: dict[str, Any] | None = None
        self._stop_at, self._tracked, self._checkpoints = stop_at, {}, None
        self._key = ""

    def attach(self, checkpoints: Any, key: str = "") -> None:
        self._checkpoints, self._key = checkpoints, key

    def track(self, **objects: Any) -> None:
        for name, thing in objects.items():
            self._tracked[name] = thing
            if name in self.saved["tracked"]:
                thing.load_state_dict(copy.deepcopy(self.saved["tracked"][name]))

    def keep(self) -> None:
        """A checkpoint, through the real writer and back."""
        assert self._checkpoints is not None
        path = self.folder / "state.ckpt"
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {name: thing.state_dict() for name, thing in self._tracked.items()}
        self._checkpoints.save({"position": {}, "tracked": state}, path)
        self.saved["tracked"] |= self._checkpoints.load(path)["tracked"]

    @contextmanager
    def stage(self, name: str) -> Iterator[StageFolder]:
        stage = StageFolder(self.folder / "stages" / name, f"{name}:{self._key}")
        self.stages.append(name if stage.needed else f"{name} skipped")
        needed = stage.needed
        yield stage
        if needed:
            self.keep()
            stage.mark_done()

    def plan(self, **shares: float) -> None:
        assert sum(shares.values()) > 0

    def steps(self, name: str, total: int, *, capped: bool = False) -> Iterator[Step]:
        for index in range(self.saved["steps"].get(name, 0), total):
            self.saved["steps"][name] = index
            if self._stop_at == (name, index):
                self.keep()
                raise StopRun
            seed = mix_seed(self.seed, name, index)
            assert self._checkpoints is not None
            self._checkpoints.seed(seed)
            yield Step(index, index / total, np.random.default_rng(seed))

    def check(self) -> None:
        pass

    def metric(self, **values: float) -> None:
        self.metrics.append(values)

    def warn(self, message: str, hint: str = "") -> None:
        self.warnings.append(message)
        self.hints.append(hint)

    def emit(self, event: Any) -> None:
        pass

    def preview_due(self) -> bool:
        return not self.previews

    def preview_request(self) -> dict[str, Any] | None:
        return self.request

    def preview(self, image: str, origin: tuple[int, ...], /, note: str = "", **arrays: np.ndarray) -> None:
        self.previews.append((image, origin, arrays["labels"]))
        self.before.append(arrays.get("before"))

    def ask(self, id: str, text: str, hint: str = "", **taken: float) -> None:
        self.asked.setdefault(id, text)

    def answer_to(self, id: str) -> str | None:
        return self.answers.get(id)

    def offer(self, build: Callable[[], Any]) -> None:
        self.build = build
