"""*Check my computer*: what is here, what is amiss and what to do about it, and what it means for a training."""

from __future__ import annotations

import getpass
import os
import platform
import re
import socket
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from napari_nucleidomain.contracts import MethodSpec, methods

from .computer import (
    free_bytes,
    graphics_cards,
    has_apple_gpu,
    memory,
    network_folder,
    processor,
    synced_by,
)
from .forecast import Forecast, forecast
from .places import PROJECT_FILE
from .speed import Speed
from .store import default_project_folder

Level = Literal["ok", "info", "warning", "error"]

_PACKAGES = ("napari-nucleidomain", "napari", "torch", "torchvision", "numpy", "zarr", "tifffile", "PyQt6", "PySide6")
_NEEDED = ("torch", "torchvision", "numpy", "zarr", "tifffile")
_GB = 10**9
_LITTLE_MEMORY = 6 * _GB
_LITTLE_DISK = 2 * _GB
_NO_DISK = 0.5 * _GB
_LONG_PATH = 150


@dataclass(frozen=True)
class Finding:
    """One line of the check.

    Attributes
    ----------
    subject : str
        "Processor", "Memory", ...
    level : {"ok", "info", "warning", "error"}
    text, hint : str
        What is so, and what to do about it; a warning or an error always has a hint.
    """

    subject: str
    level: Level
    text: str
    hint: str = ""


def look(project: Path | None = None) -> list[Finding]:
    """Look at everything that can be looked at without torch. Takes a second; not for an event loop.

    Parameters
    ----------
    project : Path, optional
        The project folder, there or not; the usual place when absent.
    """
    folder = (project or default_project_folder()).absolute()
    temporary = Path(tempfile.gettempdir())
    return [
        _system(),
        _processor(),
        _memory(),
        _graphics(),
        _disk("Project's disk", folder, "choose a project folder on another disk, or clean up: Images > Disk use"),
        _disk("Temporary files", temporary, "empty the system's folder for temporary files"),
        _permission(folder),
        *_place(folder),
        *_versions(),
    ]


def _system() -> Finding:
    bits = "" if sys.maxsize > 2**32 else ", 32 bit"
    text = f"{platform.system()} {platform.release()}, {platform.machine()}; Python {platform.python_version()}{bits}"
    if bits:
        return Finding("System", "error", text, "Install a 64-bit Python; there is no PyTorch for this one.")
    return Finding("System", "ok", text)


def _processor() -> Finding:
    name, cores, allowed = processor()
    limited = f"; this program may use {allowed}" if allowed < cores else ""
    return Finding("Processor", "ok", f"{name}, {cores} cores{limited}")


def _memory() -> Finding:
    found = memory()
    text = f"{found.total / _GB:.0f} GB, {found.free / _GB:.1f} GB free"
    if found.free < 2 * _GB:
        return Finding("Memory", "warning", text, "Close other programs, browsers first, before you train.")
    if found.total < _LITTLE_MEMORY:
        return Finding("Memory", "warning", text, "Enough for a quick look at small images; 8 GB are comfortable.")
    return Finding("Memory", "ok", text)


def _graphics() -> Finding:
    cards = graphics_cards()
    if cards:
        names = "; ".join(f"{one.name}, {one.memory / 2**30:.0f} GB, driver {one.driver}" for one in cards)
        return Finding("Graphics card", "ok", names)
    if has_apple_gpu():
        return Finding("Graphics card", "ok", "Apple graphics chip (MPS), shares the main memory")
    return Finding("Graphics card", "info", "none that can be used was found: the processor does the work")


def _disk(subject: str, folder: Path, mend: str) -> Finding:
    free = free_bytes(folder)
    if free is None:
        return Finding(subject, "warning", "the system does not say how much is free", "Is the disk connected?")
    text = f"{free / _GB:.1f} GB free"
    if free < _NO_DISK:
        return Finding(subject, "error", text, f"Nothing can be trained here: {mend}.")
    if free < _LITTLE_DISK:
        return Finding(subject, "warning", text, f"Enough for a few trainings and small images; {mend}.")
    return Finding(subject, "ok", text)


def _permission(folder: Path) -> Finding:
    there = folder if (folder / PROJECT_FILE).exists() or folder.exists() else _nearest(folder)
    reason = _cannot_write(there)
    if reason:
        return Finding(
            "Project folder",
            "error",
            f"{folder} cannot be written to: {reason}",
            "Choose another one in any dock, with the project's name at the top, or ask whoever owns it.",
        )
    return Finding("Project folder", "ok", f"{folder}, can be written to")


def _nearest(folder: Path) -> Path:
    """The closest folder above that is there: where a new one would be made."""
    return next((one for one in folder.parents if one.exists()), folder)


def _cannot_write(folder: Path) -> str:
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe-") as probe:
            probe.write(b"x")
            probe.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _place(folder: Path) -> list[Finding]:
    """What may go wrong where the project lies."""
    found = []
    if synced_by(folder):
        found.append(
            Finding(
                "Project's place",
                "warning",
                f"{synced_by(folder)} copies it away while it is written",
                "It works, but slowly, and files may be held; a folder that is not synchronised is better.",
            )
        )
    elif network_folder(folder):
        found.append(
            Finding(
                "Project's place",
                "info",
                "on a disk of another computer",
                "It works; a project on this computer's own disk is quicker.",
            )
        )
    if sys.platform == "win32" and len(str(folder)) > _LONG_PATH:
        found.append(
            Finding(
                "Project's place",
                "warning",
                f"its path has {len(str(folder))} characters; Windows takes 260 in all",
                "Choose a folder with a shorter path, C:\\Nuclei say.",
            )
        )
    return found


def _versions() -> list[Finding]:
    have = {name: found for name in _PACKAGES if (found := _version(name))}
    lines = ", ".join(f"{name} {found}" for name, found in have.items())
    missing = [name for name in _NEEDED if name not in have]
    if missing:
        return [
            Finding(
                "Packages",
                "error",
                f"{lines}; missing: {', '.join(missing)}",
                f"In the environment that napari runs in: pip install {' '.join(missing)}",
            )
        ]
    return [Finding("Packages", "ok", lines)]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def speed_finding(speed: Speed | None) -> Finding:
    """The line of the speed test; None for one that was cancelled."""
    if speed is None:
        return Finding("Speed test", "info", "cancelled")
    small = speed.steps.get("small")
    if not small:
        return Finding(
            "Speed test",
            "warning",
            f"on {speed.words}: its memory does not hold even the small networks",
            "Close other programs that use the card, or choose the processor (CPU) in Train.",
        )
    rate = f"{1 / small:.1f} training steps a second on {speed.words}"
    built = f"; torch {speed.torch} (build: {speed.build}) loads in {speed.import_seconds:.0f} s"
    if speed.device == "cpu" and graphics_cards():
        return Finding(
            "Speed test",
            "warning",
            rate + built,
            "There is a graphics card, and this torch cannot use it: see the documentation, A graphics card's build.",
        )
    return Finding("Speed test", "ok", rate + built)


def meaning(speed: Speed | None) -> list[str]:
    """What the speed means for a training, in plain sentences."""
    if speed is None or not speed.steps:
        return ["How long a training takes here is not known: the speed test was not done."]
    found = []
    for spec in methods().values():
        if spec.trainable and spec.forecast:
            found += [line for name in spec.presets if (line := _preset_sentence(spec, name, speed))]
    if speed.device == "cpu":
        found.append(
            "The processor does the work: that is fine for a quick look and for the better setting, and for finding "
            "nuclei in images. For the settings of the papers use a computer with a graphics card, or a cluster "
            "(Train > Advanced > Write job folder)."
        )
    else:
        found.append("The graphics card does the work; every setting can be used here.")
    return found


def _preset_sentence(spec: MethodSpec, name: str, speed: Speed) -> str:
    preset = spec.presets[name]
    made = forecast(spec, name, {}, speed)
    if made.seconds is None:
        return ""
    text = f"{preset.title}: about {spoken(made.seconds)} of training here."
    if made.short:
        text += f" That is short for this computer; {spoken(made.full_seconds or 0.0)} would teach it all it can learn."
    return text + _volumes_sentence(spec, name, speed, made)


def _volumes_sentence(spec: MethodSpec, name: str, speed: Speed, flat: Forecast) -> str:
    """What is to be added for volumes; nothing where they cannot be learned or take as long."""
    if 3 not in spec.ndims:
        return ""
    made = forecast(spec, name, {}, speed, ndim=3)
    if made.short:
        return f" Of volumes it learns all it can in {spoken(made.full_seconds or 0.0)}."
    if made.seconds is None or flat.seconds is None or spoken(made.seconds) == spoken(flat.seconds):
        return ""
    return f" Volumes: about {spoken(made.seconds)}."


def spoken(seconds: float) -> str:
    """A length of time as said: "2 minutes", "1 hour", "14 hours", "3 days"."""
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 1.5 * size or (seconds >= 0.95 * size and unit != "day"):
            number = round(seconds / size)
            return f"{number} {unit}" + ("s" if number != 1 else "")
    return f"{max(1, round(seconds))} seconds"


def report(found: Iterable[Finding], sentences: Iterable[str]) -> str:
    """What [Copy report] puts on the clipboard: everything shown, without the names of person and computer."""
    lines = [f"napari-nucleidomain, check of {time.strftime('%Y-%m-%d %H:%M')}", ""]
    for one in found:
        lines.append(f"[{one.level}] {one.subject}: {one.text}")
        if one.hint:
            lines.append(f"    {one.hint}")
    return anonymous("\n".join([*lines, "", *sentences]).strip() + "\n")


def anonymous(text: str) -> str:
    """A text without the names of the user, their home folder and the computer."""
    home = str(Path.home())
    if len(home) > 3:
        text = text.replace(home, "~")
    names = {socket.gethostname(): "COMPUTER", socket.gethostname().partition(".")[0]: "COMPUTER"}
    try:
        names[getpass.getuser()] = "USER"
    except (OSError, KeyError, ImportError):
        # Nobody: a container whose user has no name.
        names.pop("", None)
    names[os.path.basename(home)] = "USER"
    for name, instead in names.items():
        # As a word of its own, and none so short or common that it stands in other words for something else.
        if len(name) > 2 and name.casefold() not in ("root", "user", "home", "users", "localhost"):
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", instead, text, flags=re.IGNORECASE)
    return text
