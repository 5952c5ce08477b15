"""Whether a file could not be read for another reason than its content: then it is not called damaged."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

from .memory import is_memory_full

_NO_PERMISSION = {errno.EACCES, errno.EPERM}
_TOO_MANY = {errno.EMFILE, errno.ENFILE}
_AWAY = {
    getattr(errno, name)
    for name in ("EIO", "ESTALE", "ENXIO", "ENODEV", "ETIMEDOUT", "EHOSTDOWN", "EHOSTUNREACH", "ENOTCONN", "ENETDOWN")
    if hasattr(errno, name)
}
_CODEC = re.compile(
    r"requires the '?(imagecodecs|[\w.-]+)'? package|codec not available|unknown codec|no codec"
    r"|not supported by imagecodecs|imagecodecs.*(import|not available)|compression.* (is )?not supported",
    re.IGNORECASE,
)


def not_its_fault(error: BaseException) -> tuple[str, str] | None:
    """Why a file could not be read where the computer, its rights or a missing package is at fault.

    Parameters
    ----------
    error : BaseException
        With what it was raised from.

    Returns
    -------
    tuple of (reason, hint) or None
        The reason follows "cannot be read: "; None where the file itself is at fault, or nobody knows.
    """
    for one in _chain(error):
        if told := _reason(one):
            return told
    return None


def _reason(error: BaseException) -> tuple[str, str] | None:
    number = error.errno if isinstance(error, OSError) else None
    if is_memory_full(error):
        return (
            "there is not enough memory for it",
            "Close other programs, or work on a part of it. The file may be whole.",
        )
    if number in _NO_PERMISSION:
        return (
            "you may not read it",
            "Ask whoever owns it, or close the program that holds it open. The file may be whole.",
        )
    if number in _TOO_MANY:
        return "too many files are open on this computer", "Close other programs and try again. The file may be whole."
    if number in _AWAY:
        return (
            f"the disk or network drive did not give it ({error.strerror})",  # type: ignore[attr-defined]
            "Is the drive connected? Try again; the file may be whole.",
        )
    if isinstance(error, ImportError) or _CODEC.search(str(error)):
        return (
            f"this program cannot unpack its kind of compression ({str(error)[:160]})",
            "Save it uncompressed or with another compression (LZW, Deflate, JPEG). The file may be whole.",
        )
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
