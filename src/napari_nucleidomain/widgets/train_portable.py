"""*Write job folder for a cluster*: asks where much is to be copied, copies in a thread, says what to do with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_nucleidomain.contracts import NucleiError

from .background import in_background
from .train_start import make_job
from .wording import file_size

if TYPE_CHECKING:
    from .inline import Inline
    from .train_choices import Planned
    from .train_dock import TrainDock

LARGE = 500_000_000


class PortableJob(QObject):
    """Writes a training as a folder that holds all it needs.

    Parameters
    ----------
    dock : TrainDock
    message : Inline
        Where it speaks.
    """

    def __init__(self, dock: TrainDock, message: Inline) -> None:
        super().__init__(dock)
        self._session, self._message = dock.session, message

    def ask(self, planned: Planned, folder: Path) -> None:
        """Save the clicks, look how much is to be copied, and copy it; ask before where it is much."""
        from napari_nucleidomain.runs.portable import portable_size

        try:
            job = make_job(self._session.project, planned, self._session.training_data(planned.method.needs))
        except NucleiError as error:
            self._message.say_error(error)
            return
        in_background(
            self, lambda: portable_size(job), lambda size: self._found(job, folder, size), self._message.say_error
        )

    def _found(self, job: Any, folder: Path, size: int) -> None:
        if size < LARGE:
            self._write(job, folder, size)
            return
        self._message.say(
            "warning",
            f"The images are {file_size(size)}; all of it is copied into {folder}.",
            "A job folder holds everything, so that it runs where your disks are not.",
            Copy_all=lambda: self._write(job, folder, size),
            Leave_it=self._message.clear,
        )

    def _write(self, job: Any, folder: Path, size: int) -> None:
        from napari_nucleidomain.runs.portable import write_portable

        self._message.say("info", f"Copying {file_size(size)} …")
        in_background(self, lambda: write_portable(job, folder), self._written, self._message.say_error)

    def _written(self, run: Any) -> None:
        self._message.say(
            "ok",
            f"Written, {run.name}. Copy the folder to the cluster; there, within it: sbatch job.sh "
            "(or, without SLURM: nucleidomain run .)",
            f"When it is done, copy {Path(run.job.pack).name} out of it and choose Predict > Import.",
        )
