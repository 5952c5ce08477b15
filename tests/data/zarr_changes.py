"""Changes of an OME-Zarr's description or store, each with what can still be known after it; see `zarr_variants`."""

from __future__ import annotations

import json
import random
import shutil
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import zarr

from .zarr_case import UNITS as _UNITS
from .zarr_case import Case, level_of, put_array


def _set(where: Callable[[Case], dict[str, Any]], key: str, value: Any, sizes: bool | None = None) -> Any:
    """A change that puts a value in its place; `sizes` False: the pixel size cannot be known any more."""

    def change(case: Case, _rng: random.Random) -> bool | None:
        target = where(case)
        if not target:
            return False
        target[key] = value(case) if callable(value) else value
        if sizes is False:
            case.sizes = {}
        return None

    return change


def _drop(where: Callable[[Case], dict[str, Any]], key: str, sizes: bool | None = None) -> Any:
    def change(case: Case, _rng: random.Random) -> bool | None:
        if key not in where(case):
            return False
        where(case).pop(key)
        if sizes is False:
            case.sizes = {}
        return None

    return change


def _nameless(where: Callable[[Case], dict[str, Any]], key: str, value: Callable[[Case], Any]) -> Any:
    """A change after which no channel has a name."""

    def change(case: Case, _rng: random.Random) -> bool | None:
        if not where(case):
            return False
        where(case)[key] = value(case)
        case.names = []
        return None

    return change


def _transform(value: Callable[[Case], Any], known: bool = False, level: int = 0) -> Any:
    """Another list of transforms of the full resolution; pixel sizes then unknown unless `known`."""

    def change(case: Case, _rng: random.Random) -> bool | None:
        if not case.dataset(level) or not case.sizes:
            return False
        case.dataset(level)["coordinateTransformations"] = value(case)
        if not known and level == 0:
            case.sizes = {}
        return None

    return change


def _own(case: Case) -> list[float]:
    return [_UNITS.get(a, 1.0) for a in case.axes]


def _global_scale(values: Callable[[Case], Any]) -> Any:
    """Pixel sizes of all levels at once, beside levels whose scales are relative."""

    def change(case: Case, _rng: random.Random) -> bool | None:
        if not case.sizes or not case.dataset(0):
            return False
        for level in range(case.levels):
            factor = {"y": 2.0**level, "x": 2.0**level}
            relative = [factor.get(a, 1.0) for a in case.axes]
            case.dataset(level)["coordinateTransformations"] = [{"type": "scale", "scale": relative}]
        case.scale["coordinateTransformations"] = values(case)
        return None

    return change


def _axes(change_one: Callable[[dict[str, Any]], Any], sizes: bool = True) -> Any:
    """Every axis described in another way."""

    def change(case: Case, _rng: random.Random) -> bool | None:
        axes = case.scale.get("axes")
        if not isinstance(axes, list) or not axes or not all(isinstance(a, dict) for a in axes):
            return False
        case.scale["axes"] = [change_one(dict(a)) for a in axes]
        if not sizes:
            case.sizes = {}
        return None

    return change


def _axes_list(change_all: Callable[[list[Any]], Any]) -> Any:
    def change(case: Case, _rng: random.Random) -> bool | None:
        axes = case.scale.get("axes")
        if not isinstance(axes, list):
            return False
        case.scale["axes"] = change_all(list(axes))
        return None

    return change


def _without_level(level: int) -> Any:
    def change(case: Case, _rng: random.Random) -> bool | None:
        if level >= case.levels:
            return False
        case.last.append((1, lambda: shutil.rmtree(case.path / str(level), ignore_errors=True)))
        return None

    return change


def _without_chunks(level: int) -> Any:
    def act(case: Case) -> None:
        for item in (case.path / str(level)).glob("*"):
            if item.name not in (".zarray", ".zattrs", "zarr.json"):
                shutil.rmtree(item) if item.is_dir() else item.unlink()

    def change(case: Case, _rng: random.Random) -> bool | None:
        if level >= case.levels:
            return False
        case.last.append((1, lambda: act(case)))
        return None

    return change


def _other_level(make: Callable[[np.ndarray], np.ndarray]) -> Any:
    def act(case: Case) -> None:
        group = zarr.open_group(str(case.path), mode="r+", zarr_format=case.zarr_format)
        put_array(group, "1", make(level_of(case, 1)))

    def change(case: Case, _rng: random.Random) -> bool | None:
        if case.levels < 2:
            return False
        case.last.append((0, lambda: act(case)))
        return None

    return change


def _labels(case: Case, _rng: random.Random) -> None:
    def act() -> None:
        group = zarr.open_group(str(case.path), mode="r+", zarr_format=case.zarr_format)
        labels = group.require_group("labels")
        put_array(labels.require_group("nuclei"), "0", np.ones((41, 34), np.uint32))

    case.last.append((0, act))


def _series(count: int) -> Any:
    """Several images in one store, as bioformats2raw writes them."""

    def act(case: Case) -> None:
        inner = case.path.with_name("inner")
        shutil.move(case.path, inner)
        zarr.open_group(str(case.path), mode="w", zarr_format=case.zarr_format)
        for k in range(count):
            shutil.copytree(inner, case.path / str(k))
        shutil.rmtree(inner)
        attributes = {"bioformats2raw.layout": 3}
        if case.zarr_format == 2:
            (case.path / ".zattrs").write_text(json.dumps(attributes))
        else:
            content = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": attributes}}
            (case.path / "zarr.json").write_text(json.dumps(content))

    def change(case: Case, _rng: random.Random) -> None:
        case.last.append((3, lambda: act(case)))

    return change


def _zip(ending: str, inside: str) -> Any:
    def act(case: Case) -> None:
        if not case.path.is_dir():
            return
        target = case.path.with_name("case" + ending)
        with zipfile.ZipFile(target, "w") as out:
            for file in sorted(case.path.rglob("*")):
                if file.is_file():
                    out.write(file, inside + file.relative_to(case.path).as_posix())
        shutil.rmtree(case.path)
        case.path = target

    def change(case: Case, _rng: random.Random) -> None:
        case.last.append((4, lambda: act(case)))

    return change


def _edit(name: str, edit: Callable[[bytes], bytes], zarr_format: int) -> Any:
    """A file of the store in other bytes."""

    def act(case: Case) -> None:
        file = case.path / name
        if file.is_file():
            file.write_bytes(edit(file.read_bytes()))

    def change(case: Case, _rng: random.Random) -> bool | None:
        if case.zarr_format != zarr_format:
            return False
        case.last.append((2, lambda: act(case)))
        return None

    return change


def _array_json(key: str, value: Any) -> Callable[[bytes], bytes]:
    def edit(content: bytes) -> bytes:
        said = json.loads(content)
        said.pop(key, None)
        return json.dumps(said if value is None else {**said, key: value}).encode()

    return edit


def _stale(case: Case, _rng: random.Random) -> bool | None:
    """Consolidated metadata that speak of another state."""
    if case.zarr_format != 2:
        return False
    content = {"zarr_consolidated_format": 1, "metadata": {".zgroup": {"zarr_format": 2}, ".zattrs": {}}}
    case.last.append((2, lambda: (case.path / ".zmetadata").write_text(json.dumps(content)) and None))
    return None


def _swap_levels(case: Case, _rng: random.Random) -> bool | None:
    entries = case.scale.get("datasets")
    if not isinstance(entries, list) or len(entries) < 2:
        return False
    case.scale["datasets"] = entries[::-1]
    return None


def _one_level(case: Case, _rng: random.Random) -> bool | None:
    """The list of levels is one entry, no list."""
    if not case.dataset(0):
        return False
    case.scale["datasets"] = case.dataset(0)
    case.levels = 1
    return None


def _top(case: Case) -> dict[str, Any]:
    return case.meta


def _omero(case: Case) -> dict[str, Any]:
    found = case.meta.get("omero")
    return found if isinstance(found, dict) else {}


def _scale(case: Case) -> dict[str, Any]:
    return case.scale


def _first(case: Case) -> dict[str, Any]:
    return case.dataset(0)


_S = "scale"
_LONG = {"t": "time", "c": "channel", "z": "depth", "y": "row", "x": "column"}


def _unwrapped(content: bytes) -> bytes:
    said = json.loads(content)
    return json.dumps({**said, "attributes": said["attributes"]["ome"]}).encode()


CHANGES: dict[str, Any] = {
    "multiscales dict": _set(_top, "multiscales", lambda c: c.scale),
    "multiscales null": _set(_top, "multiscales", None, sizes=False),
    "multiscales []": _set(_top, "multiscales", [], sizes=False),
    "multiscales {}": _set(_top, "multiscales", {}, sizes=False),
    "multiscales text": _set(_top, "multiscales", "0", sizes=False),
    "multiscales [null]": _set(_top, "multiscales", [None], sizes=False),
    "multiscales missing": _drop(_top, "multiscales", sizes=False),
    "multiscales twice": _set(_top, "multiscales", lambda c: [c.scale, c.scale]),
    "axes strings": _axes(lambda a: a["name"], sizes=False),
    "axes missing": _drop(_scale, "axes", sizes=False),
    "axes null": _set(_scale, "axes", None, sizes=False),
    "axes text": _set(_scale, "axes", lambda c: c.axes, sizes=False),
    "axes number": _set(_scale, "axes", 5, sizes=False),
    "axes one less": _axes_list(lambda a: a[1:]),
    "axes one more": _axes_list(lambda a: [{"name": "t", "type": "time"}, *a]),
    "axes doubled": _axes_list(lambda a: [a[-1], *a[1:]]),
    "axes [null]": _axes_list(lambda a: [None] * len(a)),
    "axes empty dicts": _axes_list(lambda a: [{} for _ in a]),
    "axes capital": _axes(lambda a: {**a, "name": a["name"].upper()}),
    "axes long names": _axes(lambda a: {**a, "name": _LONG[a["name"]]}),
    "axes typed only": _axes(lambda a: {k: v for k, v in a.items() if k != "name"}),
    "axes named by number": _axes(lambda a: {**a, "name": 3}),
    "axes without type": _axes(lambda a: {k: v for k, v in a.items() if k != "type"}),
    "axes without unit": _axes(lambda a: {k: v for k, v in a.items() if k != "unit"}, sizes=False),
    "unit number": _axes(lambda a: {**a, "unit": 1}, sizes=False),
    "unit null": _axes(lambda a: {**a, "unit": None}, sizes=False),
    "unit parsec": _axes(lambda a: {**a, "unit": "parsec"}, sizes=False),
    "unit µm": _axes(lambda a: {**a, **({"unit": "µm"} if "unit" in a else {})}),
    "datasets missing": _drop(_scale, "datasets", sizes=False),
    "datasets null": _set(_scale, "datasets", None, sizes=False),
    "datasets []": _set(_scale, "datasets", [], sizes=False),
    "datasets dict": _one_level,
    "datasets text": _set(_scale, "datasets", lambda c: [str(k) for k in range(c.levels)], sizes=False),
    "path number": _set(_first, "path", 0),
    "path /0": _set(_first, "path", "/0"),
    "path ./0": _set(_first, "path", "./0"),
    "path 0/": _set(_first, "path", "0/"),
    "path ../": _set(_first, "path", "../case.ome.zarr/0"),
    "path null": _set(_first, "path", None),
    "path missing": _drop(_first, "path"),
    "path elsewhere": _set(_first, "path", "s0"),
    "levels reversed": _swap_levels,
    "level 0 not copied": _without_level(0),
    "level 1 not copied": _without_level(1),
    "level 2 not copied": _without_level(2),
    "level 0 without chunks": _without_chunks(0),
    "level 1 without chunks": _without_chunks(1),
    "level 1 of other type": _other_level(lambda a: a.astype(np.float32)),
    "level 1 of other axes": _other_level(lambda a: a[None]),
    "level 1 of other picture": _other_level(lambda a: a[..., :3]),
    "transforms missing": _drop(_first, "coordinateTransformations", sizes=False),
    "transforms null": _transform(lambda c: None),
    "transforms []": _transform(lambda c: []),
    "transforms dict": _transform(lambda c: {"type": _S, _S: _own(c)}, known=True),
    "transforms text": _transform(lambda c: "scale"),
    "transforms number": _transform(lambda c: 3),
    "transforms [null]": _transform(lambda c: [None]),
    "scale for the last axes": _transform(lambda c: [{"type": _S, _S: [0.5, 0.5]}], known=True),
    "scale too long": _transform(lambda c: [{"type": _S, _S: [1.0, *_own(c)]}]),
    "scale []": _transform(lambda c: [{"type": _S, _S: []}]),
    "scale missing": _transform(lambda c: [{"type": _S}]),
    "scale null": _transform(lambda c: [{"type": _S, _S: None}]),
    "scale number": _transform(lambda c: [{"type": _S, _S: 0.5}]),
    "scale text": _transform(lambda c: [{"type": _S, _S: [str(v) for v in _own(c)]}], known=True),
    "scale words": _transform(lambda c: [{"type": _S, _S: ["wide" for _ in c.axes]}]),
    "scale 0": _transform(lambda c: [{"type": _S, _S: [0.0 for _ in c.axes]}]),
    "scale negative": _transform(lambda c: [{"type": _S, _S: [-v for v in _own(c)]}]),
    "scale NaN": _transform(lambda c: [{"type": _S, _S: [float("nan") for _ in c.axes]}]),
    "scale infinite": _transform(lambda c: [{"type": _S, _S: [float("inf") for _ in c.axes]}]),
    "scale nested": _transform(lambda c: [{"type": _S, _S: [[v] for v in _own(c)]}]),
    "scale by path": _transform(lambda c: [{"type": _S, "path": "scales"}]),
    "type missing": _transform(lambda c: [{_S: _own(c)}], known=True),
    "type number": _transform(lambda c: [{"type": 1, _S: _own(c)}]),
    "identity": _transform(lambda c: [{"type": "identity"}]),
    "translation only": _transform(lambda c: [{"type": "translation", "translation": _own(c)}]),
    "scale and translation": _transform(
        lambda c: [{"type": _S, _S: _own(c)}, {"type": "translation", "translation": _own(c)}], known=True
    ),
    "translation by path": _transform(
        lambda c: [{"type": _S, _S: _own(c)}, {"type": "translation", "path": "t"}], known=True
    ),
    "affine": _transform(lambda c: [{"type": "affine", "affine": [[1.0]]}]),
    "sequence": _transform(
        lambda c: [{"type": "sequence", "transformations": [{"type": _S, _S: _own(c)}]}], known=True
    ),
    "level 1 scale odd": _transform(lambda c: [{"type": _S, _S: "x"}], level=1),
    "global scale": _global_scale(lambda c: [{"type": _S, _S: _own(c)}]),
    "global scale without channel": _global_scale(lambda c: [{"type": _S, _S: [0.5, 0.5]}]),
    "global scale dict": _global_scale(lambda c: {"type": _S, _S: _own(c)}),
    "omero null": _nameless(_top, "omero", lambda c: None),
    "omero []": _set(_top, "omero", []),
    "omero text": _set(_top, "omero", "x"),
    "channels null": _nameless(_omero, "channels", lambda c: None),
    "channels dict": _set(_omero, "channels", lambda c: {"0": {"label": "DAPI"}}),
    "channels [null]": _set(_omero, "channels", lambda c: [None for _ in c.names]),
    "channels text": _set(_omero, "channels", lambda c: list(c.names)),
    "channels fewer": _set(_omero, "channels", lambda c: [{"label": "DAPI"}]),
    "channels more": _set(_omero, "channels", lambda c: [{"label": f"stain {k}"} for k in range(9)]),
    "channels by number": _nameless(_omero, "channels", lambda c: [{"label": k} for k in range(len(c.names))]),
    "channels without label": _nameless(_omero, "channels", lambda c: [{"color": "FF"} for _ in c.names]),
    "version number": _set(_scale, "version", 0.4),
    "version null": _set(_scale, "version", None),
    "version list": _set(_scale, "version", ["0.4"]),
    "version unheard of": _set(_scale, "version", "9.1-beta"),
    "image-label null": _set(_top, "image-label", None),
    "labels beside": _labels,
    "one of several series": _series(1),
    "two series": _series(2),
    ".zarr.zip": _zip(".zarr.zip", ""),
    ".ozx": _zip(".ozx", ""),
    "zip of a folder": _zip(".zarr.zip", "case.ome.zarr/"),
    "BOM": _edit(".zattrs", lambda b: b"\xef\xbb\xbf" + b, 2),
    "broken .zattrs": _edit(".zattrs", lambda b: b[:-3], 2),
    "no .zgroup": _edit(".zgroup", lambda b: b"", 2),
    "stale .zmetadata": _stale,
    "no dimension_separator": _edit("0/.zarray", _array_json("dimension_separator", None), 2),
    "attributes not in ome": _edit("zarr.json", _unwrapped, 3),
    "consolidated null": _edit("zarr.json", _array_json("consolidated_metadata", {}), 3),
}
