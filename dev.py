#!/usr/bin/env python3
"""Everything a checkout needs, with nothing but Python: `python3 dev.py demo`, `python3 dev.py test`.

Standard library only, because it runs before anything is installed. The first call builds `.venv` (and, on Debian
or Ubuntu as root, installs the system libraries Qt needs); later calls start at once.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "dev-stamp.txt"
REQUIREMENT_FILES = ("setup.cfg", "pyproject.toml", "constraints.txt")
OLDEST_PYTHON = (3, 11)

# What Qt's xcb plugin and Mesa load at run time on a bare Debian or Ubuntu.
QT_LIBRARIES = (
    "libegl1",
    "libgl1",
    "libfontconfig1",
    "libglib2.0-0",
    "libdbus-1-3",
    "libxkbcommon-x11-0",
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-keysyms1",
    "libxcb-shape0",
)
VIRTUAL_SCREEN = ("xvfb", "xauth")
SCREEN_SIZE = "1440x900x24"
VIRTUAL_SCREEN_VARIABLE = "NUCLEIDOMAIN_VIRTUAL_SCREEN"


class DevError(Exception):
    """Something to say on one line and end with."""


# --- system libraries -------------------------------------------------------------------------------------------


def has_display(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Whether windows can be shown; Windows and macOS always can."""
    if not platform.startswith("linux"):
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def parse_installed(listing: str) -> set[str]:
    """Names of installed packages, and the names they provide, from `dpkg-query` lines of status, name, provides."""
    names: set[str] = set()
    for line in listing.splitlines():
        status, _, rest = line.partition("\t")
        name, _, provides = rest.partition("\t")
        if status.endswith(" installed") and name:
            names.add(name)
            # "libglib2.0-0 (= 2.80.0), x" is how Ubuntu's libglib2.0-0t64 stands in for its old name
            names.update(item.split()[0].split(":")[0] for item in provides.split(",") if item.strip())
    return names


def wanted_packages(display: bool, can_make_venv: bool) -> list[str]:
    """Debian packages this machine should have."""
    wanted = list(QT_LIBRARIES)
    if not display:
        wanted += VIRTUAL_SCREEN
    if not can_make_venv:
        wanted.append("python3-venv")
    return wanted


def missing_packages(display: bool) -> list[str]:
    """Debian packages that are wanted and not installed; empty on systems without dpkg."""
    if not sys.platform.startswith("linux") or not shutil.which("dpkg-query"):
        return []
    listing = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Status}\t${Package}\t${Provides}\n"], capture_output=True, text=True, check=True
    ).stdout
    can_make_venv = VENV.exists() or importlib.util.find_spec("ensurepip") is not None
    installed = parse_installed(listing)
    return [name for name in wanted_packages(display, can_make_venv) if name not in installed]


def install_line(packages: Iterable[str]) -> str:
    """The one line a person pastes to install `packages`."""
    return "sudo apt-get update && sudo apt-get install -y --no-install-recommends " + " ".join(packages)


def ensure_system(display: bool, *, required: bool = True) -> None:
    """Install missing system libraries when root, else say which line does it.

    Raises
    ------
    DevError
        Libraries are missing, this user cannot install them, and they are `required`.
    """
    missing = missing_packages(display)
    if missing and hasattr(os, "geteuid") and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        wait = ["-o", "DPkg::Lock::Timeout=300"]
        call(["apt-get", *wait, "update", "-qq"], environment)
        call(["apt-get", *wait, "install", "-y", "-qq", "--no-install-recommends", *missing], environment)
    elif missing:
        message = f"System libraries are missing. Run this once, then try again:\n\n    {install_line(missing)}\n"
        if required:
            raise DevError(message)
        print(message, file=sys.stderr)
    elif required and not display and not shutil.which("xvfb-run"):
        raise DevError("There is no display, and no xvfb-run to make one: install Xvfb with your package manager.")


# --- the virtual environment ------------------------------------------------------------------------------------


def venv_program(name: str, *, folder: Path = VENV, windows: bool = os.name == "nt") -> Path:
    """Where the virtual environment keeps a program."""
    return folder / "Scripts" / f"{name}.exe" if windows else folder / "bin" / name


def requirements_digest(root: Path = ROOT) -> str:
    """Changes whenever an installation made earlier may no longer be right."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {root}".encode())
    for name in REQUIREMENT_FILES:
        digest.update(name.encode())
        digest.update((root / name).read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def is_ready() -> bool:
    """Whether the last set-up was complete and of these very requirements."""
    try:
        return venv_program("python").exists() and STAMP.read_text(encoding="utf-8").strip() == requirements_digest()
    except OSError:
        return False


def installer(python: Path) -> list[str]:
    """The command that installs packages: uv, which takes seconds, or pip where uv cannot be had."""
    uv = venv_program("uv")
    if not uv.exists():
        quiet = [str(python), "-m", "pip"]
        if subprocess.run([*quiet, "--version"], capture_output=True, check=False).returncode:
            call([str(python), "-m", "ensurepip", "--upgrade", "--default-pip"])
        fetched = subprocess.run(
            [*quiet, "install", "--quiet", "--disable-pip-version-check", "-c", "constraints.txt", "uv"],
            cwd=ROOT,
            check=False,
        )
        if fetched.returncode:
            print("uv could not be installed; using pip, which takes longer.", file=sys.stderr)
            return [*quiet, "install", "--disable-pip-version-check"]
    # Compiled now by all cores at once; else every first import of torch and napari pays for it, in each process.
    return [str(uv), "pip", "install", "--compile-bytecode", "--python", str(python)]


def make_venv() -> None:
    """Make an empty virtual environment with pip.

    Raises
    ------
    DevError
        This Python cannot: Debian keeps that part in a package of its own.
    """
    try:
        venv.EnvBuilder(with_pip=True, clear=VENV.exists()).create(VENV)
    except subprocess.CalledProcessError as error:
        shutil.rmtree(VENV, ignore_errors=True)
        remedy = f"On Debian or Ubuntu this helps:\n\n    {install_line(['python3-venv'])}"
        raise DevError(f"Python could not make .venv: {error}\n{remedy}") from error


def ensure_venv() -> None:
    """Build or refresh `.venv`, unless its stamp says that it is right already."""
    if is_ready():
        return
    print(
        "Setting up .venv (once; a few minutes with an empty cache, up to 7 GB of disk) ...",
        file=sys.stderr,
        flush=True,
    )
    python = venv_program("python")
    if not python.exists():
        make_venv()
    digest = requirements_digest()
    STAMP.unlink(missing_ok=True)
    call([*installer(python), "-c", "constraints.txt", "-e", ".[dev]"])
    STAMP.write_text(digest + "\n", encoding="utf-8")


# --- running ----------------------------------------------------------------------------------------------------


def call(command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """Run a command in the checkout.

    Raises
    ------
    DevError
        It failed.
    """
    if (code := run(command, environment)) != 0:
        raise DevError(f"This failed (exit code {code}): {shlex.join(map(str, command))}")


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Run a command in the checkout and give its exit code."""
    return subprocess.run([str(part) for part in command], cwd=ROOT, env=environment, check=False).returncode


def on_screen(
    command: Sequence[str], display: bool, environment: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Wrap a command that opens windows: as it is on a real screen, else under a virtual one.

    The program can tell the two apart by NUCLEIDOMAIN_VIRTUAL_SCREEN, so as not to wait for a person who is not there.
    """
    environment = dict(environment)
    if display:
        return list(command), environment
    # offscreen has no OpenGL: napari's canvas crashes or stays blank there
    environment.pop("QT_QPA_PLATFORM", None)
    environment[VIRTUAL_SCREEN_VARIABLE] = "1"
    return ["xvfb-run", "-a", "-s", f"-screen 0 {SCREEN_SIZE}", *command], environment


def run_on_screen(command: Sequence[str], *, virtual: bool = False) -> int:
    """Set everything up, then run a command that may open windows."""
    display = has_display() and not virtual
    ensure_system(display)
    ensure_venv()
    wrapped, environment = on_screen(command, display, os.environ)
    return run(wrapped, environment)


def python_program(*arguments: str) -> list[str]:
    """A command of the virtual environment's Python."""
    return [str(venv_program("python")), *arguments]


def setup(_: argparse.Namespace) -> int:
    """Install everything; done by the other commands when needed."""
    ensure_system(has_display(), required=False)
    ensure_venv()
    print(f"Ready: {VENV}")
    return 0


def demo(arguments: argparse.Namespace) -> int:
    """Train on the clicks of a sample, predict, score; pictures and labels in demo/."""
    return run_on_screen(python_program("-m", "napari_nucleidomain.cli", "demo", "--out", "demo", *arguments.rest))


# Makes images with a model in its own process; in that of the other docks' tests torch must never be, which they check.
WITH_TORCH = "tests/widgets/test_synthesis_panel.py"


def test(arguments: argparse.Namespace) -> int:
    """Run the tests: the docks' beside all others; or one pytest with the arguments given."""
    # pytest-xvfb, where somebody has it, would start a second screen inside ours
    pytest = python_program("-m", "pytest", "-p", "no:xvfb")
    if arguments.rest:
        return run_on_screen([*pytest, *arguments.rest])
    return run_beside_each_other(
        [
            [*pytest, "tests/widgets", "--ignore", WITH_TORCH],
            [*pytest, "tests", "--ignore", "tests/widgets"],
            [*pytest, WITH_TORCH],
        ]
    )


def run_beside_each_other(commands: Sequence[Sequence[str]]) -> int:
    """Run commands that may open windows at once; what the first prints is seen at once, the others' afterwards."""
    display = has_display()
    ensure_system(display)
    ensure_venv()
    # threads of several programs that wait for each other on few cores make all of them slow
    calm = {"OMP_NUM_THREADS": "1", **os.environ}
    first, *others = (on_screen(command, display, calm) for command in commands)
    with contextlib.ExitStack() as stack:
        begun = []
        for command, environment in others:
            output = stack.enter_context(tempfile.TemporaryFile())
            begun.append((subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output), output))
        codes = [run(*first)]
        for process, output in begun:
            codes.append(process.wait())
            output.seek(0)
            sys.stdout.write(output.read().decode("utf-8", "replace"))
            sys.stdout.flush()
    return next((code for code in codes if code), 0)


def lint(_: argparse.Namespace) -> int:
    """Style (ruff), types (mypy), import rules (import-linter), the napari manifest (npe2)."""
    ensure_venv()
    checks = (
        python_program("-m", "ruff", "check", "."),
        python_program("-m", "mypy"),
        [str(venv_program("lint-imports")), "--no-logo"],
        [str(venv_program("npe2")), "validate", "src/napari_nucleidomain/napari.yaml"],
    )
    failed = [command for command in checks if run(command) != 0]
    for command in failed:
        print(f"FAILED: {shlex.join(command)}", file=sys.stderr)
    return 1 if failed else 0


def docs(arguments: argparse.Namespace) -> int:
    """Build the documentation into docs/_build/html; a warning is an error."""
    ensure_venv()
    options = ["-W", "--keep-going", "-b", "html", *arguments.rest]
    return run(python_program("-m", "sphinx", *options, "docs", "docs/_build/html"))


def bench(arguments: argparse.Namespace) -> int:
    """Run benchmarks/NAME.py; without NAME, list them."""
    # What has no `main` is shared by the others.
    scripts = [path for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text(encoding="utf-8")]
    known = sorted(path.stem for path in scripts)
    if not arguments.name:
        print("\n".join(known))
        return 0
    if arguments.name not in known:
        raise DevError(f"There is no benchmark {arguments.name!r}; there are: {', '.join(known) or 'none'}.")
    return run_on_screen(python_program(f"benchmarks/{arguments.name}.py", *arguments.rest))


def screenshots(arguments: argparse.Namespace) -> int:
    """Take the pictures of README and tutorial again, always on a virtual screen of the same size."""
    linux = sys.platform.startswith("linux")
    return run_on_screen(python_program("docs/screenshots.py", *arguments.rest), virtual=linux)


def build_parser() -> argparse.ArgumentParser:
    """The command line of this file."""
    parser = argparse.ArgumentParser(prog="dev.py", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for function in (setup, demo, test, lint, docs, bench, screenshots):
        summary = (function.__doc__ or "").splitlines()[0]
        command = commands.add_parser(function.__name__, help=summary, description=summary, add_help=False)
        command.set_defaults(function=function)
        if function is bench:
            command.add_argument("name", nargs="?", help="file name in benchmarks/ without .py")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give the exit code."""
    if sys.version_info < OLDEST_PYTHON:
        print(f"Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer is needed.", file=sys.stderr)
        return 2
    known, rest = build_parser().parse_known_args(arguments)
    known.rest = rest
    try:
        return known.function(known)
    except DevError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
