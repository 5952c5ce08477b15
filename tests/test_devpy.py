"""dev.py: what it would install and run, on the systems that it may meet."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def dev(root, monkeypatch):
    """dev.py as a module of its own, with nothing able to run."""
    spec = importlib.util.spec_from_file_location("dev_under_test", root / "dev.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ran = []
    monkeypatch.setattr(module, "run", lambda command, environment=None: module.ran.append(list(command)) or 0)
    return module


def test_it_needs_the_standard_library_only(root) -> None:
    done = subprocess.run([sys.executable, "-I", "-S", str(root / "dev.py"), "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for command in ("setup", "demo", "test", "lint", "docs", "bench", "screenshots"):
        assert command in done.stdout


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"DISPLAY": ""}, "linux", False),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "win32", True),
        ({}, "darwin", True),
    ],
)
def test_has_display(dev, environment, platform, expected) -> None:
    assert dev.has_display(environment, platform) is expected


def test_installed_packages_include_what_they_provide_and_no_removed_ones(dev) -> None:
    listing = (
        "install ok installed\tlibegl1\t\n"
        "install ok installed\tlibglib2.0-0t64\tlibglib2.0-0 (= 2.80.0-6), libx:amd64\n"
        "deinstall ok config-files\txvfb\tsomething\n"
        "install ok half-configured\txauth\t\n"
    )
    assert dev.parse_installed(listing) == {"libegl1", "libglib2.0-0t64", "libglib2.0-0", "libx"}


def test_a_virtual_screen_is_wanted_only_without_a_display(dev) -> None:
    assert "xvfb" not in dev.wanted_packages(display=True, can_make_venv=True)
    assert {"xvfb", "xauth", "libxcb-icccm4"} <= set(dev.wanted_packages(display=False, can_make_venv=True))
    assert "python3-venv" in dev.wanted_packages(display=True, can_make_venv=False)


def test_root_installs_what_is_missing_and_another_user_is_told_the_line(dev, monkeypatch, capsys) -> None:
    monkeypatch.setattr(dev, "missing_packages", lambda display: ["libegl1", "xvfb"])
    monkeypatch.setattr(dev.os, "geteuid", lambda: 0, raising=False)
    dev.ensure_system(display=False)
    assert [command[0] for command in dev.ran] == ["apt-get", "apt-get"]
    assert dev.ran[-1][-2:] == ["libegl1", "xvfb"]

    dev.ran.clear()
    monkeypatch.setattr(dev.os, "geteuid", lambda: 1000, raising=False)
    with pytest.raises(dev.DevError, match="apt-get install -y --no-install-recommends libegl1 xvfb"):
        dev.ensure_system(display=False)
    dev.ensure_system(display=False, required=False)
    assert "sudo apt-get" in capsys.readouterr().err
    assert not dev.ran


def test_nothing_is_installed_when_nothing_is_missing(dev, monkeypatch) -> None:
    monkeypatch.setattr(dev, "missing_packages", lambda display: [])
    dev.ensure_system(display=True)
    assert not dev.ran


def test_commands_run_as_they_are_on_a_screen_and_under_xvfb_without(dev) -> None:
    command, environment = dev.on_screen(["napari"], True, {"DISPLAY": ":0"})
    assert command == ["napari"]
    assert dev.VIRTUAL_SCREEN_VARIABLE not in environment

    command, environment = dev.on_screen(["napari"], False, {"QT_QPA_PLATFORM": "offscreen"})
    assert command[:2] == ["xvfb-run", "-a"]
    assert command[-1] == "napari"
    assert "QT_QPA_PLATFORM" not in environment
    assert environment[dev.VIRTUAL_SCREEN_VARIABLE] == "1"


def test_programs_lie_elsewhere_on_windows(dev) -> None:
    folder = Path("some where")
    assert dev.venv_program("python", folder=folder, windows=True) == folder / "Scripts" / "python.exe"
    assert dev.venv_program("python", folder=folder, windows=False) == folder / "bin" / "python"


def test_the_stamp_follows_every_requirement_file_and_not_line_endings(dev, tmp_path) -> None:
    for name in dev.REQUIREMENT_FILES:
        (tmp_path / name).write_bytes(b"a\nb\n")
    first = dev.requirements_digest(tmp_path)
    for name in dev.REQUIREMENT_FILES:
        (tmp_path / name).write_bytes(b"a\r\nb\r\n")
        assert dev.requirements_digest(tmp_path) == first
        (tmp_path / name).write_bytes(b"a\nc\n")
        assert dev.requirements_digest(tmp_path) != first
        (tmp_path / name).write_bytes(b"a\nb\n")


def test_a_failed_installation_leaves_no_stamp(dev, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(dev, "VENV", tmp_path)
    monkeypatch.setattr(dev, "STAMP", tmp_path / "stamp")
    python = tmp_path / "python"
    python.touch()
    monkeypatch.setattr(dev, "venv_program", lambda name: python)
    monkeypatch.setattr(dev, "installer", lambda python: ["uv"])
    (tmp_path / "stamp").write_text("older")
    monkeypatch.setattr(dev, "run", lambda command, environment=None: 1)
    with pytest.raises(dev.DevError, match="exit code 1"):
        dev.ensure_venv()
    assert not (tmp_path / "stamp").exists()

    monkeypatch.setattr(dev, "run", lambda command, environment=None: dev.ran.append(command) or 0)
    dev.ensure_venv()
    assert dev.is_ready()
    dev.ensure_venv()
    assert len(dev.ran) == 1, "the second start installs nothing"


def test_packages_are_compiled_when_they_are_installed(dev, monkeypatch, tmp_path) -> None:
    uv = tmp_path / "uv"
    uv.touch()
    monkeypatch.setattr(dev, "venv_program", lambda name: uv)
    assert "--compile-bytecode" in dev.installer(tmp_path / "python")


def test_arguments_reach_pytest(dev, monkeypatch) -> None:
    monkeypatch.setattr(dev, "run_on_screen", lambda command, **_: dev.ran.append(command) or 5)
    assert dev.main(["test", "tests/x.py", "-k", "a or b", "--lf"]) == 5
    assert dev.ran[0][-6:] == ["-p", "no:xvfb", "tests/x.py", "-k", "a or b", "--lf"]


def test_all_tests_run_in_three_parts_and_each_may_fail(dev, monkeypatch, capfd) -> None:
    monkeypatch.setattr(dev, "ensure_system", lambda display: None)
    monkeypatch.setattr(dev, "ensure_venv", lambda: None)
    monkeypatch.setattr(dev, "has_display", lambda: True)
    monkeypatch.setattr(dev, "run", lambda command, env: subprocess.run(command, env=env, check=False).returncode)
    say = "import sys, os; print(sys.argv[1], os.environ['OMP_NUM_THREADS']); sys.exit(int(sys.argv[2]))"

    def commands(*codes: int) -> list[list[str]]:
        return [[sys.executable, "-c", say, f"half-{k}", str(code)] for k, code in enumerate(codes)]

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert dev.run_beside_each_other(commands(0, 0)) == 0
    assert capfd.readouterr().out.split() == ["half-0", "1", "half-1", "1"]
    assert dev.run_beside_each_other(commands(0, 3)) == 3
    assert dev.run_beside_each_other(commands(4, 0)) == 4
    halves = []
    monkeypatch.setattr(dev, "run_beside_each_other", lambda two: halves.extend(two) or 0)
    assert dev.main(["test"]) == 0
    parts = [part[part.index("no:xvfb") + 1 :] for part in halves]
    alone = dev.WITH_TORCH
    assert parts == [["tests/widgets", "--ignore", alone], ["tests", "--ignore", "tests/widgets"], [alone]]
    assert (dev.ROOT / alone).exists()


def test_an_unknown_benchmark_is_answered_with_those_there_are(dev, capsys) -> None:
    assert dev.main(["bench", "no-such"]) == 2
    assert "no benchmark 'no-such'" in capsys.readouterr().err


def test_lint_runs_all_checks_even_after_one_failed(dev, monkeypatch, capsys) -> None:
    monkeypatch.setattr(dev, "ensure_venv", lambda: None)
    monkeypatch.setattr(dev, "run", lambda command, environment=None: dev.ran.append(command) or len(dev.ran) == 1)
    assert dev.main(["lint"]) == 1
    assert len(dev.ran) == 4
    assert capsys.readouterr().err.count("FAILED") == 1
