"""How fast this computer trains: measured in a process of its own, kept for the forecasts of this user."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import SMALL, JsonTextError, disk_error, parse_json, read_json, write_json

SECONDS = 5.0
_LAST_BYTES = 20_000


class Speed(BaseModel):
    """What a speed test found.

    Attributes
    ----------
    steps : dict
        Reference training -> seconds per step; see `contracts.MethodSpec.forecast`.
    """

    model_config = ConfigDict(extra="ignore")
    device: str = Field(description='What it ran on: "cpu", "cuda:0", "mps".')
    words: str = Field("", description="The device for a person.")
    memory: int = Field(0, description="Bytes of the graphics card's own memory; 0 for others.")
    threads: int = 0
    torch: str = ""
    build: str = Field("", description='What torch was built for: "cpu", "CUDA 13.0", ...')
    import_seconds: float = Field(0.0, description="Loading torch, which every training begins with.")
    steps: dict[str, float] = Field(default_factory=dict)
    when: float = Field(default_factory=time.time)


def computer_id() -> str:
    """The same for every program on this computer, and telling nobody its name.

    A home folder, and with it what is kept there, may be shared by many computers; run folders travel.
    """
    parts = (socket.gethostname(), platform.machine(), os.cpu_count())
    return hashlib.blake2b(repr(parts).encode(), digest_size=6).hexdigest()


def speed_file() -> Path:
    """Where this user's speed tests of this computer are kept."""
    import platformdirs

    return Path(platformdirs.user_state_dir("napari-nucleidomain", appauthor=False)) / f"speed-{computer_id()}.json"


def load_speed(device: str) -> Speed | None:
    """The last speed test of a device; None where there is none.

    Parameters
    ----------
    device : str
        As asked for: "auto", "cpu", "cuda", "mps".
    """
    try:
        return Speed.model_validate(read_json(speed_file(), SMALL)[device])
    except (NucleiError, KeyError, TypeError, ValidationError):
        # Never measured, or by another version of this program: measured again when asked for.
        return None


def save_speed(speed: Speed, asked: str) -> None:
    """Keep a speed test under the device asked for and under the one it ran on.

    Raises
    ------
    WriteError
        The user's own folder cannot be written to.
    """
    path = speed_file()
    try:
        stored: Any = read_json(path, SMALL)
    except NucleiError:
        stored = {}
    stored = stored if isinstance(stored, dict) else {}
    for name in {asked, speed.device, speed.device.partition(":")[0]}:
        stored[name] = speed.model_dump(mode="json")
    write_json(path, stored)


class SpeedTest:
    """The test, in a process of its own: the viewer never imports torch, and a cancelled test leaves nothing.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    seconds : float
        How long to measure; loading torch comes on top.
    """

    def __init__(self, device: str = "auto", seconds: float = SECONDS) -> None:
        self._device = device
        command = [sys.executable, "-m", "napari_nucleidomain.cli", "check", "--speed-only"]
        command += ["--device", device, "--seconds", str(seconds)]
        options: dict[str, Any] = {}
        if sys.platform == "win32":
            options["creationflags"] = subprocess.CREATE_NO_WINDOW
        # A file and no pipe: a child that prints many warnings would wait for a pipe that is read only at its end.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._said,
                text=True,
                encoding="utf-8",
                errors="replace",
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
                **options,
            )
        except OSError as error:
            self._said.close()
            raise disk_error(error, Path(sys.executable)) from error
        self._cancelled = False

    def follow(self, told: Callable[[float], None] = lambda share: None) -> Speed | None:
        """Wait for the end and keep the result. May be called from any thread.

        Parameters
        ----------
        told : callable
            Given the share that is done, in [0, 1].

        Returns
        -------
        Speed or None
            None where it was cancelled.

        Raises
        ------
        NucleiError
            torch cannot be loaded, the device is not there, or the result cannot be kept.
        """
        answer: dict[str, Any] = {}
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                content = parse_json(line)
            except JsonTextError:
                # A library printed something.
                continue
            if isinstance(content, dict):
                answer.update(content)
                told(float(answer.get("share", 0.0)))
        self._process.wait()
        self._process.stdout.close()
        said = self._last_words()
        if self._cancelled:
            return None
        if "speed" not in answer:
            raise _failure(answer, said)
        speed = Speed.model_validate(answer["speed"])
        save_speed(speed, self._device)
        return speed

    def _last_words(self) -> str:
        """The end of what the child printed beside its answer."""
        with self._said as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_BYTES))
            return file.read().decode("utf-8", errors="replace")

    def cancel(self) -> None:
        """End it now."""
        self._cancelled = True
        self._process.kill()


def _failure(answer: dict[str, Any], said: str) -> NucleiError:
    if answer.get("message"):
        return NucleiError(str(answer["message"]), str(answer.get("hint", "")))
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "it ended without a word")
    return NucleiError(
        f"The speed test could not run: {last}",
        "PyTorch (torch), which does the learning, may be missing or damaged: install it again (see the install page).",
    )
