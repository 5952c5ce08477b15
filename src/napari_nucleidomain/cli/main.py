"""The parser and the way from arguments to exit status."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from napari_nucleidomain import __version__
from napari_nucleidomain.contracts import NucleiError, methods
from napari_nucleidomain.contracts.files import impossible_name
from napari_nucleidomain.runs.execute import ExitCode

from .ranges import sides, span
from .say import shown_streams

EXIT_CODES = """exit status:
  0  done; also where an image is blank or holds no nuclei, which is said
  1  a fault of this program (please report it, with the log)
  2  something you can mend: the message says what
  3  done, but some files were left out: each is reported
  4  stopped on request; what was finished is kept
  75 the system ended it (SIGTERM: walltime, shutdown); saved, run it again to go on
"""
DEFAULT_PROJECT = "nucleidomain-runs"


def build_parser() -> argparse.ArgumentParser:
    """The whole command line, for `main` and for the reference page."""
    parser = argparse.ArgumentParser(
        prog="nucleidomain",
        description="Segment nuclei: train on clicks, predict, evaluate. Same runs, models and files as the viewer.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _train(commands)
    _predict(commands)
    _evaluate(commands)
    _export(commands)
    _synthesize(commands)
    _folder_commands(commands)
    _check(commands)
    _demo(commands)
    return parser


def _path(text: str) -> Path:
    """A path; an empty one is a variable that is not set, and would mean the present folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the path is empty; the present folder is .")
    return Path(text)


def _sizes(text: str) -> tuple[float, ...]:
    """One number, or three for z, y, x."""
    try:
        sizes = tuple(float(part) for part in text.split(","))
    except ValueError:
        sizes = ()
    if len(sizes) not in (1, 3):
        raise argparse.ArgumentTypeError(
            f"it is one number in µm, or of volumes Z,Y,X as in 0.5,0.13,0.13; not {text!r}"
        )
    return sizes


def _add(commands: argparse._SubParsersAction, name: str, module: str, text: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.set_defaults(module=module)
    return made


def _pixel_size(parser: argparse._ActionsContainer, of: str = "") -> None:
    parser.add_argument(
        "--pixel-size",
        type=_sizes,
        metavar="µm",
        help=f"pixel size {of} in µm, where the files are silent; of volumes Z,Y,X".replace("  ", " "),
    )


def _device(parser: argparse.ArgumentParser, several: str = "") -> None:
    parser.add_argument("--device", default="auto", help=f"auto, cpu, cuda, cuda:N or mps{several} (default: auto)")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all)")
    _busy(parser)


def _busy(parser: argparse.ArgumentParser) -> None:
    busy = parser.add_mutually_exclusive_group()
    busy.add_argument(
        "--wait",
        action="store_true",
        help="where another job has the device, or the run itself, wait until it is free (default: refused on a "
        "graphics card; on the processor a warning is printed and it goes on)",
    )
    busy.add_argument("--share", action="store_true", help="where another job has the device, go on beside it")


def _train(commands: argparse._SubParsersAction) -> None:
    trainable = [name for name, spec in methods().items() if spec.trainable]
    parser = _add(
        commands, "train", "train", "Train a model on clicks (spn-ien), outlines (panoptic) or images alone (adgan)."
    )
    parser.add_argument("--method", default="spn-ien", help=f"one of: {', '.join(trainable)} (default: spn-ien)")
    parser.add_argument("--preset", help="named settings, e.g. quick, balanced, paper (default: the method's first)")
    parser.add_argument(
        "--data",
        required=True,
        metavar="DATASET",
        help="dataset file, or folder {train,val,test}/{images,labels,points}",
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="MODEL",
        type=_path,
        help="folder the model is written to when finished or stopped",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the model that is in --out already (default: refuse)"
    )
    parser.add_argument("--from", dest="parent", metavar="MODEL", type=_path, help="continue from this model")
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--minutes", type=float, metavar="M", help="stop after M minutes; schedules are scaled to them")
    limit.add_argument("--steps", type=int, metavar="N", help="stop after N optimiser steps in all; exactly repeatable")
    _pixel_size(parser, "of the training images")
    _device(parser, "; several graphics cards (panoptic): cuda:0,cuda:1")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (default: 0)")
    parser.add_argument(
        "--project",
        type=_path,
        default=Path(DEFAULT_PROJECT),
        metavar="DIR",
        help=f"where the run folder is made (default: ./{DEFAULT_PROJECT})",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="key=value",
        dest="settings",
        help="change one setting of the preset; may be given again",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _predict(commands: argparse._SubParsersAction) -> None:
    parser = _add(commands, "predict", "predict", "Find nuclei in images with a model.")
    parser.add_argument("model", metavar="MODEL", help="folder of a model, or otsu")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image files or folders of them")
    parser.add_argument(
        "--out", required=True, type=_path, metavar="DIR", help="folder for the labels, named after the images"
    )
    parser.add_argument(
        "--format",
        default="tif",
        choices=["tif", "ome-tif", "zarr", "geojson", "roi-zip", "png"],
        help="of the labels (default: tif)",
    )
    scale = parser.add_mutually_exclusive_group()
    _pixel_size(scale, "of the images")
    scale.add_argument("--diameter", type=float, metavar="px", help="typical nucleus diameter in the images in pixels")
    parser.add_argument("--channels", metavar="I,J", help="channels to use, counted from 0 (default: all)")
    parser.add_argument(
        "--plane", type=int, metavar="Z", help="plane of volumes and stacks, for a 2D model or otsu, counted from 0"
    )
    parser.add_argument("--time", type=int, metavar="T", help="moment of films, counted from 0 (default: 0)")
    parser.add_argument(
        "--axes",
        metavar="LETTERS",
        help="which axis of the files is which, slowest first, out of T, Z, Y, X, C: ZYX, YXC (default: as the files "
        "say, else by their lengths)",
    )
    parser.add_argument(
        "--series", type=int, metavar="N", help="which image of files that hold several, counted from 0"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="key=value",
        dest="settings",
        help="change a setting of otsu, e.g. threshold_shift=-0.5 to find fainter nuclei too; may be given again",
    )
    _device(parser)
    parser.add_argument(
        "--project",
        type=_path,
        default=Path(DEFAULT_PROJECT),
        metavar="DIR",
        help=f"where the run folder is made (default: ./{DEFAULT_PROJECT})",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _evaluate(commands: argparse._SubParsersAction) -> None:
    parser = _add(
        commands, "evaluate", "evaluate", "Score predicted labels against reference labels or against clicks."
    )
    parser.add_argument("predictions", type=_path, metavar="PREDICTIONS", help="a label file, or a folder of them")
    parser.add_argument(
        "truth",
        type=_path,
        metavar="LABELS_OR_POINTS",
        help="a label file, points (CSV, GeoJSON, ROI zip), or a folder of them, paired by name",
    )
    _pixel_size(parser, "for distances")
    parser.add_argument(
        "--json", type=_path, metavar="FILE", help="write all scores, per image with mean and standard deviation"
    )


def _export(commands: argparse._SubParsersAction) -> None:
    parser = _add(
        commands,
        "export",
        "export",
        "Convert outlines: GeoJSON for QuPath, ROI zip for Fiji, CSV measurements, OME-TIFF, OME-Zarr, PNG.",
    )
    parser.add_argument(
        "labels",
        type=_path,
        metavar="LABELS",
        help="a label image, cellpose _seg.npy, black-and-white mask, GeoJSON or ROI zip (the last two with --image)",
    )
    parser.add_argument(
        "--out",
        required=True,
        type=_path,
        metavar="FILE",
        help="by its ending: .geojson .zip (Fiji) .csv .tif .ome.tif .ome.zarr .png",
    )
    parser.add_argument(
        "--image", type=_path, metavar="I", help="the image, for intensities (CSV), pixel size and slide offset"
    )
    parser.add_argument(
        "--qupath-origin",
        metavar="X,Y",
        help="first pixel that QuPath shows (openslide.bounds-x,openslide.bounds-y), where the labels are of a TIFF "
        "made from the whole slide; `slide`: as the image tells it (GeoJSON in or out)",
    )
    _pixel_size(parser)


def _synthesize(commands: argparse._SubParsersAction) -> None:
    parser = _add(commands, "synthesize", "synthesize", "Make labelled images with a model of the method adgan.")
    parser.add_argument("model", metavar="MODEL", help="folder of a model that was trained with adgan")
    parser.add_argument(
        "--out",
        required=True,
        type=_path,
        metavar="FOLDER",
        help="dataset that is made, train/images and train/labels; one begun before with the same settings is gone on "
        "with",
    )
    parser.add_argument("--count", required=True, type=int, metavar="N", help="images the folder holds in the end")
    parser.add_argument(
        "--size", type=sides, metavar="Y,X", help="of an image in pixels, of volumes Z,Y,X (default: 512,512)"
    )
    parser.add_argument(
        "--diameter",
        type=span(float),
        metavar="A-B",
        help="of nuclei in pixels, as in 20-30 (default: as in training)",
    )
    parser.add_argument(
        "--nuclei", type=span(int), metavar="A-B", help="in an image, as in 20-60 (default: as densely as in training)"
    )
    parser.add_argument(
        "--eccentricity",
        type=span(float),
        metavar="A-B",
        help="0 is a circle, near 1 a needle (default: as in training)",
    )
    parser.add_argument("--bits", type=int, choices=[8, 16], default=8, help="of the images (default: 8)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (default: 0)")
    _device(parser)
    parser.add_argument(
        "--project",
        type=_path,
        default=Path(DEFAULT_PROJECT),
        metavar="DIR",
        help=f"where the run folder is made (default: ./{DEFAULT_PROJECT})",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _folder_commands(commands: argparse._SubParsersAction) -> None:
    parser = _add(commands, "run", "folders", "Execute a run folder, or go on with an interrupted one.")
    parser.add_argument("folder", type=_path, metavar="FOLDER", help="a run folder")
    parser.add_argument("--progress", action="store_true", help="show a progress bar")
    parser.add_argument("--device", metavar="DEVICE", help="go on with it on another device, as for train or predict")
    parser.add_argument(
        "--write-outside",
        action="store_true",
        help="let a run that was made elsewhere write where it says, also outside its folder",
    )
    _busy(parser)
    parser = _add(commands, "worker", "folders", "Execute a project's predictions in turn, with the model kept loaded.")
    parser.add_argument("--project", type=_path, default=Path(DEFAULT_PROJECT), metavar="DIR", help="the project")
    parser.add_argument(
        "--idle", type=float, default=600.0, metavar="s", help="end after this many seconds without work (default: 600)"
    )
    told = {"models": "List models, or tell all that is known of one.", "runs": "List runs and what they are doing."}
    for name, text in told.items():
        parser = _add(commands, name, "folders", text)
        parser.add_argument("--project", type=_path, default=Path(DEFAULT_PROJECT), metavar="DIR", help="the project")
        parser.add_argument("--json", action="store_true", help="as JSON")
    commands.choices["models"].add_argument(
        "model", nargs="?", metavar="MODEL", help="tell of this model: a name in the project, or a folder"
    )
    parser = commands.choices["runs"]
    for request in ("stop", "pause", "resume"):
        parser.add_argument(f"--{request}", type=_path, metavar="FOLDER", help=f"ask a run to {request}")
    parser.add_argument(
        "--answer",
        nargs=2,
        metavar=("FOLDER", "ANSWER"),
        help="answer the question of a run: go_on, where it looks right (where it does not, use --stop)",
    )
    parser.add_argument(
        "--clean",
        action="store_true",
        help="say what the project takes of the disk and what of it can go: never models, clicks, corrections or the "
        "only copy of a result",
    )
    parser.add_argument("--yes", action="store_true", help="with --clean: remove it")
    parser.add_argument(
        "--copies", action="store_true", help="with --clean: results that were saved elsewhere, too (Review loses them)"
    )


def _check(commands: argparse._SubParsersAction) -> None:
    parser = _add(commands, "check", "check", "Look at this computer: what it has, what is amiss, how fast it trains.")
    parser.add_argument(
        "--project", type=_path, metavar="DIR", help="the project folder to look at (default: the viewer's usual one)"
    )
    parser.add_argument(
        "--device", default="auto", help="what to measure: auto, cpu, cuda, cuda:N or mps (default: auto)"
    )
    parser.add_argument("--no-speed", action="store_true", help="leave the speed test out")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="s", help="of the speed test (default: 5)")
    parser.add_argument("--json", action="store_true", help="as JSON, with the report to send")
    parser.add_argument("--speed-only", action="store_true", help="only measure, told as lines of JSON (for programs)")


def _demo(commands: argparse._SubParsersAction) -> None:
    parser = _add(
        commands, "demo", "demo", "Train on half of a sample image, segment it, score the other half, make a picture."
    )
    parser.add_argument(
        "--out",
        type=_path,
        default=Path("demo"),
        metavar="DIR",
        help="folder for labels, overlay and picture (default: ./demo)",
    )
    parser.add_argument("--minutes", type=float, default=1.5, metavar="M", help="training time (default: 1.5)")
    parser.add_argument("--no-viewer", action="store_true", help="skip the viewer and its picture")
    parser.add_argument("--stay", action="store_true", help="leave the viewer open afterwards")


def main(arguments: Sequence[str] | None = None, *, started: float | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Instead of those of the process.
    started : float, optional
        `time.monotonic()` at the start of the process.

    Returns
    -------
    int
        Exit status, see `EXIT_CODES`.
    """
    began = time.monotonic() if started is None else started
    # Threads that spin while they wait for one another stand still when anything else wants a core: beside a busy
    # program two threads were five times slower than one. Must be said before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        # Old Windows consoles cannot print µ or é; a question mark is better than a crash.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    parsed = build_parser().parse_args(arguments)
    parsed.started = began
    with shown_streams():
        return _execute(parsed)


def _execute(parsed: argparse.Namespace) -> int:
    """The command, with its faults in words."""
    try:
        import importlib

        module = importlib.import_module(f"napari_nucleidomain.cli.{parsed.module}")
        return int(module.command(parsed))
    except NucleiError as error:
        print(f"nucleidomain: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return ExitCode.USER
    except BrokenPipeError:
        return ExitCode.DONE
    except KeyboardInterrupt:
        print("nucleidomain: stopped.", file=sys.stderr)
        return ExitCode.STOPPED
    except BaseException as error:
        from napari_nucleidomain.contracts.memory import is_memory_full

        told = impossible_name(error) if isinstance(error, OSError) else None
        if told is None and is_memory_full(error):
            told = NucleiError(
                "This computer's memory is not enough for it.", "End other programs that use it, and try again."
            )
        if told is None:
            raise
        print(f"nucleidomain: {told.message}", file=sys.stderr)
        if told.hint:
            print(f"  {told.hint}", file=sys.stderr)
        return ExitCode.USER
