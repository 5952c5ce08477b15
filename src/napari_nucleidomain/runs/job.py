"""What a run is asked to do: the content of `run.json`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from napari_nucleidomain.contracts import NucleiError, SynthesisWish
from napari_nucleidomain.contracts.files import LISTS, check_version, read_json, write_json
from napari_nucleidomain.contracts.paths import wrong_name

from .places import project_id, project_of, to_real, to_stored

JOB_FILE = "run.json"
CLASSICAL = "otsu"
SCHEMA = 1


def pixel_sizes(said_um: float | None, known: Sequence[float] | None, ndim: int) -> tuple[float, ...] | None:
    """Pixel size per axis of a result: what was said for rows and columns, else what the image knows.

    Planes of a volume keep the distance that the image knows; where it knows none, voxels are cubes.
    """
    if not said_um:
        return tuple(float(size) for size in known[-ndim:]) if known else None
    depth = float(known[-3]) if known and len(known) > 2 else float(said_um)
    return (depth, float(said_um), float(said_um))[-ndim:]


class ImageRef(BaseModel):
    """An image by path, with what the user corrected about it."""

    model_config = ConfigDict(extra="ignore")
    path: str
    name: str = Field("", description="Plain name of its result files; the image's own when empty.")
    understanding: dict[str, Any] | None = None

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        # It becomes part of paths under which results are written and working files removed.
        if name and (wrong := wrong_name(name)):
            raise ValueError(f"{name[:40]!a} cannot be the name of a result, because {wrong}")
        return name


class _Job(BaseModel):
    model_config = ConfigDict(extra="ignore")
    schema_version: int = SCHEMA
    name: str = Field("", description="Shown to the user; also the name of the model a training makes.")
    program: str = Field("", description="Version of this program that wrote the job.")
    created: str = ""
    device: str = Field("auto", description='"auto", "cpu", "cuda", "cuda:1", "mps"; to train also "cuda:0,cuda:1".')
    threads: int | None = Field(None, description="CPU threads; None lets the program choose.")
    seed: int = 0
    written_in: str | None = Field(None, description="The run folder when the job was written; see `runs.places`.")
    project: str | None = Field(None, description="Id of the project it was written in; see `runs.foreign`.")
    allowed_in: str | None = Field(
        None, description="The run folder when a person allowed it to write elsewhere; see `runs.foreign`."
    )
    background: bool = Field(False, description="Started by the viewer: run at low priority beside it.")


class TrainJob(_Job):
    """Train one model."""

    kind: Literal["train"] = "train"
    method: str
    preset: str = ""
    config: dict[str, Any] = Field(default_factory=dict, description="Settings that differ from the preset.")
    data: str = Field(description="Dataset file or folder.")
    minutes: float | None = None
    steps: int | None = None
    parent: str | None = Field(None, description="Folder of the model to continue from.")
    pixel_size_um: list[float] | None = Field(
        None, description="Pixel size of the images in µm, where the files are silent: one number, or z, y, x."
    )
    publish: str | None = Field(None, description="Folder the model is copied to when finished or stopped.")
    pack: str | None = Field(None, description="The same as one file, NAME.nucleidomain, to be copied and imported.")


class PredictJob(_Job):
    """Segment images with one model."""

    kind: Literal["predict"] = "predict"
    model: str = Field(description='Folder of the model, or "otsu".')
    images: list[ImageRef]
    box: list[list[int]] | None = Field(None, description="[[start, stop], ...] in pixels at full resolution.")
    region: str | None = Field(None, description="GeoJSON file; only nuclei whose centre lies inside are kept.")
    pixel_size_um: float | None = Field(None, description="Pixel size of the images, where the files are silent.")
    diameter_px: float | None = Field(
        None, description="Median nucleus diameter in the images, instead of a pixel size."
    )
    plane: int | None = Field(None, description="z plane to segment with a 2D model.")
    time: int | None = Field(None, description="Moment of a film, counted from 0.")
    out: str | None = Field(None, description="Folder for the labels; None keeps them in the run folder.")
    format: str = "tif"
    large_px: int = Field(1 << 26, description="Labels of more pixels than this never lie in memory as a whole.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Thresholds the segmenter can change.")


class SynthesizeJob(_Job):
    """Make labelled images with one model."""

    kind: Literal["synthesize"] = "synthesize"
    model: str = Field(description="Folder of the model.")
    out: str = Field(description="Folder of the dataset that is made.")
    count: int = Field(description="Images that it holds in the end.")
    wish: SynthesisWish = SynthesisWish()


Job = Annotated[TrainJob | PredictJob | SynthesizeJob, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[Job] = TypeAdapter(Job)


def save_job(job: Job, folder: Path) -> Path:
    """Write `run.json`; paths inside the project relative to the run folder, so that the project can be moved."""
    job = _with_paths(job, lambda path: to_stored(path, folder))
    home = project_of(folder)
    job = job.model_copy(update={"written_in": str(folder.absolute()), "project": project_id(home) if home else None})
    return write_json(folder / JOB_FILE, job.model_dump(mode="json"))


def change_job(folder: Path, **changes: Any) -> None:
    """Change a run that nobody executes, such as its device; all else stays as it was written.

    Raises
    ------
    NucleiError
        The folder holds no run, or cannot be written to.
    """
    load_job(folder)
    write_json(folder / JOB_FILE, {**read_json(folder / JOB_FILE, LISTS), **changes})


def _with_paths(job: Job, change: Callable[[str], str]) -> Job:
    """A copy with every path changed."""
    if isinstance(job, TrainJob):
        names: tuple[str, ...] = ("data", "parent", "publish", "pack")
    elif isinstance(job, SynthesizeJob):
        names = ("model", "out")
    else:
        names = ("region", "out") if job.model == CLASSICAL else ("model", "region", "out")
    changes: dict[str, Any] = {name: change(getattr(job, name)) for name in names if getattr(job, name)}
    if isinstance(job, PredictJob):
        changes["images"] = [ref.model_copy(update={"path": change(ref.path)}) for ref in job.images]
    return job.model_copy(update=changes)


def load_job(folder: Path) -> Job:
    """Read `run.json`; its paths are those of where the folder is now.

    Raises
    ------
    NucleiError
        The folder holds no run, a half-written one, or one of a later version.
    """
    path = Path(folder) / JOB_FILE
    if not path.exists():
        raise NucleiError(
            f"{folder} is not a run folder: it has no {JOB_FILE}.", "Choose a folder that `train` or `predict` made."
        )
    content = read_json(path, LISTS)
    check_version(content, SCHEMA, f"The run {path.parent.name}", "Start the training or prediction anew.")
    try:
        job = _ADAPTER.validate_python(content)
    except ValidationError as error:
        raise NucleiError(f"{path} is damaged: {_why(error)}.", "Start the training or prediction anew.") from error
    return _with_paths(job, lambda text: to_real(text, Path(folder), job.written_in))


def _why(error: ValidationError) -> str:
    """The first thing that is wrong, and where."""
    first = error.errors()[0]
    where = " > ".join(str(part) for part in first["loc"])
    said = str(first["ctx"]["error"]) if first["type"] == "value_error" else first["msg"]
    return f"{where}: {said}" if where else said
