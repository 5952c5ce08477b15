"""Only files are opened by name: a pipe, a device or a socket of that name would have the program wait for ever."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from .errors import NucleiError

# Of systems without them there is nothing to refuse.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)


def refuse_special(path: Path | str) -> None:
    """Refuse what is neither a file nor a folder; what is absent is left to whoever opens it.

    Raises
    ------
    NucleiError
        It is a pipe, a device or a socket, or no such name can be.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return
    except ValueError as error:
        raise NucleiError(f"{path} is no name of a file.", "Check the path.") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise _special(path)


def impossible_name(error: BaseException) -> NucleiError | None:
    """In words where a name is one that no file of this system can have; None for other errors."""
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        name = str(error.filename or "")
        short = f"{name[:60]}…" if len(name) > 60 else name
        return NucleiError(f"There can be no file {short}: its name is too long for this computer.", "Shorten it.")
    return None


def _special(path: Path | str) -> NucleiError:
    return NucleiError(f"{path} is a pipe, a device or a socket and no file.", "Give a file that holds the data.")


def open_plain(path: Path | str) -> BufferedReader:
    """Open a file to read its bytes; never waits for a writer.

    Raises
    ------
    NucleiError
        It is a pipe, a device or a socket.
    OSError
        As `open`.
    """
    refuse_special(path)
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    handle = os.open(path, os.O_RDONLY | _AT_ONCE)
    try:
        # Between the look and the opening it may have become another.
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise _special(path)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def specials_in(folder: Path, most: int | None = None) -> Iterator[Path]:
    """Pipes, devices and sockets anywhere in a folder, links to them included; links to folders are not followed.

    Parameters
    ----------
    folder : Path
    most : int, optional
        Files and folders that are looked at.
    """
    waiting, looked_at = [folder], 0
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    looked_at += 1
                    if most is not None and looked_at > most:
                        return
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    elif not entry.is_dir() and not entry.is_file() and os.path.exists(entry.path):
                        yield Path(entry.path)
        except OSError:
            # Gone or closed to us: whoever needs it says so.
            continue
