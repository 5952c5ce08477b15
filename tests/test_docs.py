"""Documentation that cannot go stale: generated pages follow the code, links lead somewhere, versions agree."""

from __future__ import annotations

import argparse
import importlib.util
import re
import tomllib
from typing import Annotated, Literal
from urllib.parse import unquote

import pytest
import yaml

from napari_nucleidomain import __version__
from napari_nucleidomain.contracts import MethodConfig, MethodSpec, Preset, methods, setting

PAPERS = (
    "Weakly Supervised Nuclei Segmentation via Instance Learning",
    "Nuclei Segmentation via a Deep Panoptic Model with Semantic Feature Fusion",
    "Style Consistent Image Generation for Nuclei Instance Segmentation",
    "Unsupervised Instance Segmentation in Microscopy Images via Panoptic Domain Adaptation and Task Re-weighting",
    "Aligned Disentangling GAN: A Leap Towards End-to-End Unsupervised Nuclei Segmentation",
)


@pytest.fixture(scope="module")
def generator(root):
    """docs/gen_reference.py."""
    spec = importlib.util.spec_from_file_location("gen_reference_under_test", root / "docs" / "gen_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Config(MethodConfig):
    """A configuration with one setting of each kind."""

    radius: Annotated[float, "px"] = setting(3.5, "How far | it looks.", unit="px", source="§3", ge=1, lt=9)
    mode: Literal["exact", "fast"] = setting("fast", "How it groups.")
    weights: tuple[float, ...] = setting((1.0, 2.0), "Shares.")
    limit: int | None = setting(None, "At most so many.")


SPEC = MethodSpec(
    name="made-up",
    title="Made up",
    needs="points",
    sentence="Needs nothing.",
    config=Config,
    presets={"quick": Preset("Quick look", "Fast.", {"radius": 2.0}, minutes=2), "paper": Preset("Paper", "Slow.")},
    train="",
    load="",
)


def test_a_settings_page_tells_type_default_unit_range_and_source(generator) -> None:
    lines = generator.settings_page(SPEC).splitlines()
    assert r"| `radius` | number | `3.5` | px | ≥ 1, < 9 | How far \| it looks. | §3 |" in lines
    assert "| `mode` | `exact` / `fast` | `fast` |  |  | How it groups. |  |" in lines
    assert "| `weights` | list of number | `(1.0, 2.0)` |  |  | Shares. |  |" in lines
    assert "| `limit` | whole number or none | `None` |  |  | At most so many. |  |" in lines
    assert "| `quick` (default) | Quick look | 2 | Fast. |" in lines
    assert "| `radius` | `2.0` |  |" in lines


def test_the_command_line_page_is_what_help_prints(generator) -> None:
    parser = argparse.ArgumentParser(prog="made-up")
    train = parser.add_subparsers().add_parser("train", description="Trains.")
    train.add_argument("--minutes", help="time in minutes")
    page = generator.command_line_page(parser)
    assert "## train" in page
    assert "--minutes MINUTES  time in minutes" in page


def test_every_command_setting_score_and_module_is_in_the_reference(generator, tmp_path) -> None:
    from napari_nucleidomain.cli import build_parser
    from napari_nucleidomain.instances.scores import DEFINITIONS

    generator.write(tmp_path)
    text = {path.relative_to(tmp_path).as_posix(): path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.md")}
    for command in ("train", "predict", "evaluate", "export", "run", "worker", "models", "runs", "demo"):
        assert command in generator.subcommands(build_parser())
        assert f"## {command}\n" in text["cli.md"]
    assert {"otsu", "spn-ien"} <= set(methods())
    for name, spec in methods().items():
        for field in spec.config.settings():
            assert f"| `{field}` |" in text[f"settings/{name}.md"]
    assert all(f"| `{name}` |" in text["scores.md"] for name in DEFINITIONS)
    for kind in ("progress", "preview", "warning", "failed"):
        assert f"## {kind}\n" in text["events.md"]
    for layer in generator.LAYERS:
        assert f"automodule:: napari_nucleidomain.{layer}\n" in text[f"api/{layer}.md"]


def test_pages_of_what_is_gone_are_removed_and_unchanged_ones_left(generator, tmp_path) -> None:
    generator.write(tmp_path)
    (tmp_path / "settings" / "gone.md").write_text("old")
    before = (tmp_path / "events.md").stat().st_mtime_ns
    generator.write(tmp_path)
    assert not (tmp_path / "settings" / "gone.md").exists()
    assert (tmp_path / "events.md").stat().st_mtime_ns == before


def test_every_setting_says_what_it_means() -> None:
    silent = [
        f"{name}.{field}"
        for name, spec in methods().items()
        for field, info in spec.config.settings().items()
        if not info.description
    ]
    assert not silent


def test_every_command_in_the_pages_exists(root) -> None:
    """Options, too: a page that tells a command that is not there costs a reader an hour."""
    import argparse
    import re

    from napari_nucleidomain.cli import build_parser

    actions = build_parser()._actions  # argparse offers no public list of them
    commands = next(one for one in actions if isinstance(one, argparse._SubParsersAction)).choices
    wrong, seen = [], 0
    for page in [root / "README.md", *(root / "docs").glob("*.md"), *(root / "docs" / "howto").glob("*.md")]:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        told = re.findall(r"^[ \t]*(?:[^\s`#]*[/\\\\])?\"?nucleidomain(?:\.exe\"?)? (.+)$", text, re.MULTILINE)
        told += re.findall(r"`nucleidomain ([^`]+)`", text)
        for line in told:
            words = line.partition(" #")[0].split()
            seen += 1
            if words[0] not in commands and words[0] not in ("COMMAND", "--help", "--version"):
                wrong.append(f"{page.name}: {line}")
                continue
            known = commands[words[0]]._option_string_actions if words[0] in commands else {"--help": 0, "--version": 0}
            wrong += [f"{page.name}: {line}" for word in words if word.startswith("--") and word not in known]
    assert seen > 20
    assert not wrong


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_top_pages_lead_somewhere(root, name) -> None:
    text = (root / name).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) + re.findall(r'(?:src|href)="([^"#]+)"', text)
    missing = [target for target in targets if "://" not in target and not (root / unquote(target)).exists()]
    assert not missing


def test_the_readme_gives_both_commands_and_the_installation(root) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    for line in ("python3 dev.py demo", "python3 dev.py test", 'pip install "napari-nucleidomain[all]"'):
        assert line in text


def test_the_citation_names_this_version_and_the_five_papers(root) -> None:
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert {item["title"] for item in citation["references"]} == set(PAPERS)
    assert all(item["authors"] and item["year"] for item in citation["references"])


def test_the_changelog_knows_this_version(root) -> None:
    assert f"## {__version__}" in (root / "CHANGELOG.md").read_text(encoding="utf-8")


def test_torch_and_torchvision_are_pinned_as_a_pair(root) -> None:
    text = (root / "constraints.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w.-]+)==([\w.+]+)", text, flags=re.MULTILINE))
    assert (pins["torch"], pins["torchvision"]) == ("2.14.0", "0.29.0")


def test_no_qt_binding_is_required(root) -> None:
    import configparser

    config = configparser.ConfigParser()
    config.read(root / "setup.cfg", encoding="utf-8")
    required = config["options"]["install_requires"].lower()
    assert not re.search(r"pyqt|pyside|napari", required)
    assert tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]
