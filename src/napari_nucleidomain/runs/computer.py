"""What this computer is, asked without torch: processor, memory, graphics cards, disks."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ASK_SECONDS = 10.0
_NETWORK = {"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afpfs", "fuse.sshfs", "lustre", "gpfs", "beegfs"}
# Folders of programs that copy files away while they are written.
_SYNCED = ("onedrive", "dropbox", "google drive", "googledrive", "icloud", "mobile documents", "nextcloud", "seafile")


@dataclass(frozen=True)
class GraphicsCard:
    """A graphics card that its driver knows; torch may still not be able to use it."""

    name: str
    memory: int
    driver: str


@dataclass(frozen=True)
class Memory:
    """Bytes of main memory."""

    total: int
    free: int


def processor() -> tuple[str, int, int]:
    """The processor's name, its cores, and how many of them this process may use."""
    import psutil

    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    process = psutil.Process()
    # Absent on a Mac.
    allowed = len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else os.cpu_count() or cores
    return _processor_name(), cores, allowed


def _processor_name() -> str:
    try:
        if sys.platform.startswith("linux"):
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
        if sys.platform == "darwin":
            return _ask("sysctl", "-n", "machdep.cpu.brand_string")
        if sys.platform == "win32":
            import winreg

            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
                return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    except OSError:
        # The plain name is the next best.
        return platform.processor() or platform.machine()
    return platform.processor() or platform.machine()


def memory() -> Memory:
    """Main memory."""
    import psutil

    found = psutil.virtual_memory()
    return Memory(int(found.total), int(found.available))


def graphics_cards() -> list[GraphicsCard]:
    """NVIDIA cards, as their driver lists them; empty where there is no driver."""
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        lines = _ask("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits")
    except OSError:
        return []
    cards = []
    for line in lines.splitlines():
        name, size, driver = ([part.strip() for part in line.split(",")] + ["", ""])[:3]
        if size.isdigit():
            cards.append(GraphicsCard(name, int(size) * 2**20, driver))
    return cards


def card_count() -> int:
    """How many NVIDIA cards a program may use here, quickly; on Windows the driver must be asked."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return len([one for one in allowed.split(",") if one.strip() and one.strip() != "-1"])
    listed = Path("/proc/driver/nvidia/gpus")
    if listed.is_dir():
        return sum(1 for _ in listed.iterdir())
    return len(graphics_cards())


def has_nvidia() -> bool:
    """Whether an NVIDIA driver is installed."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def has_apple_gpu() -> bool:
    """Whether this is a Mac with Apple's own processor, whose graphics part torch can use."""
    return sys.platform == "darwin" and platform.machine() == "arm64"


def network_folder(path: Path) -> bool:
    """Whether a folder lies on a disk of another computer, as far as the system says."""
    import psutil

    text = str(path.absolute())
    if text.startswith("\\\\"):
        return True
    try:
        disks = psutil.disk_partitions(all=True)
    except OSError:
        return False
    on = max(
        (one for one in disks if _lies_in(text, one.mountpoint)), key=lambda one: len(one.mountpoint), default=None
    )
    return on is not None and (on.fstype.lower() in _NETWORK or "remote" in on.opts.lower())


def _lies_in(path: str, mount: str) -> bool:
    mount = os.path.normcase(mount).rstrip("/\\")
    path = os.path.normcase(path)
    return path == mount or path.startswith((mount + "/", mount + "\\"))


def synced_by(path: Path) -> str:
    """The part of a path that a cloud service copies away; empty where none is known."""
    return next((part for part in path.absolute().parts if any(one in part.casefold() for one in _SYNCED)), "")


def free_bytes(path: Path) -> int | None:
    """Free bytes on the disk of a folder, which need not be there yet; None where the system does not say."""
    for one in (path.absolute(), *path.absolute().parents):
        try:
            return int(shutil.disk_usage(one).free)
        except OSError:
            continue
    return None


def _ask(*command: str) -> str:
    """What a program prints.

    Raises
    ------
    OSError
        It is not there, fails or hangs.
    """
    options: dict[str, Any] = {}
    if sys.platform == "win32":
        options["creationflags"] = subprocess.CREATE_NO_WINDOW
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_SECONDS, check=True, **options)
    except subprocess.SubprocessError as error:
        raise OSError(str(error)) from error
    return done.stdout.strip()
