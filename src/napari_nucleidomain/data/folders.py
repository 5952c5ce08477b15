"""Folders written aside and renamed, so that a reader never sees half of one (as `write_atomic` does for files)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_nucleidomain.contracts.files import (
    disk_error,
    remove_folder,
    remove_link,
    replace_with_retry,
    tell_of_half,
)
from napari_nucleidomain.contracts.paths import is_link

_SETTLE = 0.1


def write_folder_atomic(path: Path, write: Callable[[Path], Any]) -> Path:
    """Make or replace a folder so that it is either the old one or the whole new one.

    Parameters
    ----------
    path : Path
        The folder. Its parent is made if absent.
    write : callable
        Given a path beside it that does not exist yet, fills it.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    NucleiError
        The disk is full, the parent is read-only, or another operating-system error; the old folder stays.
    """
    mark = uuid.uuid4().hex[:8]
    aside = path.with_name(f".{path.stem[:40]}.{mark}{path.suffix}")
    old = path.with_name(f".{path.stem[:40]}.{mark}.old{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tell_of_half(aside)
        write(aside)
        if path.exists():
            tell_of_half(old)
            # No system renames a folder over a full one: for a moment neither name is taken, and `old` is whole.
            replace_with_retry(path, old)
        try:
            replace_with_retry(aside, path)
        except OSError:
            if old.exists():
                replace_with_retry(old, path)
            raise
    except OSError as error:
        raise disk_error(error, path) from error
    finally:
        for left in (aside, old):
            if is_link(left):
                # The link itself; what it led to is not ours.
                remove_link(left)
            elif left.is_dir():
                # Files of a Zarr are written by several threads; those of a failed one may come late.
                remove_folder(left, settle=_SETTLE if left is aside else 0.0)
            elif left.exists():
                left.unlink(missing_ok=True)
    return path
