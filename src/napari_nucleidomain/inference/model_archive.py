"""A model in one file to mail: a zip of its card and its weights, bounded by what it declares and while it is read."""

from __future__ import annotations

import io
import shutil
import uuid
import zipfile
import zlib
from pathlib import Path
from typing import IO

from napari_nucleidomain.contracts import NucleiError, load_card
from napari_nucleidomain.contracts.blame import not_its_fault
from napari_nucleidomain.contracts.card import CARD_FILE, WEIGHTS_FILE
from napari_nucleidomain.contracts.files import CARD, disk_error, open_plain, replace_with_retry, write_atomic

from .model_files import SINGLE_FILE_SUFFIX, load_weights
from .weights_file import MOST_BYTES, read_header

_MOST = {CARD_FILE: CARD.most_bytes, WEIGHTS_FILE: MOST_BYTES}
# Numbers that were learned hardly pack at all; small files may be all zeros.
_DENSEST, _SMALL = 50, 1 << 20
_BLOCK = 1 << 18
# The list of what is in the zip is read at once: two entries need some hundred bytes.
_MOST_AT_ONCE = 1 << 20
_ASK = "Ask for the file made by *Share*."
# What is amiss with a zip, in the words of whatever reads it.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


class _Bounded(io.BufferedReader):
    """A file of which nobody reads much at once: a zip says itself how long the list of its entries is."""

    def read(self, size: int | None = -1, /) -> bytes:
        whole = size is None or size < 0
        found = super().read(_MOST_AT_ONCE + 1 if whole else min(size or 0, _MOST_AT_ONCE + 1))
        if len(found) > _MOST_AT_ONCE:
            raise zipfile.BadZipFile("more at once than the list of two entries takes")
        return found


def pack_model(folder: Path | str, file: Path | str) -> Path:
    """Write a model as one file."""
    load_card(folder)
    load_weights(folder)

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for name in (CARD_FILE, WEIGHTS_FILE):
                archive.write(Path(folder) / name, name)

    return write_atomic(Path(file).with_suffix(SINGLE_FILE_SUFFIX), write)


def unpack_model(file: Path | str, folder: Path | str) -> Path:
    """Make a model's folder of the one file.

    Raises
    ------
    NucleiError
        The file is damaged or encrypted, or holds anything but a card and weights of the size of a model.
    """
    file, folder = Path(file), Path(folder)
    if file.suffix.lower() != SINGLE_FILE_SUFFIX:
        raise NucleiError(f"{file.name} is not a model file ({SINGLE_FILE_SUFFIX}).", _ASK)
    aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    try:
        _unpack_aside(file, aside)
        load_card(aside)
        load_weights(aside)
        if folder.exists():
            raise NucleiError(f"There is a model named {folder.name} already.", "Choose another name.")
        replace_with_retry(aside, folder)
    except OSError as error:
        raise disk_error(error, folder) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _unpack_aside(file: Path, aside: Path) -> None:
    try:
        with _Bounded(_raw(file)) as opened, zipfile.ZipFile(opened) as archive:
            entries = _entries(archive, file)
            aside.mkdir(parents=True)
            for entry in entries:
                with archive.open(entry) as source:
                    _copy(source, aside / entry.filename, entry, file)
    except _DAMAGED as error:
        raise NucleiError(f"{file.name} is damaged or is not a model.", "Copy it again, whole.") from error


def _raw(file: Path) -> io.RawIOBase:
    try:
        return open_plain(file).detach()
    except FileNotFoundError as error:
        raise NucleiError(f"{file} is not there.", "Check the path.") from error
    except OSError as error:
        why, hint = not_its_fault(error) or (error.strerror or str(error), "Choose the file again.")
        raise NucleiError(f"{file} cannot be read: {why}.", hint) from error


def _entries(archive: zipfile.ZipFile, file: Path) -> list[zipfile.ZipInfo]:
    """Card and weights, by what the zip says of them such as *Share* writes."""
    entries = sorted(archive.infolist(), key=lambda entry: entry.filename)
    if [entry.filename for entry in entries] != sorted(_MOST):
        raise NucleiError(f"{file.name} is not a model of this program.", _ASK)
    for entry in entries:
        if entry.flag_bits & 0x1:
            raise NucleiError(f"{file.name} is encrypted.", "Ask for it without a password.")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise NucleiError(f"{file.name} is packed in a way that this program does not use.", _ASK)
        packed = min(entry.compress_size, file.stat().st_size)
        if entry.file_size > min(_MOST[entry.filename], max(_SMALL, _DENSEST * packed)):
            raise NucleiError(
                f"{file.name} is not unpacked: it would become {entry.file_size:,} bytes, far more than a model of its "
                "size can hold.",
                _ASK,
            )
    return entries


def _copy(source: IO[bytes], target: Path, entry: zipfile.ZipInfo, file: Path) -> None:
    """Unpack one entry, never more than it declares; weights only where their beginning says that they are some."""
    written = 0
    with open(target, "wb") as out:
        while block := source.read(_BLOCK):
            written += len(block)
            if written > entry.file_size:
                raise NucleiError(f"{file.name} is damaged: it holds more than it says.", _ASK)
            out.write(block)
    if entry.filename == WEIGHTS_FILE:
        with open(target, "rb") as handle:
            read_header(handle, written, file.stem)
