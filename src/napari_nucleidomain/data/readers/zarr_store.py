"""A Zarr store, as folder or zip: its files read one by one, so that one of them that is odd spoils no other."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import LISTS, JsonTextError, parse_json
from napari_nucleidomain.data.axes import READ_ERRORS

MARKS = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
ZIP = b"PK\x03\x04"
ZIP_ENDINGS = (".zarr.zip", ".ozx")
_LARGEST = 1 << 24  # bytes of a description
_ERRORS = (*READ_ERRORS, zipfile.BadZipFile)


class ZarrStore:
    """Descriptions and arrays of a store.

    Parameters
    ----------
    path : Path
        A folder, or a zip of one.

    Raises
    ------
    NucleiError
        The zip is damaged or holds no Zarr.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip: zipfile.ZipFile | None = None
        self._names: list[str] = []
        self._prefix = ""
        self._store: Any = None
        if not path.is_dir():
            self._open_zip()

    def _open_zip(self) -> None:
        from .base import damaged, not_an_image

        try:
            self._zip = zipfile.ZipFile(self.path)
        except _ERRORS as error:
            raise damaged(self.path, error) from error
        self._names = self._zip.namelist()
        marked = [name for name in self._names if name.rsplit("/", 1)[-1] in MARKS]
        if not marked:
            self.close()
            raise not_an_image(self.path, "the zip holds no Zarr")
        # The folder itself may have been zipped, or what is in it.
        top = min(marked, key=lambda name: name.count("/"))
        self._prefix = top.rpartition("/")[0]

    def close(self) -> None:
        """Let a zip go."""
        if self._zip is not None:
            self._zip.close()
        if self._store is not None:
            self._store.close()
            self._store = None

    def _key(self, *parts: str) -> str:
        return "/".join(part for part in (self._prefix, *parts) if part)

    def read(self, *parts: str) -> bytes | None:
        """Bytes of a description; None where it is absent, unreadable or far too long."""
        key = self._key(*parts)
        try:
            if self._zip is None:
                file = self.path / key
                return file.read_bytes() if file.is_file() and file.stat().st_size <= _LARGEST else None
            with self._zip.open(key) as handle:
                content = handle.read(_LARGEST + 1)
            return content if len(content) <= _LARGEST else None
        except _ERRORS:
            return None

    def json(self, *parts: str) -> dict[str, Any] | None:
        """A description that is a JSON object; None where it is absent or is none."""
        content = self.read(*parts)
        try:
            said = parse_json(content, LISTS) if content else None
        except JsonTextError:
            return None
        return said if isinstance(said, dict) else None

    def children(self, inner: str) -> list[str]:
        """Names of what lies in a group, 2 before 10."""
        if self._zip is None:
            try:
                found = {item.name for item in (self.path / self._key(inner)).iterdir() if item.is_dir()}
            except OSError:
                return []
        else:
            start = f"{self._key(inner)}/" if self._key(inner) else ""
            rest = [name[len(start) :] for name in self._names if name.startswith(start)]
            found = {name.partition("/")[0] for name in rest if "/" in name}
        return sorted(found, key=lambda name: (int(name), "") if name.isdecimal() else (1 << 30, name))

    def is_array(self, inner: str) -> bool:
        """Whether there is an array of this path."""
        said = self.json(inner, "zarr.json")
        return (said or {}).get("node_type") == "array" or self.read(inner, ".zarray") is not None

    def arrays(self, inner: str) -> list[str]:
        """Names of the arrays of a group."""
        return [name for name in self.children(inner) if self.is_array(self.join(inner, name))]

    @staticmethod
    def join(*parts: str) -> str:
        """A path in the store."""
        return "/".join(part for part in parts if part)

    @staticmethod
    def plain(path: Any) -> str | None:
        """A path as a description writes it, without ornament; None where it is none or leads elsewhere."""
        if isinstance(path, bool) or not isinstance(path, str | int):
            return None
        parts = [part for part in str(path).split("/") if part not in ("", ".")]
        return "/".join(parts) if parts and ".." not in parts and "\\" not in str(path) else None

    def array(self, inner: str) -> Any:
        """The array of this path; pixels are read when asked for.

        Raises
        ------
        READ_ERRORS, BaseZarrError
            It cannot be opened.
        """
        import zarr

        version: Any = 3 if self.json(inner, "zarr.json") is not None else 2
        key = self._key(inner)
        if self._store is None:
            self._store = zarr.storage.LocalStore(self.path, read_only=True)
            if self._zip is not None:
                self._store = zarr.storage.ZipStore(self.path, mode="r", read_only=True)
        store = self._store
        mended = self._mended(inner) if version == 2 else None
        if mended is not None:
            store = _Mended(store, self._key(inner, ".zarray"), mended)
        return zarr.open_array(store, path=key, mode="r", zarr_format=version)

    def _mended(self, inner: str) -> bytes | None:
        """The description of an array whose blocks are named otherwise than it says; None where it says it right."""
        said = self.json(inner, ".zarray") or {}
        shape = said.get("shape")
        if not isinstance(shape, list) or len(shape) < 2:
            return None
        nested = any(name.isdecimal() for name in self.children(inner))
        flat = self._holds(inner, lambda name: name.replace(".", "").isdecimal() and name.count(".") == len(shape) - 1)
        meant = "/" if nested and not flat else "." if flat and not nested else None
        if meant is None or said.get("dimension_separator", ".") == meant:
            return None
        return json.dumps({**said, "dimension_separator": meant}).encode()

    def _holds(self, inner: str, test: Any) -> bool:
        if self._zip is None:
            try:
                return any(test(item.name) for item in (self.path / self._key(inner)).iterdir())
            except OSError:
                return False
        start = f"{self._key(inner)}/"
        return any(name.startswith(start) and test(name[len(start) :]) for name in self._names)

    def has_pixels(self, inner: str) -> bool:
        """Whether any block of an array is stored."""
        if self._zip is not None:
            start = f"{self._key(inner)}/"
            found = (n for n in self._names if n.startswith(start) and not n.endswith("/"))
            return any(name.rsplit("/", 1)[-1] not in (*MARKS, ".zmetadata") for name in found)
        try:
            files = (self.path / self._key(inner)).rglob("*")
            return any(item.name not in (*MARKS, ".zmetadata") and item.is_file() for item in files)
        except OSError:
            return False

    def attributes(self, inner: str) -> tuple[dict[str, Any], str]:
        """What a group or array says of itself, wherever the version keeps it; and which file is damaged, if one is."""
        new = self.json(inner, "zarr.json")
        found = (new or {}).get("attributes")
        found = found if isinstance(found, dict) else {}
        broken = "zarr.json" if new is None and self.read(inner, "zarr.json") is not None else ""
        # A Zarr 3 marker beside Zarr 2 attributes happens after copies: read the old file too.
        old = self.json(inner, ".zattrs")
        if not found and old:
            found = old
        elif not found and old is None and self.read(inner, ".zattrs") is not None:
            broken = broken or ".zattrs"
        own = found.get("ome")
        return (own if isinstance(own, dict) else found), broken


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr group or array."""
    return path.is_dir() and any((path / mark).is_file() for mark in MARKS)


def without_marks(path: Path) -> NucleiError:
    """A folder that is called a Zarr and has none of its descriptions."""
    return NucleiError(
        f"{path.name} is not an image that can be opened: it is a folder without zarr.json, .zgroup or .zarray.",
        "Names that begin with a dot are hidden and easily left behind: copy the whole folder again.",
    )


def _mended_store() -> type:
    import zarr

    class Mended(zarr.storage.WrapperStore):
        """A store in which one description reads otherwise."""

        def __init__(self, store: Any, key: str, content: bytes) -> None:
            super().__init__(store)
            self._other = (key, content)

        async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
            """The store's hook."""
            if key == self._other[0]:
                return prototype.buffer.from_bytes(self._other[1])
            return await super().get(key, prototype, byte_range)

    return Mended


def _Mended(store: Any, key: str, content: bytes) -> Any:  # noqa: N802 - zarr is imported only where one is needed
    return _mended_store()(store, key, content)
