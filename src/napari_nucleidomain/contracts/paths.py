"""Names that a file of ours may carry, and links that the program does not follow where it writes or removes."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from .errors import NucleiError

# Room is left for what we append (".labels.ome.zarr") below the 255 bytes that file systems take.
_LONGEST = 200
_MOST_BYTES = 220
FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f]')
DEVICES = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|com[\d¹²³]|lpt[\d¹²³])\s*(\..*)?")


def wrong_name(name: str) -> str:
    """Why a text cannot be the name of a file; empty where it can, on every system.

    Parameters
    ----------
    name : str
        From a file that somebody else may have written.

    Returns
    -------
    str
        What is wrong, as a sentence goes on after "because".
    """
    if not name:
        return "it is empty"
    if len(name) > _LONGEST or len(name.encode("utf-8", "surrogatepass")) > _MOST_BYTES:
        return "it is too long"
    if found := FORBIDDEN.search(name):
        return f"it holds {found[0]!r}"
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "it is not text"
    if name[-1] in ". " or name[0] == " ":
        # Windows drops such an end: ".. " is then "..".
        return "it begins or ends with a space, or ends with a dot"
    if DEVICES.fullmatch(name):
        return "Windows keeps it for a device"
    return ""


def is_link(path: Path | os.DirEntry[str]) -> bool:
    """Whether something is a symbolic link, or a junction of Windows; False where nothing is there."""
    try:
        found = path.stat(follow_symlinks=False) if isinstance(path, os.DirEntry) else os.lstat(path)
    except (OSError, ValueError):
        return False
    junction = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None)
    return stat.S_ISLNK(found.st_mode) or (junction is not None and getattr(found, "st_reparse_tag", 0) == junction)


def refuse_links(folder: Path, names: Iterable[str], *, within: bool = True) -> None:
    """Refuse a folder in which something that the program writes or removes is a link to elsewhere.

    Parameters
    ----------
    folder : Path
        May itself be reached through a link.
    names : iterable of str
        Files and folders in it, relative to it.
    within : bool
        Whether all that lies in those folders is looked at, too.

    Raises
    ------
    NucleiError
        One is a link. Nothing was changed.
    """
    for name in names:
        if found := _first_link(folder / name, within):
            raise NucleiError(
                f"{found} is a link. The program writes and removes there, and what the link leads to could be lost.",
                "Do not use this folder if somebody else made it; replace a link of your own by what it leads to.",
            )


def _first_link(path: Path, within: bool) -> Path | None:
    if is_link(path):
        return path
    waiting = [path] if within else []
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    # What an entry is, is known without asking the disk for each of a slide's many tiles.
                    if entry.is_symlink() or (entry.is_dir(follow_symlinks=False) and is_link(entry)):
                        return Path(entry.path)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
        except (NotADirectoryError, FileNotFoundError):
            continue
        except OSError as error:
            raise NucleiError(
                f"{path} cannot be looked through: {error.strerror or error}.", "Check the disk and permissions."
            ) from error
    return None


def same_place(one: Path | str, other: Path | str) -> bool:
    """Whether two paths name one place, whatever links and capitals they are spelled with."""
    first, second = (os.path.normcase(os.path.realpath(path)) for path in (one, other))
    return first == second


def lies_in(path: Path | str, folder: Path | str) -> bool:
    """Whether a path, with its links followed, lies in a folder or is that folder."""
    inner, outer = (os.path.normcase(os.path.realpath(one)) for one in (path, folder))
    return inner == outer or inner.startswith(outer.rstrip(os.sep) + os.sep)
