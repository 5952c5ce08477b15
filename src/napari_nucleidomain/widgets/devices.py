"""What a training or prediction may run on, told without importing torch (which costs the viewer seconds)."""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path


def has_nvidia() -> bool:
    """Whether an NVIDIA driver is installed. The run itself checks whether torch can use it."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def has_apple_gpu() -> bool:
    """Whether this is a Mac with Apple's own processor."""
    return sys.platform == "darwin" and platform.machine() == "arm64"


def devices() -> list[tuple[str, str]]:
    """(name for the job, words for the person), the usual choice first. Lists only what fits this computer."""
    found = []
    if has_nvidia():
        found.append(("cuda", "graphics card (NVIDIA)"))
    if has_apple_gpu():
        found.append(("mps", "graphics processor (Apple)"))
    best = found[0][1] if found else "processor (CPU)"
    return (
        [("auto", f"automatic: {best}"), *found, ("cpu", "processor (CPU)")] if found else [("cpu", "processor (CPU)")]
    )
