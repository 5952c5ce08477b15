"""Who executes a run: taken atomically, kept alive by a heartbeat, given up at the end."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import SMALL, read_json, remove_with_retry, write_json

from .lock import exclusive

OWNER_FILE = "owner.json"
LOCK_FILE = "owner.lock"
HEARTBEAT_SECONDS = 2.0
# Another machine's clock may differ from ours, and network folders show new times late.
STALE_ELSEWHERE_SECONDS = 120.0
# So long a heart is listened for whose clock tells nothing: several beats.
WATCHED_SECONDS = 7.0
# Seconds by which a beat may seem to lie ahead: clocks of computers that ask for the time differ by less.
_CLOCKS_APART = 120.0
_AGAIN_SECONDS = 0.2
_SETTLE_SECONDS = 0.5
# Systems know the start of a process no better than this.
_START_SLACK = 2.0
# A clock is seldom set by more, and a process number seldom given anew that soon after its process was killed.
_LARGEST_STEP = 86400.0
_BEATING_SECONDS = 10.0
_LATEST = 3e10
_BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Owner:
    """The process that executes a run."""

    host: str
    process: int
    process_started: float
    token: str
    taken: float
    process_key: str = ""

    @property
    def here(self) -> bool:
        """Whether it runs on this machine."""
        return self.host == socket.gethostname()


def read_owner(folder: Path) -> Owner | None:
    """The owner written in the folder; None where there is none or the file is half-written or no owner's."""
    try:
        return _as_owner(read_json(folder / OWNER_FILE, SMALL))
    except NucleiError:
        return None


def _as_owner(content: Any) -> Owner | None:
    """What a file says, where it says what only an owner can: a process has a number, a time is finite."""
    try:
        owner = Owner(**content)
    except TypeError:
        return None
    texts = (owner.host, owner.token, owner.process_key)
    good = all(isinstance(one, str) for one in texts) and is_process(owner) and is_time(owner.taken)
    return owner if good else None


class _Process(Protocol):
    @property
    def process(self) -> int: ...

    @property
    def process_started(self) -> float: ...


def is_process(one: _Process) -> bool:
    """Whether number and start are such as a process can have."""
    number, started = one.process, one.process_started
    return isinstance(number, int) and not isinstance(number, bool) and 0 < number < 1 << 31 and is_time(started)


def is_time(value: Any) -> bool:
    """Whether a value can be seconds since 1970; systems know no times after the year 3000."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _LATEST


def is_alive(folder: Path) -> bool:
    """Whether the run's owner still works on it."""
    try:
        content = read_json(folder / OWNER_FILE, SMALL)
    except NucleiError:
        return _just_written(folder)
    owner = _as_owner(content)
    if owner is None:
        # Whole, and of nobody.
        return False
    if owner.here:
        # A heart that beat just now is most likely its own: then the clock was set, not the number given anew.
        slack = _LARGEST_STEP if _beat_within(folder, _BEATING_SECONDS) else _START_SLACK
        return process_alive(owner.process, owner.process_started, owner.process_key, slack)
    return _beats_elsewhere(folder, owner.token)


def _beat_within(folder: Path, seconds: float) -> bool:
    """Whether the heart beat so recently. A time that is still to come says nothing."""
    beat = _last_beat(folder)
    return beat is not None and -seconds < time.time() - beat < seconds


def _last_beat(folder: Path) -> float | None:
    """When the heart beat last, by the clock of whoever keeps the folder.

    Asked of the open file: network folders show times late that are asked for by name.
    """
    try:
        with open(folder / OWNER_FILE, "rb") as handle:
            return os.fstat(handle.fileno()).st_mtime
    except OSError:
        return None


@dataclass
class _Seen:
    """What was seen of an owner on another machine."""

    token: str
    beat: float
    # By this process' own clock: since when that was the last beat, and whether a newer one was ever seen.
    since: float
    beats: bool = False


# By run folder. Two clocks are never compared where a change can be: they may differ by hours.
_SEEN: dict[Path, _Seen] = {}


def _beats_elsewhere(folder: Path, token: str) -> bool:
    """Whether the heart of an owner on another machine beats: by its beats as they are seen here.

    At the first look there is only the time of the last beat. One in the future is as good as none: from then on it
    counts whether another follows.
    """
    beat = _last_beat(folder)
    if beat is None:
        return False
    now, before = time.monotonic(), _SEEN.get(folder)
    if before is None or before.token != token:
        _SEEN[folder] = before = _Seen(token, beat, now)
    elif beat != before.beat:
        before.beat, before.since, before.beats = beat, now, beat > before.beat
    waited = now - before.since
    if before.beats:
        return waited < STALE_ELSEWHERE_SECONDS
    age = time.time() - beat
    if age < -_CLOCKS_APART:
        return waited < WATCHED_SECONDS
    return age < STALE_ELSEWHERE_SECONDS


def _listen(folder: Path) -> None:
    """Listen for the heart of an owner elsewhere whose last beat cannot be dated; takes some seconds at most."""
    owner = read_owner(folder)
    beat = _last_beat(folder)
    if owner is None or owner.here or beat is None:
        return
    age = time.time() - beat
    if -_CLOCKS_APART <= age < STALE_ELSEWHERE_SECONDS or age > _LARGEST_STEP:
        return
    end = time.monotonic() + WATCHED_SECONDS + _AGAIN_SECONDS
    while time.monotonic() < end:
        _beats_elsewhere(folder, owner.token)
        if _SEEN[folder].beats:
            return
        time.sleep(_AGAIN_SECONDS)


def _just_written(folder: Path) -> bool:
    """A file that cannot be read yet but is seconds old: its owner is about to finish writing it."""
    return _beat_within(folder, HEARTBEAT_SECONDS)


def process_key(number: int) -> str:
    """What tells a process of this machine from a later one of its number, whatever is done to the clock.

    Returns
    -------
    str
        Of Linux: the start of the machine, and that of the process in ticks since. Empty on other systems, whose start
        times do not follow the clock, and where there is no such process.
    """
    try:
        boot = _BOOT_FILE.read_text(encoding="ascii").strip()
        after_name = Path(f"/proc/{number}/stat").read_bytes().rpartition(b")")[2]
        return f"{boot} {int(after_name.split()[19])}"
    except (OSError, ValueError, IndexError):
        return ""


def process_alive(number: int, started: float, key: str = "", slack: float = _START_SLACK) -> bool:
    """Whether a process still runs on this machine.

    Parameters
    ----------
    number : int
    started : float
        When it began, in seconds since 1970.
    key : str
        See `process_key`; where it is known the time is not asked for.
    slack : float
        Seconds by which its start may seem to have moved, as it does on Linux when the clock is set.
    """
    import psutil

    try:
        process = psutil.Process(number)
        # A process number is used again after a restart; the start tells the two apart.
        here = process_key(number) if key else ""
        same = here == key if here else abs(process.create_time() - started) < slack
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


class Ownership:
    """The right to write to a run folder.

    Parameters
    ----------
    folder : Path
    patient : bool
        Listen for some seconds for an owner on another machine whose clock and ours are far apart.

    Raises
    ------
    NucleiError
        A live process has it, or the folder cannot be written.
    """

    def __init__(self, folder: Path, *, patient: bool = False) -> None:
        import psutil

        if patient:
            _listen(folder)

        self._path = folder / OWNER_FILE
        self.owner = Owner(
            host=socket.gethostname(),
            process=os.getpid(),
            process_started=psutil.Process().create_time(),
            token=uuid.uuid4().hex,
            taken=time.time(),
            process_key=process_key(os.getpid()),
        )
        # To look and then to write is two moments: of two processes that both find nobody, one must wait.
        with exclusive(folder / LOCK_FILE) as held:
            if is_alive(folder):
                raise _taken(folder)
            write_json(self._path, self.owner.__dict__)
            if not held:
                # A folder without locks: the last one to write has it, and the others see that after a moment.
                time.sleep(_SETTLE_SECONDS)
                if not self.held:
                    raise _taken(folder)

    @property
    def held(self) -> bool:
        """Whether the folder is still ours."""
        owner = read_owner(self._path.parent)
        return owner is not None and owner.token == self.owner.token

    @property
    def lost(self) -> bool:
        """Whether somebody else has it: another machine took this one for dead while it slept."""
        owner = read_owner(self._path.parent)
        return owner is not None and owner.token != self.owner.token

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Hold the folder for the moment of a save: nobody can take it meanwhile.

        Yields
        ------
        bool
            False where somebody else has it, or had it and has given it up.

        Raises
        ------
        NucleiError, OSError
            It cannot be known now: the disk is away, or a new owner is just signing.
        """
        if not self._path.parent.exists():
            # With the folder went everything of anybody's that could be written over.
            yield True
            return
        with exclusive(self._path.parent / LOCK_FILE):
            yield self._still_ours()

    def _still_ours(self) -> bool:
        try:
            content = read_json(self._path, SMALL)
            return bool(content["token"] == self.owner.token)
        except (NucleiError, TypeError, KeyError) as error:
            if not self._path.exists():
                return False
            raise NucleiError(
                f"It cannot be told who has {self._path.parent} now.", "It is tried again in some seconds."
            ) from error

    def beat(self) -> None:
        """Say that we are alive. A folder that was removed or is away meanwhile is noticed elsewhere."""
        try:
            os.utime(self._path)
        except OSError:
            return

    def release(self) -> None:
        """Give the folder up."""
        if self.held:
            remove_with_retry(self._path)


def _taken(folder: Path) -> NucleiError:
    owner = read_owner(folder)
    where = f"process {owner.process} on {owner.host}" if owner else "another process"
    return NucleiError(f"{folder.name} is being worked on by {where}.", "Wait for it, or stop it first.")
