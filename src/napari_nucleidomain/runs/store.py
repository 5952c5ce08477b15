"""A project: the folder that holds a person's clicks, runs and models. The viewer and the command line share it."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from napari_nucleidomain import __version__
from napari_nucleidomain.contracts import ModelCard, NucleiError, WriteError, load_card
from napari_nucleidomain.contracts.card import CARD_FILE
from napari_nucleidomain.contracts.files import SMALL, check_version, disk_error, read_json, write_json
from napari_nucleidomain.contracts.paths import refuse_links
from napari_nucleidomain.inference.model_archive import pack_model, unpack_model
from napari_nucleidomain.inference.model_files import mend_models

from .folder import RunFolder
from .job import JOB_FILE, Job, TrainJob
from .places import PROJECT_FILE

SCHEMA = 1
# Where files are replaced by name. Runs and models always get new names, so those may be links to another disk.
_DATA = ("points", "regions", "labels", "images", "corrections")
_WRITTEN = ("data", *(f"data/{name}" for name in _DATA), "worker", "worker/queue", "worker/regions", "viewer")
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]+')


@dataclass(frozen=True)
class StoredModel:
    """A model in the store."""

    folder: Path
    card: ModelCard

    @property
    def name(self) -> str:
        """The folder's name: what the user calls it."""
        return self.folder.name


@dataclass
class ModelList:
    """The models found and, for those that could not be read, why."""

    models: list[StoredModel] = field(default_factory=list)
    problems: list[tuple[Path, str]] = field(default_factory=list)


def default_project_folder() -> Path:
    """Where a project is made when the user names no place: in the user's documents, easy to find again."""
    import platformdirs

    return Path(platformdirs.user_documents_dir()) / "Nuclei"


def file_name(text: str) -> str:
    """A name every file system takes."""
    name = _FORBIDDEN.sub("-", text).strip(" .-")[:80]
    return name or "unnamed"


class Project:
    """A folder with `data/`, `runs/` and `models/`; everything inside is named relative to it, so it can be moved.

    Parameters
    ----------
    path : Path
        The folder; see `open` to make one.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()

    @classmethod
    def open(cls, path: Path | str) -> Project:
        """Open a project, or make one.

        Raises
        ------
        NucleiError
            The folder cannot be made, belongs to a later version of this program, or holds a link where clicks and
            outlines are written: what it leads to could be overwritten.
        """
        project = cls(path)
        refuse_links(project.path, _WRITTEN, within=False)
        marker = project.path / PROJECT_FILE
        try:
            there = marker.exists()
        except OSError as error:
            raise disk_error(error, marker) from error
        if there:
            mend = f"Remove its file {PROJECT_FILE}: images, clicks, runs and models lie beside it and stay."
            content = read_json(marker, SMALL)
            check_version(content, SCHEMA, f"The project {project.path.name}", mend)
            if not content.get("id"):
                # Made by an earlier version. One that cannot be written to does without.
                with contextlib.suppress(WriteError):
                    write_json(marker, {**content, "id": uuid.uuid4().hex})
            return project
        content = {"schema_version": SCHEMA, "program": __version__, "created": _now(), "id": uuid.uuid4().hex}
        write_json(marker, content)
        return project

    @property
    def data(self) -> Path:
        """The training images: a dataset folder."""
        return self.path / "data"

    @property
    def models_folder(self) -> Path:
        """Where models are kept."""
        return self.path / "models"

    @property
    def runs_folder(self) -> Path:
        """Where trainings and predictions are kept."""
        return self.path / "runs"

    @property
    def worker_folder(self) -> Path:
        """Where predictions wait for the warm worker."""
        return self.path / "worker"

    def list_models(self) -> ModelList:
        """Every model, newest first; damaged ones as problems."""
        found = ModelList()
        with contextlib.suppress(OSError):
            # A folder that cannot be written to can be listed all the same.
            mend_models(self.models_folder)
        cards = sorted(self.models_folder.glob(f"*/{CARD_FILE}"), key=lambda card: -_changed(card))
        for path in cards:
            if path.parent.name.startswith("."):
                continue
            try:
                found.models.append(StoredModel(path.parent, load_card(path.parent)))
            except NucleiError as error:
                found.problems.append((path.parent, str(error)))
        return found

    def models(self) -> list[StoredModel]:
        """Every readable model, newest first."""
        return self.list_models().models

    def runs(self) -> list[RunFolder]:
        """Every run, newest first; folders without a job are left out."""
        jobs = sorted(self.runs_folder.glob(f"*/{JOB_FILE}"), key=lambda job: -_changed(job))
        # A dot in front: a run that is being deleted.
        return [RunFolder(job.parent) for job in jobs if not job.parent.name.startswith(".")]

    def new_run(self, job: Job) -> RunFolder:
        """Make a run folder for a job, named by date, kind and name."""
        job = job.model_copy(update={"program": __version__, "created": _now()})
        base = file_name(f"{time.strftime('%Y%m%d-%H%M%S')}-{job.kind}-{job.name or 'unnamed'}")
        for number in range(1, 1000):
            folder = self.runs_folder / (base if number == 1 else f"{base}-{number}")
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise disk_error(error, folder) from error
            try:
                return RunFolder.create(folder, job)
            except NucleiError:
                # Nobody can use a folder without a job.
                shutil.rmtree(folder, ignore_errors=True)
                raise
        raise NucleiError(f"There are too many runs named {base}.", "Choose another name.")

    def free_model_name(self, base: str) -> str:
        """`liver`, then `liver-2`, `liver-3`, ...: a name no model has and no training will take.

        `patient-12` becomes `patient-12-2`: only a number that this program appended is a version.
        """
        wish = file_name(base)
        taken = {folder.name for folder in self.models_folder.glob("*") if folder.is_dir()}
        taken |= {Path(run.job.publish).name for run in self._trainings() if run.job.publish}  # type: ignore[union-attr]
        # To Windows and Macs Liver and liver are one folder.
        taken = {one.casefold() for one in taken}
        name, (stem, number) = wish, _version(wish, taken)
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}"
        return name

    def _trainings(self) -> list[RunFolder]:
        found = []
        for run in self.runs():
            try:
                if isinstance(run.job, TrainJob):
                    found.append(run)
            except NucleiError:
                # A damaged run folder takes no name.
                continue
        return found

    def import_model(self, file: Path | str) -> StoredModel:
        """Bring a one-file model in.

        Raises
        ------
        NucleiError
            It is damaged, no model, or of a later version.
        """
        folder = unpack_model(file, self.models_folder / self.free_model_name(Path(file).stem))
        return StoredModel(folder, load_card(folder))

    def export_model(self, folder: Path | str, file: Path | str) -> Path:
        """Write a model as one file."""
        return pack_model(folder, file)


def _changed(path: Path) -> int:
    """When a file was last written, in ns; a link to nowhere is the oldest and is told of where it is read."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _version(name: str, taken: set[str]) -> tuple[str, int]:
    """Stem and number of a version; (name, 1) where the number is a person's.

    The program counts from the bare stem on without a gap; who numbers patients or slides hardly has that stem too.
    """
    match = re.fullmatch(r"(.+)-([2-9]|[1-9]\d+)", name)
    if match is None:
        return name, 1
    stem, number = match[1], int(match[2])
    before = (stem if k == 1 else f"{stem}-{k}" for k in range(1, number))
    return (stem, number) if all(one.casefold() in taken for one in before) else (name, 1)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
