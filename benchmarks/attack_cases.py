"""The cases that `attack.py` draws, by kind; each is a folder made ready and a command that is given it."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from attack_material import Raw, as_json, write_run

# Values that no field expects.
VALUES: list[Any] = [
    None, True, -1, 0, 10**30, -(10**18), 1e308, Raw("NaN"), Raw("-Infinity"), Raw("9" * 5000), "", "x" * 100_000,
    "\x1b]0;X\x07\x1b[2J\nfaked", "a\u202eb", "a\0b", "\ud800", "../../x", [], {}, [[]] * 50, {"a": {"b": None}},
    Raw("[" * 30_000 + "]" * 30_000), Raw('{"a":' * 500 + "1" + "}" * 500), ["x"] * 2000,
]  # fmt: skip
# Texts that are hardly JSON.
TEXTS: list[bytes] = [
    b"", b"\0" * 100, b"[" * 50_000, b'{"a":' * 30_000, b"9" * 5000, b"NaN", b'"x', b"\xff\xfe\x00", b"null", b"[]",
    b'{"time": NaN, "request": "stop"}', b'{"time": 1e999, "request": "pause", "paused": true}',
    b'{"time": ' + b"9" * 4000 + b', "request": "stop"}', b'{"a": "\\ud800"}', b'{"a": "\\u0000"}', b"\xef\xbb\xbf{}",
    '{"time": 1, "request": "resume"}'.encode("utf-16"), b'{"a": 1, "a": [1]}', b"[" + b"[]," * 400_000 + b"[]]",
    b'{"x": "' + b"y" * 3_000_000 + b'"}', b"true", b'{"kind": "finished", "time": 1, "summary": {"images": "x"}}\n',
    b'{"kind": "finished", "time": 1e300, "summary": {}}\n', b'{"kind": "question", "id": 5}\n' * 1000,
    b'{"kind":"finished","time":1,"summary":{"images":[{"labels":"\\u0000"}]}}\n',
]  # fmt: skip


@dataclass
class Case:
    """One try.

    Attributes
    ----------
    kind, name : str
    prepare : callable
        Given an empty folder of its own, the material and the canary, makes the files.
    command : list of str
        Arguments of the command line; the working folder is the case's, "import FILE" brings a model in.
    """

    kind: str
    name: str
    prepare: Callable[[Path, Path, Path], None]
    command: list[str] = field(default_factory=list)


def all_cases(chance: random.Random) -> list[Case]:
    """Every kind; the same seed draws the same cases."""
    makers: list[Callable[[random.Random], Iterator[Case]]] = [
        _run_json, _names, _links, _cards, _settings, _archives, _weights, _json_files, _specials, _datasets, _tables,
        _texts,
    ]  # fmt: skip
    return [case for maker in makers for case in maker(chance)]


def _run(folder: Path, material: Path, **changes: Any) -> Path:
    return write_run(folder / "run", material / "im.tif", **changes)


def _run_json(chance: random.Random) -> Iterator[Case]:
    fields = [
        "schema_version",
        "kind",
        "name",
        "model",
        "device",
        "threads",
        "images",
        "box",
        "region",
        "plane",
        "seed",
    ]
    fields += ["pixel_size_um", "diameter_px", "out", "format", "large_px", "settings", "written_in", "background"]
    for number in range(48):
        key, value = fields[number % len(fields)], chance.choice(VALUES)
        yield Case(
            "run.json", f"{key} = {str(value)[:20]!r}", lambda f, m, c, k=key, v=value: _some(_run(f, m, **{k: v})),
            ["run", "run"],
        )  # fmt: skip


def _some(_: Any) -> None:
    """`prepare` gives nothing."""


def _names(chance: random.Random) -> Iterator[Case]:
    """Names and folders as paths. `HOME` stands for the folder that nobody may touch."""
    names = ["../../home/Documents", "../x", "..", ".", "", "a/b", "a\\b", "C:x", "a\0b", "CON", "x" * 3000, "a\nb"]
    names += [
        "HOME/Documents",
        "HOME/results/im",
        "~",
        "~/Documents",
        "home",
        "-rf",
        "a" * 250,
        "b\u202egnp",
        "\x1b[2J",
    ]
    for name in names:

        def named(f: Path, m: Path, c: Path, name: str = name) -> None:
            _run(f, m, images=[{"path": str(m / "im.tif"), "name": name.replace("HOME", str(c))}])

        yield Case("names in run.json", repr(name[:24]), named, ["run", "run"])
    for out in ("../../../home/results", "../../../home/Documents", "HOME/results", "HOME"):

        def put(f: Path, m: Path, c: Path, out: str = out) -> None:
            _run(f, m, out=out.replace("HOME", str(c)), written_in="/somewhere/else")

        yield Case("names in run.json", f"out {out}", put, ["run", "run"])


def _links(_: random.Random) -> Iterator[Case]:
    """Links in a run folder to what is not its own; see `runs` for what may be written where."""
    if sys.platform == "win32":
        return
    places = [
        "previews",
        "result",
        "checkpoint",
        "models",
        "stages",
        "tiles",
        "stages/x",
        "inputs",
        ".inputs",
        "result/im.tif",
    ]
    places += ["events.jsonl", "owner.json", "spare.bin", "control.json"]
    for place in places:

        def prepare(folder: Path, material: Path, canary: Path, place: str = place) -> None:
            run = _run(folder, material)
            (run / place).parent.mkdir(exist_ok=True)
            (run / place).symlink_to(canary / ("Documents/thesis.txt" if "." in place[1:] else ""))

        yield Case("links in a run folder", place, prepare, ["run", "run"])


def _changed(folder: Path, material: Path, model: str, change: Callable[[dict[str, Any]], Any]) -> None:
    shutil.copytree(material / model, folder / "model")
    card = json.loads((folder / "model/card.json").read_text())
    change(card)
    (folder / "model/card.json").write_bytes(as_json(card))


def _cards(chance: random.Random) -> Iterator[Case]:
    fields = ["schema_version", "name", "method", "version", "created", "ndim", "channels", "channel_names", "kind"]
    fields += ["pixel_size_um", "nucleus_diameter_px", "normalisation", "config", "preset", "trained_on", "seconds"]
    fields += ["steps", "seed", "parent", "scores", "classical", "before", "notes", "licence"]
    for number in range(72):
        key, value, model = fields[number % len(fields)], chance.choice(VALUES), chance.choice(["spn-ien", "adgan"])

        def prepare(f: Path, m: Path, c: Path, key: str = key, value: Any = value, model: str = model) -> None:
            _changed(f, m, model, lambda card: card.update({key: value}))

        command = ["models", "model"] if number % 3 else ["predict", "model", "../../material/im.tif", "--out", "o"]
        yield Case("cards", f"{key} = {str(value)[:20]!r}", prepare, command)


def _settings(chance: random.Random) -> Iterator[Case]:
    """Settings at and beyond the ends of their ranges: what a card asks for must end soon."""
    from napari_nucleidomain.contracts import find_method

    for method in ("spn-ien", "panoptic", "adgan"):
        fields = list(find_method(method).config.model_fields)
        for number in range(16):
            drawn = {name: _extreme(method, name, chance) for name in chance.sample(fields, 1 if number % 2 else 4)}

            def prepare(f: Path, m: Path, c: Path, method: str = method, drawn: Any = drawn) -> None:
                _changed(f, m, method, lambda card: card["config"].update(drawn))

            yield Case(
                "settings of cards", f"{method} {str(drawn)[:60]}", prepare,
                ["predict", "model", "../../material/im.tif", "--out", "o"],
            )  # fmt: skip


def _extreme(method: str, name: str, chance: random.Random) -> Any:
    from napari_nucleidomain.contracts import find_method

    known = find_method(method).config.model_fields[name]
    bounds = [
        getattr(one, key)
        for one in known.metadata
        for key in ("ge", "gt", "le", "lt")
        if getattr(one, key, None) is not None
    ]
    return chance.choice([*bounds, *bounds, 1e-9, 10**9, Raw("Infinity")]) if bounds else chance.choice(VALUES)


def _archives(chance: random.Random) -> Iterator[Case]:
    def zipped(change: Callable[[zipfile.ZipFile, Path], None], patch: Callable[[bytes], bytes] = bytes) -> Any:
        def prepare(folder: Path, material: Path, canary: Path) -> None:
            file = folder / "m.nucleidomain"
            with zipfile.ZipFile(file, "w") as archive:
                change(archive, material / "adgan")
            file.write_bytes(patch(file.read_bytes()))

        return prepare

    def model(archive: zipfile.ZipFile, folder: Path, how: int = zipfile.ZIP_STORED) -> None:
        for name in ("card.json", "weights.safetensors"):
            archive.write(folder / name, name, how)

    def bomb(archive: zipfile.ZipFile, folder: Path, name: str = "weights.safetensors", size: int = 300 << 20) -> None:
        other = "card.json" if name != "card.json" else "weights.safetensors"
        archive.write(folder / other, other)
        with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as out:
            out._compressor = zipfile._get_compressor(zipfile.ZIP_DEFLATED)  # type: ignore[attr-defined]
            for _ in range(size >> 20):
                out.write(bytes(1 << 20))
        archive.getinfo(name).compress_type = zipfile.ZIP_DEFLATED

    def many(archive: zipfile.ZipFile, folder: Path) -> None:
        model(archive, folder)
        for number in range(60_000):
            archive.writestr(f"{number}", b"")

    def named(name: str) -> Callable[[zipfile.ZipFile, Path], None]:
        return lambda archive, folder: (model(archive, folder), archive.writestr(name, b"x"))[0]

    def encrypted(data: bytes) -> bytes:
        found = bytearray(data)
        at = found.find(b"PK\x01\x02")
        while at >= 0:
            found[at + 8] |= 1
            at = found.find(b"PK\x01\x02", at + 4)
        return bytes(found)

    kinds: list[tuple[str, Any]] = [
        ("as it should be", zipped(model)),
        ("deflated", zipped(lambda a, f: model(a, f, zipfile.ZIP_DEFLATED))),
        ("bzip2", zipped(lambda a, f: model(a, f, zipfile.ZIP_BZIP2))),
        ("lzma", zipped(lambda a, f: model(a, f, zipfile.ZIP_LZMA))),
        ("bomb", zipped(bomb)),
        ("bomb as card", zipped(lambda a, f: bomb(a, f, "card.json"))),
        ("many", zipped(many)),
        ("encrypted", zipped(model, encrypted)),
        ("twice", zipped(lambda a, f: (model(a, f), model(a, f))[0])),
        ("empty", zipped(lambda a, f: None)),
        *(
            (f"with {name}", zipped(named(name)))
            for name in ("../../home/.bashrc", "/etc/x", "card.json/x", "a\\b", "x/")
        ),
    ]
    for number in range(12):
        cut = chance.random()
        flip = number % 2 == 0

        def damaged(data: bytes, cut: float = cut, flip: bool = flip) -> bytes:
            at = int(cut * len(data))
            return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :] if flip else data[:at]

        kinds.append((f"{'flipped' if flip else 'cut'} at {cut:.3f}", zipped(model, damaged)))
    for name, prepare in kinds:
        yield Case("archives", name, prepare, ["import", "m.nucleidomain"])


def _weights(chance: random.Random) -> Iterator[Case]:
    from safetensors.numpy import load_file, save_file

    def with_weights(model: str, change: Callable[[dict[str, np.ndarray]], Any]) -> Any:
        def prepare(folder: Path, material: Path, canary: Path) -> None:
            shutil.copytree(material / model, folder / "model")
            file = folder / "model/weights.safetensors"
            weights = {name: value.copy() for name, value in load_file(file).items()}
            save_file(change(weights) or weights, file)

        return prepare

    def with_bytes(change: Callable[[bytes], bytes]) -> Any:
        def prepare(folder: Path, material: Path, canary: Path) -> None:
            shutil.copytree(material / "adgan", folder / "model")
            file = folder / "model/weights.safetensors"
            file.write_bytes(change(file.read_bytes()))

        return prepare

    def headed(header: Any) -> Any:
        text = as_json(header)
        return with_bytes(lambda data: struct.pack("<Q", len(text)) + text + data[-1000:])

    def one(value: float) -> Callable[[dict[str, np.ndarray]], None]:
        def change(weights: dict[str, np.ndarray]) -> None:
            first = next(name for name, array in weights.items() if array.dtype == np.float32 and array.size)
            weights[first].flat[0] = value

        return change

    def sparse(folder: Path, material: Path, canary: Path) -> None:
        shutil.copytree(material / "adgan", folder / "model")
        os.truncate(folder / "model/weights.safetensors", 5 << 30)

    drawn: list[tuple[str, Any]] = [("5 GB of nothing", sparse)]
    for model in ("spn-ien", "panoptic", "adgan"):
        drawn += [(f"{model} {value}", with_weights(model, one(value))) for value in (np.nan, np.inf, 3e38)]
        drawn += [
            (f"{model} none", with_weights(model, lambda w: {"x": np.zeros(1, np.float32)})),
            (f"{model} int8", with_weights(model, lambda w: {n: v.astype(np.int8) for n, v in w.items()})),
            (f"{model} double", with_weights(model, lambda w: {n: v.astype(np.float64) for n, v in w.items()})),
            (
                f"{model} other sides",
                with_weights(model, lambda w: {n: np.repeat(v[None], 2, 0) for n, v in w.items()}),
            ),
            (f"{model} one more", with_weights(model, lambda w: {**w, "y.z": np.zeros(3, np.float32)})),
        ]
    entry = {"dtype": "F32", "shape": [10], "data_offsets": [0, 40]}
    for name, header in {
        "huge shape": {"a": {**entry, "shape": [10**12, 10**12]}}, "negative": {"a": {**entry, "shape": [-1]}},
        "BF16": {"a": {**entry, "dtype": "BF16", "data_offsets": [0, 20]}}, "list": [1], "deep": Raw("[" * 5000),
        "many": {str(k): entry for k in range(50_000)}, "no type": {"a": {"dtype": {}}}, "text": {"a": "x"},
    }.items():  # fmt: skip
        drawn.append((f"header {name}", headed(header)))
    drawn += [
        (f"length {n}", with_bytes(lambda d, n=n: struct.pack("<Q", n) + d[8:])) for n in (0, 2**40, 2**64 - 1, 9)
    ]
    drawn += [("empty", with_bytes(lambda d: b"")), ("cut", with_bytes(lambda d: d[: chance.randrange(len(d))]))]
    for name, prepare in drawn:
        yield Case("weights", name, prepare, ["predict", "model", "../../material/im.tif", "--out", "o"])


def _json_files(chance: random.Random) -> Iterator[Case]:
    files = ["control.json", "view.json", "answers.json", "owner.json", "events.jsonl", "model.json", "inputs.json"]
    files += ["result/im.json", "stages/a/done.json"]
    for number in range(72):
        name, text = files[number % len(files)], chance.choice(TEXTS)

        def prepare(f: Path, m: Path, c: Path, name: str = name, text: bytes = text) -> None:
            place = _run(f / "runs", m) / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text)

        command = ["runs", "--project", "."] if number % 4 == 3 else ["run", "runs/run"]
        yield Case(f"JSON: {Path(name).name}", str(text[:24]), prepare, command)
    for number in range(24):
        owner: dict[str, Any] = {
            "host": socket.gethostname(),
            "process": 1,
            "process_started": 0,
            "token": "x",
            "taken": 0,
        }
        owner[chance.choice([*owner, "process_key"])] = chance.choice([-1, 2**40, *VALUES])

        def owned(f: Path, m: Path, c: Path, owner: dict[str, Any] = owner) -> None:
            (_run(f, m) / "owner.json").write_bytes(as_json(owner))
            os.utime(f / "run/owner.json", (1, 1))

        yield Case("JSON: owner.json", f"fields {number}", owned, ["run", "run"])
    for text in TEXTS[:20]:

        def project(f: Path, m: Path, c: Path, text: bytes = text) -> None:
            (f / "project.json").write_bytes(text)

        command = ["predict", "otsu", "../../material/im.tif", "--out", "o", "--project", "."]
        yield Case("JSON: project.json", str(text[:24]), project, command)


def _specials(_: random.Random) -> Iterator[Case]:
    """Pipes, devices and sockets where a file is expected."""
    if sys.platform == "win32":
        return

    def special(path: Path, kind: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "device":
            path.symlink_to("/dev/zero")
        else:
            before = os.getcwd()
            os.chdir(path.parent)
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(path.name)
            os.chdir(before)

    commands = {
        "x.tif": ["predict", "otsu", "x.tif", "--out", "o"], "x.npy": ["predict", "otsu", "x.npy", "--out", "o"],
        "x.csv": ["evaluate", "../../material/lab.tif", "x.csv"],
        "x.zip": ["evaluate", "../../material/lab.tif", "x.zip"],
        "x.geojson": ["export", "x.geojson", "--image", "../../material/im.tif", "--out", "o.csv"],
        "model/card.json": ["models", "model"], "x_seg.npy": ["evaluate", "x_seg.npy", "../../material/lab.tif"],
        "dataset.json": ["train", "--data", ".", "--out", "o", "--steps", "1"],
        "m.nucleidomain": ["import", "m.nucleidomain"],
        "project.json": ["predict", "otsu", "../../material/im.tif", "--out", "o", "--project", "."],
    }  # fmt: skip
    for name, command in commands.items():
        for kind in ("pipe", "device", "socket"):
            yield Case(
                "pipes and devices", f"{kind} {name}", lambda f, m, c, n=name, k=kind: special(f / n, k), command
            )
    for place in (
        "events.jsonl",
        "control.json",
        "owner.json",
        "owner.lock",
        "log.txt",
        "tiles/im/tile-0000000.npz",
        "run.json",
    ):

        def in_run(f: Path, m: Path, c: Path, place: str = place) -> None:
            _run(f / "runs", m)
            (f / "runs/run" / place).unlink(missing_ok=True)
            special(f / "runs/run" / place, "pipe")

        yield Case("pipes and devices", f"run {place}", in_run, ["run", "runs/run"])
        yield Case("pipes and devices", f"runs {place}", in_run, ["runs", "--project", "."])


def _datasets(chance: random.Random) -> Iterator[Case]:
    entry: dict[str, Any] = {
        "image": "im.tif",
        "labels": "lab.tif",
        "points": None,
        "split": "train",
        "group": "",
        "domain": "target",
    }
    for number in range(24):
        content: dict[str, Any] = {"kind": "nucleidomain-dataset", "schema": 1, "name": "d", "examples": [dict(entry)]}
        where = content if number % 3 == 0 else content["examples"][0]
        where[chance.choice([*where, "understanding", "regions"])] = chance.choice([v for v in VALUES if v is not None])

        def prepare(f: Path, m: Path, c: Path, content: dict[str, Any] = content) -> None:
            (f / "dataset.json").write_bytes(as_json(content))
            (f / "im.tif").write_bytes(b"no image")

        yield Case("dataset files", f"{number}", prepare, ["train", "--data", ".", "--out", "o", "--steps", "1"])


def _tables(chance: random.Random) -> Iterator[Case]:
    tables = [
        b"x,y\n" + b"1" * 200_000 + b",2\n", b"x,y\n1,\0\n", b'x,y\n"1,2\n', b"x" * 10_000_000, b"x,y\nnan,inf\n",
        b"x,y\n" + b"9" * 5000 + b",1\n", b"\0" * 1000, b"x,y\n1e400,1\n", b",".join([b"x"] * 300_000), b"\xff\xfex",
        b'index,axis-0,axis-1\n0,"1\n",2\n', b"\x1b[2J,y\n1,2\n", b"x,y\r1,2\r", b"axis-0,axis-99999999999\n1,2",
        b"x,y\n=cmd(),1\n",
    ]  # fmt: skip
    for table in tables:
        yield Case(
            "tables", str(table[:24]), lambda f, m, c, t=table: _some((f / "x.csv").write_bytes(t)),
            ["evaluate", "../../material/lab.tif", "x.csv"],
        )  # fmt: skip


def _texts(_: random.Random) -> Iterator[Case]:
    """Names of files with characters that command a terminal, in every format."""
    if sys.platform == "win32":
        return
    for name in ("a\x1b[2J\x1b]0;X\x07", "a\nfaked: 100 nuclei", "a\u202eb", "=cmd|' !A1"):
        for kind in ("tif", "ome-tif", "zarr", "geojson", "roi-zip", "png"):
            yield Case(
                "names of files", f"{name!r} {kind}",
                lambda f, m, c, n=name: _some(shutil.copy(m / "im.tif", f / f"{n}.tif")),
                ["predict", "otsu", f"{name}.tif", "--out", "o", "--format", kind],
            )  # fmt: skip
