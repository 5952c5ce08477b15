"""What a run writes aside in the user's own folders, noted in its folder, so that a kill leaves nothing there for good.

Other processes write into such a folder too, perhaps under the same names: only what this run has noted is its own.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from napari_nucleidomain.contracts.files import halves_told_to, remove_folder, remove_with_retry, replace_with_retry

HALVES_FILE = "halves.txt"
# Nobody is in the middle of writing what has not changed for so long.
_LEFT_SECONDS = 3600.0


class Halves:
    """Halves of the files that a run makes outside its folder.

    Parameters
    ----------
    folder : Path
        The run folder, which this process owns.
    files : sequence of Path
        What it makes.
    """

    def __init__(self, folder: Path, files: Sequence[Path]) -> None:
        self._file, self._files = folder / HALVES_FILE, list(files)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Within it whatever is written aside is noted; at its end nothing is left aside."""
        with halves_told_to(self._note):
            yield
        remove_with_retry(self._file)

    def _note(self, half: Path) -> None:
        if any(half.parent == file.parent for file in self._files):
            with open(self._file, "a", encoding="utf-8") as handle:
                handle.write(json.dumps(half.name) + "\n")

    def remove_left(self) -> None:
        """Remove what an earlier process of this run was writing when it was killed."""
        ours = self._noted()
        for file in self._files:
            for half in _halves_of(file):
                if half.name in ours or _untouched(half):
                    _remove(half, file)
        remove_with_retry(self._file)

    def _noted(self) -> set[str]:
        try:
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return set()
        names = set()
        for line in lines:
            try:
                names.add(str(json.loads(line)))
            except json.JSONDecodeError:
                # The kill came in the midst of the last line.
                continue
        return names


def _halves_of(file: Path) -> list[Path]:
    """What `write_atomic` and `write_folder_atomic` would write aside of a file; never a link."""
    start = f".{file.stem[:40]}."
    mark = re.compile(re.escape(start) + r"[0-9a-f]{8}(\.old)?" + re.escape(file.suffix))
    try:
        return [one for one in file.parent.iterdir() if mark.fullmatch(one.name) and not one.is_symlink()]
    except OSError:
        return []


def _untouched(path: Path) -> bool:
    try:
        newest = max(one.lstat().st_mtime for one in (path, *path.rglob("*")))
    except OSError:
        return False
    return time.time() - newest > _LEFT_SECONDS


def _remove(half: Path, file: Path) -> None:
    if not half.is_dir():
        remove_with_retry(half)
    elif half.stem.endswith(".old") and not file.exists():
        # Killed between two renames: it is the user's earlier result.
        replace_with_retry(half, file)
    else:
        remove_folder(half)
