"""`nucleidomain predict`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from napari_nucleidomain.contracts import NucleiError, find_method, load_card
from napari_nucleidomain.data.plainfolder import is_text
from napari_nucleidomain.data.readers import is_zarr, plain_name
from napari_nucleidomain.runs.devices import refuse_if_in_use
from napari_nucleidomain.runs.execute import ExitCode
from napari_nucleidomain.runs.job import CLASSICAL, ImageRef, PredictJob
from napari_nucleidomain.runs.predict import label_files, refuse_over_images
from napari_nucleidomain.runs.result_names import result_name
from napari_nucleidomain.runs.store import Project

from .left_out import left_out_lines
from .ranges import check_range, check_sizes
from .running import drop_if_nothing_done, run_here, when_busy
from .say import one_line
from .train import parse_settings


def command(arguments: argparse.Namespace) -> int:
    """Collect the images, make the run folder, predict, say what was found."""
    if arguments.threads is not None and arguments.threads < 1:
        raise NucleiError(f"--threads must be more than 0, not {arguments.threads}.", "")
    for name in ("plane", "time", "series"):
        if (getattr(arguments, name) or 0) < 0:
            raise NucleiError(f"--{name} counts from 0, not {getattr(arguments, name)}.", "")
    sizes = check_sizes(arguments.pixel_size)
    check_range("--diameter", arguments.diameter, "pixels")
    model = CLASSICAL if arguments.model == CLASSICAL else str(find_model(arguments.model, arguments.project))
    settings = _settings(arguments.settings, model)
    problems: list[tuple[str, str]] = []
    files = collect(arguments.images, problems)
    understanding: dict[str, Any] = {}
    if arguments.channels:
        understanding["channels"] = _numbers(arguments.channels)
    for name in ("axes", "series"):
        if getattr(arguments, name) is not None:
            understanding[name] = getattr(arguments, name)
    if sizes:
        # The image itself must know it: a method tells by it how far planes are apart.
        understanding["pixel_size_um"] = sizes[0] if len(sizes) == 1 else list(sizes)
    job = PredictJob(
        model=model,
        images=[ImageRef(path=str(file.absolute()), understanding=understanding or None) for file in files],
        pixel_size_um=sizes[-1] if sizes else None,
        diameter_px=arguments.diameter,
        plane=arguments.plane,
        time=arguments.time,
        out=str(arguments.out.absolute()),
        format=arguments.format,
        device=arguments.device,
        threads=arguments.threads,
        name=Path(model).name,
        settings=settings,
    )
    _check_place(job)
    busy = when_busy(arguments)
    refuse_if_in_use(job, busy)
    run = Project.open(arguments.project).new_run(job)

    def tell() -> None:
        _tell(run.summary().get("images", []), job)

    code = run_here(run, started=arguments.started, quiet=arguments.quiet, busy=busy, tell=tell)
    for line in left_out_lines(problems):
        print(line, file=sys.stderr)
    summary = run.summary()
    drop_if_nothing_done(run, code)
    if code == ExitCode.STOPPED:
        print(f"stopped: nucleidomain run {run.path} goes on where it was", file=sys.stderr)
    return code if code != ExitCode.DONE or not (problems or summary.get("problems")) else ExitCode.SKIPPED


def _settings(pairs: list[str], model: str) -> dict[str, Any]:
    """What `--set` says, checked before anything is made.

    Raises
    ------
    NucleiError
        The model cannot be changed when it predicts, a name is unknown or a value out of range.
    """
    settings = parse_settings(pairs, "threshold_shift=-0.5")
    if settings and model != CLASSICAL:
        raise NucleiError(
            f"--set changes settings of `{CLASSICAL}`; those of a trained model were settled when it was trained.",
            "Leave --set out, or train again with other settings.",
        )
    if settings:
        try:
            find_method(CLASSICAL).config.build({}, settings)
        except NucleiError as error:
            raise NucleiError(
                error.message, "What each does: Reference > Settings > otsu in the documentation."
            ) from None
    return settings


def _tell(images: list[dict[str, Any]], job: PredictJob) -> None:
    """Say where the labels of each image are, and how the images were scaled: once where that is alike."""
    # The classical method reads sizes off each image; only who asked for a size must know that it did nothing.
    scaled = job.model != CLASSICAL or job.diameter_px is not None
    reasons = {entry["scale_reason"] for entry in images} if scaled else set()
    each = len(reasons) > 1 or len(images) == 1
    for entry in images:
        own = plain_name(Path(entry["image"]))
        clash = entry["name"] != result_name(own)
        why_other = "another image has the same name" if clash else "whose name not every system takes"
        of = f"  of {one_line(entry['image'])}, {why_other}" if entry["name"] != own else ""
        why = f"  ({one_line(entry['scale_reason'])})" if reasons and each else ""
        found = f"{entry['nuclei']} {'nucleus' if entry['nuclei'] == 1 else 'nuclei'}"
        print(f"{one_line(entry['labels'])}  {found}{why}{of}")
    if images and job.settings:
        print("with " + ", ".join(f"{name} = {value}" for name, value in job.settings.items()))
    if reasons and not each:
        print(f"scale of all {len(images)}: {one_line(reasons.pop())}")


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


def collect(paths: list[str], problems: list[tuple[str, str]] | None = None) -> list[Path]:
    """Files as given, and every visible file of a folder (an OME-Zarr folder is one image).

    Parameters
    ----------
    paths : list of str
    problems : list of (path, message), optional
        Takes files whose names cannot be written down; without it they are refused.

    Raises
    ------
    NucleiError
        A path is not there, or a folder is empty or cannot be looked into.
    """
    files: list[Path] = []
    for text in paths:
        if not text.strip():
            raise NucleiError("The path of an image is empty.", "Is a variable not set? The present folder is `.`")
        path = Path(text)
        try:
            if not path.exists():
                raise NucleiError(f"{path} is not there.", "Check the path.")
            inside = _inside(path) if path.is_dir() and not _is_zarr(path) else None
        except OSError as error:
            raise NucleiError(f"{path} cannot be opened: {error.strerror or error}.", "Check the path.") from error
        if inside is not None:
            if not inside:
                raise NucleiError(f"The folder {path} holds no files.", "Choose the folder of the images.")
            files += inside
        else:
            files.append(path)
    odd = [file for file in files if not is_text(str(file))]
    for file in odd:
        why = "its name holds bytes that are no text in any language. Rename it."
        if problems is None or len(odd) == len(files):
            raise NucleiError(f"{file.name!a} cannot be used: {why}", "")
        problems.append((ascii(str(file))[1:-1], why))
    return [file for file in files if is_text(str(file))]


def _inside(folder: Path) -> list[Path]:
    """Visible files of a folder; what the system refuses to tell of is taken for one, whose fault is then told."""
    found = []
    for item in sorted(folder.iterdir()):
        try:
            wanted = item.is_file() or _is_zarr(item)
        except OSError:
            wanted = True
        if wanted and not item.name.startswith("."):
            found.append(item)
    return found


def _is_zarr(path: Path) -> bool:
    return path.is_dir() and (is_zarr(path) or path.suffix.lower() == ".zarr")


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise NucleiError(
            f"--channels takes numbers counted from 0, not {text!r}.", "For example: --channels 0,2"
        ) from None
