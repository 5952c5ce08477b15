"""Checkpoints of a training: tensors and plain values, never code."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import torch

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.blame import not_its_fault
from napari_nucleidomain.contracts.memory import is_memory_full

# After what torch wrote: this, and a hash of it.
_MARK = b"\nnucleidomain checkpoint blake2b "
_HASH_BYTES = 32
_END = len(_MARK) + _HASH_BYTES
_BLOCK = 1 << 20
# Bytes of a zip's last record.
_ZIP_END = 22


class _Keeping:
    """Writes to a file and keeps what the system said of it: torch reports a full disk in words of its own."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self.error: OSError | None = None
        # Of what was meant to be written: a disk that writes something else is found out, too.
        self.digest = hashlib.blake2b(digest_size=_HASH_BYTES)

    def write(self, content: Any) -> int:
        """See `io.RawIOBase.write`."""
        self.digest.update(content)
        try:
            return self._handle.write(content)
        except OSError as error:
            self.error = self.error or error
            raise

    def flush(self) -> None:
        """See `io.RawIOBase.flush`."""
        self._handle.flush()


class TorchCheckpoints:
    """Writes what a run tracks with `torch.save`, and reads it with `weights_only`."""

    def save(self, state: dict[str, Any], path: Path) -> None:
        """Write `state`.

        Raises
        ------
        OSError
            The disk is full, away or read-only.
        """
        with open(path, "wb") as handle:
            keeping = _Keeping(handle)
            try:
                torch.save(state, keeping)  # type: ignore[arg-type]  # all it asks for is `write`
            except (RuntimeError, OSError):
                if keeping.error is not None:
                    raise keeping.error from None
                raise
            handle.write(_MARK + keeping.digest.digest())

    def load(self, path: Path) -> dict[str, Any]:
        """Read what `save` wrote, to the CPU.

        Raises
        ------
        NucleiError
            The file is damaged.
        """
        try:
            _check(path)
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            if not {"position", "tracked"} <= state.keys():
                raise ValueError("not a checkpoint")
        except Exception as error:
            if is_memory_full(error):
                raise
            if told := not_its_fault(error):
                # Nothing to delete: it may well be whole.
                raise NucleiError(f"The state of this training cannot be read: {told[0]}.", told[1]) from error
            raise NucleiError(
                f"The state of this training cannot be read: {os.path.join(*path.parts[-2:])} is damaged.",
                "Start a new training; it can continue from the model this one has left. Or delete the file: then "
                "this training begins anew.",
            ) from error
        return state

    def seed(self, seed: int) -> None:
        """Seed torch's generators, so that dropout is the same after a resume."""
        torch.manual_seed(seed)


def _check(path: Path) -> None:
    """Refuse a file of which so much as a byte is not what was written; torch itself would learn on from it.

    Raises
    ------
    ValueError
        It is damaged.
    """
    with open(path, "rb") as handle:
        size = handle.seek(0, os.SEEK_END)
        handle.seek(max(0, size - _END))
        end = handle.read()
        if end.startswith(_MARK):
            handle.seek(0)
            digest = hashlib.blake2b(digest_size=_HASH_BYTES)
            left = size - _END
            while block := handle.read(min(_BLOCK, left)):
                digest.update(block)
                left -= len(block)
            if digest.digest() != end[len(_MARK) :]:
                raise ValueError("other content than was written")
            return
    # Of an earlier version: the sums in the archive that torch makes; nothing may stand behind it.
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None or archive.comment:
                raise ValueError("a wrong sum")
            if end[-_ZIP_END:][:4] != b"PK\x05\x06":
                raise ValueError("something stands behind the archive")
    except (zipfile.BadZipFile, zlib.error) as error:
        raise ValueError("no archive") from error
