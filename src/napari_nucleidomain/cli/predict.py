"""`nucleidomain predict`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from napari_nucleidomain.contracts import NucleiError, load_card
from napari_nucleidomain.data.readers import plain_name
from napari_nucleidomain.runs.devices import refuse_if_in_use
from napari_nucleidomain.runs.execute import ExitCode
from napari_nucleidomain.runs.job import CLASSICAL, ImageRef, PredictJob
from napari_nucleidomain.runs.predict import label_files, refuse_over_images
from napari_nucleidomain.runs.store import Project

from .running import drop_if_nothing_done, run_here, when_busy

# Beyond these no light microscope goes: pixels in µm, nuclei in pixels.
_LEAST, _MOST = 1e-4, 1e5


def command(arguments: argparse.Namespace) -> int:
    """Collect the images, make the run folder, predict, say what was found."""
    if arguments.threads is not None and arguments.threads < 1:
        raise NucleiError(f"--threads must be more than 0, not {arguments.threads}.", "")
    sizes: tuple[float, ...] = arguments.pixel_size or ()
    given = [("--pixel-size", size, "µm") for size in sizes]
    for name, value, unit in (*given, ("--diameter", arguments.diameter, "pixels")):
        if value is not None and not _LEAST <= value <= _MOST:
            raise NucleiError(f"{name} must be more than 0 and in {unit}, not {value:g}.", "")
    model = CLASSICAL if arguments.model == CLASSICAL else str(find_model(arguments.model, arguments.project))
    files = collect(arguments.images)
    understanding: dict[str, Any] = {}
    if arguments.channels:
        understanding["channels"] = _numbers(arguments.channels)
    if sizes:
        # The image itself must know it: a method tells by it how far planes are apart.
        understanding["pixel_size_um"] = sizes[0] if len(sizes) == 1 else list(sizes)
    job = PredictJob(
        model=model,
        images=[ImageRef(path=str(file.absolute()), understanding=understanding or None) for file in files],
        pixel_size_um=sizes[-1] if sizes else None,
        diameter_px=arguments.diameter,
        plane=arguments.plane,
        out=str(arguments.out.absolute()),
        format=arguments.format,
        device=arguments.device,
        threads=arguments.threads,
        name=Path(model).name,
    )
    _check_place(job)
    busy = when_busy(arguments)
    refuse_if_in_use(job, busy)
    run = Project.open(arguments.project).new_run(job)
    code = run_here(run, started=arguments.started, quiet=arguments.quiet, busy=busy)
    summary = run.summary()
    _tell(summary.get("images", []), job)
    drop_if_nothing_done(run, code)
    if code == ExitCode.STOPPED:
        print(f"stopped: nucleidomain run {run.path} goes on where it was", file=sys.stderr)
    return code if code != ExitCode.DONE or not summary.get("problems") else ExitCode.SKIPPED


def _tell(images: list[dict[str, Any]], job: PredictJob) -> None:
    """Say where the labels of each image are, and how the images were scaled: once where that is alike."""
    # The classical method reads sizes off each image; only who asked for a size must know that it did nothing.
    scaled = job.model != CLASSICAL or job.diameter_px is not None
    reasons = {entry["scale_reason"] for entry in images} if scaled else set()
    each = len(reasons) > 1 or len(images) == 1
    for entry in images:
        other = entry["name"] != plain_name(Path(entry["image"]))
        of = f"  of {entry['image']}, another image has the same name" if other else ""
        why = f"  ({entry['scale_reason']})" if reasons and each else ""
        print(f"{entry['labels']}  {entry['nuclei']} {'nucleus' if entry['nuclei'] == 1 else 'nuclei'}{why}{of}")
    if reasons and not each:
        print(f"scale of all {len(images)}: {reasons.pop()}")


def _check_place(job: PredictJob) -> None:
    """Refuse a place for the labels where something else is; who predicts again may replace labels, never images.

    Raises
    ------
    NucleiError
        `--out` is a file, or labels would replace a file that lies among the images.
    """
    assert job.out is not None
    out = Path(job.out)
    if out.exists() and not out.is_dir():
        raise NucleiError(f"--out {out} is a file.", "Give a folder for the labels.")
    files = label_files(job)
    refuse_over_images(files, job)
    if out.exists() and any(out.samefile(Path(ref.path).parent) for ref in job.images):
        for file in files:
            if file.exists():
                raise NucleiError(
                    f"{file} is there already and lies among the images; it may be one.",
                    "Choose another folder with --out.",
                )


def find_model(wish: str, project: Path | str) -> Path:
    """The model's folder: a path, or the name of one that the project holds.

    Raises
    ------
    NucleiError
        Neither is a model that can be read.
    """
    folder = Path(wish)
    named = Project(project).models_folder / wish
    if not folder.exists() and named.is_dir():
        folder = named
    if not folder.exists():
        raise NucleiError(
            f"There is no model {wish!r}: neither a folder of that name nor a model of the project {project}.",
            f"Those of a project are listed by: nucleidomain models --project {project}. "
            f"`{CLASSICAL}` works without a model.",
        )
    load_card(folder)
    return folder.absolute()


def collect(paths: list[str]) -> list[Path]:
    """Files as given, and every visible file of a folder (an OME-Zarr folder is one image).

    Raises
    ------
    NucleiError
        A path is not there, or a folder is empty.
    """
    files: list[Path] = []
    for text in paths:
        if not text.strip():
            raise NucleiError("The path of an image is empty.", "Is a variable not set? The present folder is `.`")
        path = Path(text)
        if not path.exists():
            raise NucleiError(f"{path} is not there.", "Check the path.")
        if path.is_dir() and not _is_zarr(path):
            inside = sorted(
                item for item in path.iterdir() if not item.name.startswith(".") and (item.is_file() or _is_zarr(item))
            )
            if not inside:
                raise NucleiError(f"The folder {path} holds no files.", "Choose the folder of the images.")
            files += inside
        else:
            files.append(path)
    return files


def _is_zarr(path: Path) -> bool:
    return path.is_dir() and any((path / name).exists() for name in (".zattrs", ".zgroup", "zarr.json"))


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise NucleiError(
            f"--channels takes numbers counted from 0, not {text!r}.", "For example: --channels 0,2"
        ) from None
