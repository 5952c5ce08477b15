"""One byte flipped at 50 places of every file that a run goes on from: said, computed again, or of no consequence.

`python benchmarks/flipped_bytes.py`: a few tiny files of each kind, some seconds to a minute. Checkpoints and weights
must be refused at every place. Arrays of a stage, tiles and copies of clicks must be refused, made again, or be read as
they were (a byte that means nothing, as the time in an archive): never give other numbers. `--every` flips each byte.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from common import print_table, write_results

from napari_nucleidomain.contracts import ModelCard, NucleiError
from napari_nucleidomain.data.points import write_points
from napari_nucleidomain.inference.model_files import load_weights, pack_model, save_model, unpack_model
from napari_nucleidomain.inference.tile_store import TileStore
from napari_nucleidomain.instances.stitching import TileInstances
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.inputs import training_inputs
from napari_nucleidomain.runs.job import TrainJob
from napari_nucleidomain.runs.stages import StageFolder
from napari_nucleidomain.training.state import TorchCheckpoints

PLACES = 50
RNG = np.random.default_rng(0)
# What a look at a damaged file came to.
REFUSED, AGAIN, SAME, OTHER = "refused", "made again", "read as it was", "SILENTLY OTHER"


def flipped(file: Path, look: Callable[[], str], every: bool) -> dict[str, Any]:
    """Outcomes of looking at a file with one byte flipped, at places all over it."""
    whole = file.read_bytes()
    look_places = range(len(whole)) if every else np.linspace(0, len(whole) - 1, PLACES).astype(int)
    found = {REFUSED: 0, AGAIN: 0, SAME: 0, OTHER: 0, "ERROR": 0}
    for place in look_places:
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        file.write_bytes(damaged)
        try:
            found[look()] += 1
        except NucleiError:
            found[REFUSED] += 1
        except Exception as error:  # noqa: BLE001 - counted: a person would see a traceback
            print(f"  {file.name} at {place}: {type(error).__name__}: {error}")
            found["ERROR"] += 1
        file.write_bytes(whole)
    return {"bytes": len(whole), "places": len(look_places), **found}


def checkpoint(folder: Path, every: bool, *, with_hash: bool) -> dict[str, Any]:
    """State of a small network and its optimiser."""
    file, state = folder / "latest.ckpt", _state()
    if with_hash:
        TorchCheckpoints().save(state, file)
    else:
        torch.save(state, file)

    def look() -> str:
        read = TorchCheckpoints().load(file)
        same = all(torch.equal(value, state["tracked"]["net"][name]) for name, value in read["tracked"]["net"].items())
        return SAME if same and read["position"] == state["position"] else OTHER

    return flipped(file, look, every)


def _state() -> dict[str, Any]:
    network = torch.nn.Sequential(torch.nn.Linear(20, 40), torch.nn.Linear(40, 3))
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.randn(4, 20)).sum().backward()
    optimiser.step()
    position = {"clock": 12.5, "SPN": {"key": "SPN:abc", "step": 7, "seconds": 3.5, "allowed": None}}
    return {"position": position, "tracked": {"net": network.state_dict(), "optimiser": optimiser.state_dict()}}


def weights(folder: Path, every: bool, *, packed: bool) -> dict[str, Any]:
    """Weights beside their card, or both in one file."""
    values = {"net.weight": RNG.normal(size=(40, 20)).astype(np.float32), "net.bias": np.zeros(3, np.float32)}
    save_model(folder / "model", values, ModelCard(name="model", method="adgan"))
    file = folder / "model" / "weights.safetensors"
    if packed:
        file = pack_model(folder / "model", folder / "one.nucleidomain")

    def look() -> str:
        where = folder / "model"
        if packed:
            where = folder / f"unpacked-{RNG.integers(1 << 40)}"
            unpack_model(file, where)
        read = load_weights(where)
        same = read.keys() == values.keys() and all(np.array_equal(read[name], values[name]) for name in values)
        return SAME if same else OTHER

    return flipped(file, look, every)


def stage(folder: Path, every: bool) -> dict[str, Any]:
    """Arrays that a stage of a training has left."""
    kept = RNG.integers(0, 9, (60, 50)).astype(np.uint8)
    first = StageFolder(folder, "key")
    first.save("0", maps=kept)
    first.mark_done("token")

    def look() -> str:
        again = StageFolder(folder, "key")
        if again.needed:
            return AGAIN
        try:
            return SAME if np.array_equal(again.load("0")["maps"], kept) else OTHER
        finally:
            first.mark_done("token")

    return flipped(folder / "0.npz", look, every)


def marker(folder: Path, every: bool) -> dict[str, Any]:
    """The mark that a stage is done."""
    kept = RNG.integers(0, 9, (60, 50)).astype(np.uint8)
    first = StageFolder(folder, "key")
    first.save("0", maps=kept)
    first.mark_done("token")

    def look() -> str:
        again = StageFolder(folder, "key")
        # Another token is found out with the checkpoint, which has it too.
        return AGAIN if again.needed or again.token != "token" else SAME

    return flipped(folder / "done.json", look, every)


def tile(folder: Path, every: bool) -> dict[str, Any]:
    """What was found in one tile."""
    labels = RNG.integers(0, 5, (80, 80)).astype(np.int32)
    scores = np.linspace(0, 1, 4).astype(np.float32)
    key = {"model": "a", "image": "b"}
    TileStore(folder, key=key).put(3, TileInstances(labels, scores, scores))
    file = next(folder.glob("tile-*.npz"))

    def look() -> str:
        store = TileStore(folder, key=key)
        if 3 not in store:
            return AGAIN
        read = store.get(3)
        same = np.array_equal(read.labels, labels) and np.array_equal(read.scores, scores)
        return SAME if same and np.array_equal(read.uncertainty, scores) else OTHER

    return flipped(file, look, every)


def inputs(folder: Path, every: bool, *, name: str) -> dict[str, Any]:
    """A copy of clicks, or the dataset file, in a training's folder; the project's clicks are others by now."""
    for kind in ("images", "points"):
        (folder / "data" / kind).mkdir(parents=True)
    tifffile.imwrite(folder / "data" / "images" / "a.tif", RNG.integers(0, 255, (64, 64), dtype=np.uint8))
    clicks = folder / "data" / "points" / "a.csv"
    write_points(np.array([[10.0, 12.0], [30.0, 31.5], [50.0, 40.0]]), clicks)
    run = RunFolder.create(folder / "run", TrainJob(method="spn-ien", data=str(folder / "data")))
    before = training_inputs(run, 0).digest()
    # From now on the copy counts.
    (run.path / "checkpoint").mkdir()
    (run.path / "checkpoint" / "latest.ckpt").write_bytes(b"something was learned")
    write_points(np.array([[1.0, 2.0]]), clicks)
    file = next((run.path / "inputs").rglob(name))

    def look() -> str:
        return SAME if training_inputs(run, 0).digest() == before else OTHER

    return flipped(file, look, every)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", action="store_true", help="every byte, instead of 50 places")
    every = parser.parse_args().every
    kinds: dict[str, Callable[[Path], dict[str, Any]]] = {
        "checkpoint": lambda at: checkpoint(at, every, with_hash=True),
        "checkpoint of an earlier version": lambda at: checkpoint(at, every, with_hash=False),
        "weights.safetensors": lambda at: weights(at, every, packed=False),
        "model in one file": lambda at: weights(at, every, packed=True),
        "arrays of a stage": lambda at: stage(at, every),
        "mark of a stage": lambda at: marker(at, every),
        "tile": lambda at: tile(at, every),
        "copy of clicks": lambda at: inputs(at, every, name="*.csv"),
        "copy's dataset.json": lambda at: inputs(at, every, name="dataset.json"),
    }
    rows = []
    for number, (kind, make) in enumerate(kinds.items()):
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text) / str(number)
            folder.mkdir()
            rows.append({"file": kind, **make(folder)})
    print_table(rows)
    write_results("flipped_bytes", {"rows": rows})
    if any(row[OTHER] or row["ERROR"] for row in rows):
        raise SystemExit("A damaged file was taken for whole.")


if __name__ == "__main__":
    main()
