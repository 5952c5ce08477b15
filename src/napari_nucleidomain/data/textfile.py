"""Text of a file whatever it was saved with: UTF-8 with a mark or without, UTF-16, Latin-1, in a zip or gzip."""

from __future__ import annotations

import codecs
import zipfile
import zlib
from pathlib import Path

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import GEOMETRY, read_bytes

# Bytes of text that are unpacked at most: far more than the outlines of a slide.
_LARGEST = 1 << 31
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # The mark of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path, inside: tuple[str, ...] = ()) -> str:
    """The text of a file.

    Parameters
    ----------
    path : Path
        Plain, gzip, or a zip with one file of text in it.
    inside : tuple of str
        Endings, in small letters, of the file that is looked for in a zip.

    Returns
    -------
    str
        Without byte order mark.

    Raises
    ------
    NucleiError
        The file is absent, cannot be read, or holds several such files or none.
    """
    try:
        content = read_bytes(path, GEOMETRY.most_bytes)
    except FileNotFoundError as error:
        raise NucleiError(f"{path} is not there.", "Was it moved or renamed? Choose the file again.") from error
    except OSError as error:
        raise NucleiError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the disk and permissions."
        ) from error
    if content[:2] == b"PK" and inside:
        content = _unzipped(path, inside)
    elif content[:2] == b"\x1f\x8b":
        content = _gunzipped(path, content)
    return decoded(content)


def decoded(content: bytes) -> str:
    """Bytes as text: by their mark, else UTF-8, else UTF-16 where every other byte is 0, else Latin-1."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    start = content[:64]
    for encoding, zeros in (("utf-16-le", start[1::2]), ("utf-16-be", start[0::2])):
        if len(start) >= 4 and not any(zeros):
            return content.decode(encoding, errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        # Older programs on Windows; every byte is a letter there.
        return content.decode("cp1252", errors="replace")


def zip_names(path: Path) -> list[str]:
    """Names of the files in a zip, without folders and what Macs add; empty where it is no zip.

    Raises
    ------
    OSError
        It cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            entries = packed.infolist()
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError):
        return []
    return [one.filename for one in entries if not one.is_dir() and not hidden_in_zip(one.filename)]


def hidden_in_zip(name: str) -> bool:
    """Whether a name in a zip is clutter: Macs add a folder of their own to every zip they make."""
    return name.startswith("__MACOSX/") or name.replace("\\", "/").rsplit("/", 1)[-1].startswith(".")


def _unzipped(path: Path, inside: tuple[str, ...]) -> bytes:
    wanted = [name for name in zip_names(path) if name.lower().endswith(inside)]
    if len(wanted) != 1:
        shown = ", ".join(wanted[:3]) + (" ..." if len(wanted) > 3 else "")
        raise NucleiError(
            f"{path.name} holds {len(wanted)} files of outlines: {shown}." if wanted else f"{path.name} is damaged.",
            "Unpack it, and give one of them." if wanted else "Export it again.",
        )
    try:
        with zipfile.ZipFile(path) as packed:
            if packed.getinfo(wanted[0]).flag_bits & 1:
                raise NucleiError(f"{path.name} is protected by a password.", "Unpack it, or save it without one.")
            with packed.open(wanted[0]) as handle:
                content = handle.read(_LARGEST + 1)
    except (zlib.error, zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise NucleiError(f"{path.name} is damaged: {wanted[0]} cannot be unpacked.", "Export it again.") from error
    return _bounded(path, content)


def _gunzipped(path: Path, content: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(content, _LARGEST + 1)
    except zlib.error as error:
        raise NucleiError(f"{path.name} is damaged: it cannot be unpacked.", "Export it again.") from error
    if not unpacker.eof and len(text) <= _LARGEST:
        raise NucleiError(f"{path.name} is damaged: its end is missing.", "Copy or export it again.")
    return _bounded(path, text)


def _bounded(path: Path, content: bytes) -> bytes:
    if len(content) > _LARGEST:
        raise NucleiError(f"{path.name} holds more than {_LARGEST >> 30} GB of text.", "Export a part of it.")
    return content
