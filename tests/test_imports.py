"""What may be imported where, checked in fresh processes; and that every name the package advertises exists."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

import napari_nucleidomain

PACKAGE = "napari_nucleidomain"
TORCH_FREE = ("contracts", "instances", "data", "runs")
GUI = ("napari", "qtpy", "PyQt6", "PySide6", "magicgui", "superqt", "vispy")


def modules() -> list[str]:
    """Every module of the package."""
    return sorted(module.name for module in pkgutil.walk_packages(napari_nucleidomain.__path__, f"{PACKAGE}."))


def layer_of(module: str) -> str:
    return module.split(".")[1]


def loaded_by(imports: list[str], blocked: tuple[str, ...] = ()) -> set[str]:
    """Top-level names in sys.modules after importing, in a new process in which `blocked` cannot be imported."""
    code = f"""
import importlib, json, sys
for name in {list(blocked)!r}:
    sys.modules[name] = None
for name in {imports!r}:
    importlib.import_module(name)
print(json.dumps(sorted({{name.split('.')[0] for name, module in sys.modules.items() if module is not None}})))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_package_itself_is_light() -> None:
    assert not {"torch", "numpy", "skimage", *GUI} & loaded_by([PACKAGE])


def test_plain_layers_import_neither_torch_nor_a_viewer() -> None:
    plain = [name for name in modules() if layer_of(name) in TORCH_FREE]
    assert len(plain) > len(TORCH_FREE)
    assert not {"torch", "torchvision", "lightning_fabric", *GUI} & loaded_by(plain)


def test_everything_but_the_docks_works_without_napari_and_qt() -> None:
    rest = [name for name in modules() if layer_of(name) != "widgets" and not name.endswith("__main__")]
    loaded_by(rest, blocked=GUI)


def test_opening_the_docks_does_not_import_torch() -> None:
    docks = [name for name in modules() if layer_of(name) == "widgets"]
    assert not {"torch", "torchvision", "sklearn", "matplotlib"} & loaded_by(docks)


def test_listing_methods_does_not_import_torch() -> None:
    listing = "import sys; from napari_nucleidomain.contracts import methods; print(*methods())"
    code = f"{listing}; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"otsu", "spn-ien"} <= set(done.stdout.split())


@pytest.mark.parametrize("group", ["console_scripts", "napari.manifest", "napari_nucleidomain.methods"])
def test_entry_points_exist(group: str) -> None:
    ours = [entry for entry in entry_points(group=group) if entry.value.startswith(PACKAGE)]
    assert ours
    for entry in ours:
        if group == "napari.manifest":
            assert entry.value == f"{PACKAGE}:napari.yaml"
        else:
            assert entry.load()


def test_the_manifest_is_valid_and_every_command_in_it_exists() -> None:
    from npe2 import PluginManifest

    PluginManifest.from_distribution("napari-nucleidomain").validate_imports()


@pytest.mark.skipif(sys.platform == "win32", reason="git writes links as small files there")
def test_the_manifest_at_the_top_is_the_packaged_one(root) -> None:
    assert (root / "napari.yaml").resolve() == root / "src" / PACKAGE / "napari.yaml"


def test_methods_are_found_by_the_name_they_carry() -> None:
    from napari_nucleidomain.contracts import methods

    for name, spec in methods().items():
        assert spec.name == name
        for entry in filter(None, (spec.train, spec.load, spec.forecast)):
            module, _, function = entry.partition(":")
            assert callable(getattr(importlib.import_module(module), function)), entry


def lines_of_code(function: ast.FunctionDef) -> int:
    """Lines of a function without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return function.body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_files_and_functions_stay_small(root) -> None:
    too_long = []
    for path in (root / "src").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > 500:
            too_long.append(f"{path.name}: {text.count(chr(10))} lines")
        too_long += [
            f"{path.name}: {node.name} has {lines_of_code(node)} lines"
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef) and lines_of_code(node) > 60
        ]
    assert not too_long
