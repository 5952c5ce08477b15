"""What reading a damaged archive of arrays can raise."""

from __future__ import annotations

import zipfile
import zlib
from tokenize import TokenError

# A flipped byte can say of an entry that it is encrypted (RuntimeError) or packed by an unknown method
# (NotImplementedError, which is one); the head of an array is a line of Python that numpy parses.
NPZ_ERRORS = (
    OSError, EOFError, ValueError, KeyError, RuntimeError, SyntaxError, TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
