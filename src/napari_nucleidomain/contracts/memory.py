"""Whether an error says that memory ran out: every library has words of its own for it."""

from __future__ import annotations

import errno
import re

# Windows: not enough memory, out of memory, the paging file is too small.
_WINDOWS = {8, 14, 1455}
_WORDS = re.compile(
    r"out of memory|(not enough|insufficient) memory|ran out of memory"
    r"|(can't|cannot|could not|unable to|failed to) allocate|alloc(ation)?[ _]failed"
    r"|bad[ _]alloc"  # C++, by the name of its exception
    r"|could not (create|execute) a (primitive|memory)"  # oneDNN, whatever it had no memory for
    r"|can't start new thread|thread creation failed|resource temporarily unavailable"  # a thread needs a stack
    r"|failed to map segment|paging file is too small",  # of a library that is loaded
    re.IGNORECASE,
)
_CAUSES = 4


def is_memory_full(error: BaseException | None) -> bool:
    """Whether memory ran out, on a graphics card or on the computer.

    Parameters
    ----------
    error : BaseException or None
        What was raised; what it was raised of counts too. numpy raises a `MemoryError`, torch a class of its own for
        CUDA and words for the rest, safetensors a panic that is no `Exception`.
    """
    for _ in range(_CAUSES):
        if error is None:
            return False
        if _says_so(error):
            return True
        error = error.__cause__
    return False


def _says_so(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ in ("OutOfMemoryError", "PanicException"):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM or getattr(error, "winerror", None) in _WINDOWS
    # Not what this program says itself: its messages name files and folders of the user's.
    return isinstance(error, RuntimeError | ImportError | SystemError) and _WORDS.search(str(error)) is not None
