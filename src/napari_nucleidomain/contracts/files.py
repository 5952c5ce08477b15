"""Small files written aside and renamed, so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import DiskFull, NucleiError, WriteError
from .json_text import CARD, GEOMETRY, LISTS, SMALL, JsonLimits, JsonTextError, parse_json
from .paths import is_link
from .plain_files import impossible_name, open_plain, refuse_special, specials_in

__all__ = [
    "CARD",
    "GEOMETRY",
    "LISTS",
    "SMALL",
    "JsonLimits",
    "JsonTextError",
    "check_version",
    "disk_error",
    "impossible_name",
    "is_half",
    "open_plain",
    "parse_json",
    "read_bytes",
    "read_json",
    "refuse_special",
    "remove_folder",
    "remove_halves",
    "remove_link",
    "remove_with_retry",
    "replace_with_retry",
    "specials_in",
    "write_atomic",
    "write_json",
]
_ATTEMPTS = 20
# .NAME.8 letters of hex.SUFFIX, of a folder that is replaced .NAME.8 letters.old.SUFFIX
_HALF = re.compile(r"\..{0,40}\.[0-9a-f]{8}(\.old)?(\.[^.]*)?", re.DOTALL)
_NOTES: list[Callable[[Path], None]] = []
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


def disk_error(error: OSError, path: Path) -> WriteError:
    """Turn an operating-system error on writing `path` into words that say what to do."""
    if error.errno in _FULL:
        return DiskFull(
            f"The disk is full: {path.name} could not be written to {path.parent}.",
            "Free some space, or choose another folder; nothing that was saved before is lost.",
        )
    if error.errno == errno.EFBIG:
        return WriteError(
            f"{path.name} is too large for the disk of {path.parent}, or for what you may use of it.",
            "Choose a folder on another disk (memory sticks often take no file above 4 GB).",
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return WriteError(
            f"No permission to write {path.name} in {path.parent}.",
            "Choose a folder you may write to, or ask whoever owns this one.",
        )
    if error.errno in {errno.EEXIST, errno.ENOTDIR}:
        return WriteError(
            f"{path.name} could not be written to {path.parent}: a file stands where a folder is needed.",
            "Choose another folder, or rename that file.",
        )
    return WriteError(f"{path} could not be written: {error.strerror or error}.", "Check the disk and try again.")


def replace_with_retry(source: Path, target: Path) -> None:
    """`os.replace`, tried again for about two seconds.

    On Windows an antivirus, an indexer or a sync client may hold either file for a moment.
    """
    for attempt in range(_ATTEMPTS):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(0.1)


def remove_with_retry(path: Path) -> None:
    """Remove a file, absent or not; as patient as `replace_with_retry`, and silent where even that is not enough.

    On Windows nobody can remove what another process is reading at this moment.
    """
    for _ in range(_ATTEMPTS):
        try:
            path.unlink(missing_ok=True)
            return
        except PermissionError:
            time.sleep(0.1)
        except OSError:
            return


def remove_link(path: Path) -> None:
    """Remove a link and nothing of what it leads to; as patient and silent as `remove_with_retry`."""
    remove_with_retry(path)
    if is_link(path):
        # A junction of Windows is removed as an empty folder is.
        with contextlib.suppress(OSError):
            path.rmdir()


def remove_folder(path: Path, *, settle: float = 0.0) -> None:
    """Remove a folder, absent or not, while threads of a writer that failed may still put their last files into it.

    As patient as `replace_with_retry`, and silent where even that is not enough. Of a link only the link goes.

    Parameters
    ----------
    path : Path
    settle : float
        Seconds after which it is looked for again: such a thread makes a folder anew that is gone.
    """
    if is_link(path):
        remove_link(path)
        return
    for attempt in range(_ATTEMPTS):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            time.sleep(settle)
            if not path.exists():
                return
        time.sleep(0.02 * (attempt + 1))


@contextmanager
def halves_told_to(note: Callable[[Path], None]) -> Iterator[None]:
    """Within it `note` is given the path of every half, before it is written: a kill may leave it there."""
    _NOTES.append(note)
    try:
        yield
    finally:
        _NOTES.remove(note)


def tell_of_half(aside: Path) -> None:
    """Say that a half will be written; see `halves_told_to`."""
    for note in list(_NOTES):
        note(aside)


def write_atomic(path: Path | str, write: Callable[[Path], Any] | bytes | str, *, durable: bool = True) -> Path:
    """Write a file so that it is either the old one or the whole new one.

    Parameters
    ----------
    path : Path or str
        The file to make or replace. Its folder is made if absent.
    write : callable, bytes or str
        The content, or a function that is given a temporary path (same folder, same suffix) and writes it.
    durable : bool
        Whether it must be on the disk when this returns. Waiting for the disk costs milliseconds; a file that is of no
        use after a power cut, or is looked through before use, can do without.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    WriteError
        The disk is full, the folder is read-only, or another operating-system error; the old file stays.
    """
    path = Path(path)
    # The suffix stays last because image writers choose their format by it.
    aside = path.with_name(f".{path.stem[:40]}.{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tell_of_half(aside)
        if callable(write):
            write(aside)
        elif isinstance(write, bytes):
            aside.write_bytes(write)
        else:
            aside.write_bytes(write.encode("utf-8"))
        if durable:
            _flush(aside)
        replace_with_retry(aside, path)
    except OSError as error:
        raise disk_error(error, path) from error
    finally:
        if aside.exists():
            remove_with_retry(aside)
    return path


def _flush(path: Path) -> None:
    """Force the bytes to disk, so that a power cut after the rename finds them there."""
    with open(path, "rb+") as handle:
        os.fsync(handle.fileno())


def remove_halves(folder: Path) -> None:
    """Remove what a process that was killed while writing left aside in a folder nobody else writes to now.

    Only what `write_atomic` and `write_folder_atomic` name so is touched, and no link is followed or removed.
    """
    if is_link(folder) or not folder.is_dir():
        return
    for aside in folder.iterdir():
        if not is_half(aside.name) or is_link(aside):
            continue
        if aside.is_dir():
            remove_folder(aside)
        else:
            remove_with_retry(aside)


def is_half(name: str) -> bool:
    """Whether a name is one that `write_atomic` or `write_folder_atomic` gives to what it writes aside."""
    return _HALF.fullmatch(name) is not None


def write_json(path: Path | str, content: Any) -> Path:
    """`write_atomic` for JSON (UTF-8, indented)."""
    try:
        text = (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode("utf-8")
    except UnicodeEncodeError:
        # A file's name in an unknown encoding, which Python keeps as halves of characters.
        text = (json.dumps(content, indent=2) + "\n").encode("ascii")
    return write_atomic(path, text)


def check_version(content: Any, known: int, thing: str, mend: str) -> None:
    """Refuse a file of a later version of this program, and one that does not say its version.

    Parameters
    ----------
    content : Any
        What `read_json` gave.
    known : int
        The latest version that this program can read.
    thing : str
        What it is the file of, as a sentence begins: "The model liver".
    mend : str
        What to do where it is damaged.

    Raises
    ------
    NucleiError
        It is of a later version, or damaged.
    """
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise NucleiError(f"{thing} is damaged: its file does not say which version it is of.", mend)
    if version > known:
        raise NucleiError(f"{thing} was made by a later version of this program.", "Update it.")


def read_bytes(path: Path | str, most: int) -> bytes:
    """The bytes of a file, but not more than `most` and one.

    Raises
    ------
    NucleiError
        It is no file but a pipe, a device or a socket.
    OSError
        It is absent or cannot be read.
    """
    with open_plain(path) as handle:
        return handle.read(most + 1)


def read_json(path: Path | str, limits: JsonLimits = GEOMETRY) -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path : Path or str
    limits : JsonLimits
        What it may be at most; see `json_text`. Files of this program have their own: `SMALL`, `CARD`, `LISTS`.

    Raises
    ------
    NucleiError
        The file is absent, beyond the limits, or is not JSON.
    """
    path = Path(path)
    try:
        return parse_json(read_bytes(path, limits.most_bytes), limits)
    except FileNotFoundError as error:
        raise NucleiError(f"{path} is not there.", "Check the path.") from error
    except JsonTextError as error:
        raise NucleiError(f"{path} cannot be read: it {error}.", "Restore it, or remove it.") from error
    except OSError as error:
        raise NucleiError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the disk and permissions."
        ) from error
