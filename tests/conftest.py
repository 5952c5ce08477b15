"""What all tests share: no test touches a person's own folders, and real images where they lie beside the checkout."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_HOME = Path(tempfile.mkdtemp(prefix="nuclei-tests-"))

# Set before anything is imported, so that child processes have them too. platformdirs reads the first set on Linux and
# macOS and the second on Windows. An empty torch folder: no test may lean on weights that happen to be cached.
os.environ.update(
    {
        **{f"XDG_{name}_DIR": str(_HOME / name.lower()) for name in ("DOCUMENTS", "DOWNLOAD", "PICTURES")},
        **{f"XDG_{name}_HOME": str(_HOME / name.lower()) for name in ("CONFIG", "DATA", "STATE", "CACHE")},
        **{f"WIN_PD_OVERRIDE_{name}": str(_HOME / name.lower()) for name in ("PERSONAL", "APPDATA", "LOCAL_APPDATA")},
        "TORCH_HOME": str(_HOME / "torch"),
    }
)


def pytest_sessionfinish() -> None:
    """Leave nothing behind."""
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def root() -> Path:
    """Folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real images kept beside the checkout; the test is skipped where there is none."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no shared/data beside the checkout")
    return folder
