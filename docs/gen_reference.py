"""Write the reference pages that must never go stale, from the code itself.

The command line comes from the argument parser, settings from the pydantic configurations, scores from their
definitions, the file formats of a run from its models, and the API from the modules. Called by `conf.py` at each
build; `python docs/gen_reference.py FOLDER` writes the pages elsewhere.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path

import napari_nucleidomain
from napari_nucleidomain.contracts import MethodSpec, ModelCard, methods
from napari_nucleidomain.contracts import events as run_events

LAYERS = {
    "contracts": "The vocabulary, pure Python.",
    "instances": "Algorithms on label images, no learning.",
    "data": "Images, points, regions, labels and datasets in; labels and tables out.",
    "networks": "Torch modules that more than one method uses.",
    "training": "What every training loop needs.",
    "inference": "From a tile to a whole slide.",
    "methods": "One folder per paper.",
    "runs": "The run folder, the process that executes it, the store of runs and models.",
}


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    header = list(header)
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell(item) for item in line) + " |" for line in lines) + "\n"


def cell(item: object) -> str:
    """One table cell: no line breaks, no column signs."""
    return " ".join(str(item).split()).replace("|", r"\|")


# --- command line -----------------------------------------------------------------------------------------------


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Name -> parser of every subcommand."""
    for action in parser._actions:  # argparse offers no public list of them
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def command_line_page(parser: argparse.ArgumentParser) -> str:
    """Every command with its help, word for word."""
    os.environ["COLUMNS"] = "88"  # argparse wraps at the width of whatever terminal this runs in
    parts = [
        "# Command line",
        "Everything the docks do can be done without a viewer. This page is what `--help` prints.",
        block(parser.format_help()),
    ]
    for name, command in subcommands(parser).items():
        parts += [f"## {name}", block(command.format_help())]
    return "\n\n".join(parts) + "\n"


def block(text: str) -> str:
    """A literal block."""
    return f"```text\n{text.rstrip()}\n```"


# --- settings ---------------------------------------------------------------------------------------------------


def type_words(annotation: object) -> str:
    """A type as a user reads it: "whole number", "number", "yes or no", the allowed words."""
    plain = {int: "whole number", float: "number", bool: "yes or no", str: "text", type(None): "none"}
    if annotation in plain:
        return plain[annotation]  # type: ignore[index]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " / ".join(f"`{item}`" for item in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_words(item) for item in arguments)
    if origin is typing.Annotated:
        return type_words(arguments[0])
    if origin in (tuple, list):
        inner = ", ".join(type_words(item) for item in arguments if item is not Ellipsis)
        return f"list of {inner}" if inner else "list"
    return getattr(annotation, "__name__", str(annotation))


def limits(metadata: Iterable[object]) -> str:
    """The allowed range of a setting."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "multiple_of": "multiple of"}
    pairs = ((sign, getattr(item, name, None)) for item in metadata for name, sign in signs.items())
    return ", ".join(f"{sign} {value}" for sign, value in pairs if value is not None)


def settings_page(spec: MethodSpec) -> str:
    """One method: what it needs, its presets, every setting with unit, range, default and source."""
    parts = [f"# Settings of `{spec.name}`", f"**{spec.title}.** {spec.sentence}"]
    if spec.paper:
        parts.append(f"Paper: {spec.paper}")
    fields = spec.config.settings()
    if spec.presets:
        rows = [
            (
                f"`{name}`" + (" (default)" if index == 0 else ""),
                preset.title,
                f"{preset.minutes:g}" if preset.minutes else "as the schedule says",
                preset.help,
            )
            for index, (name, preset) in enumerate(spec.presets.items())
        ]
        parts += ["## Presets", table(["preset", "in the viewer", "minutes", "what for"], rows)]
    if fields:
        parts += ["## Settings", "Change one with `--set NAME=VALUE`, or in the folded part of the *Train* dock."]
        parts.append(table(["name", "type", "default", "unit", "range", "meaning", "source"], setting_rows(fields)))
        parts += list(preset_values(spec))
    else:
        parts.append("There is nothing to set.")
    return "\n\n".join(parts) + "\n"


def setting_rows(fields: dict) -> Iterator[tuple[str, ...]]:
    """Table rows of a configuration's fields."""
    for name, field in fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        yield (
            f"`{name}`",
            type_words(field.annotation),
            f"`{field.get_default(call_default_factory=True)}`",
            str(extra.get("unit", "")),
            limits(field.metadata),
            field.description or "",
            str(extra.get("source", "")),
        )


def preset_values(spec: MethodSpec) -> Iterator[str]:
    """What each preset changes."""
    presets = [preset.values for preset in spec.presets.values()]
    names = [name for name in spec.config.settings() if any(name in values for values in presets)]
    if names:
        yield "## What the presets change"
        rows = [[f"`{name}`", *(f"`{values[name]}`" if name in values else "" for values in presets)] for name in names]
        yield table(["setting", *(f"`{name}`" for name in spec.presets)], rows)


# --- models of files --------------------------------------------------------------------------------------------


def field_table(model: type) -> str:
    """The fields of a pydantic model of a file."""
    rows = [
        (f"`{name}`", type_words(field.annotation), field.description or "")
        for name, field in model.model_fields.items()  # type: ignore[attr-defined]
    ]
    return table(["field", "type", "meaning"], rows)


def events_page() -> str:
    """Every kind of line in `events.jsonl`."""
    union = typing.get_args(run_events.Event)[0]
    parts = ["# Events of a run", first_paragraphs(run_events)]
    for model in typing.get_args(union):
        kind = model.model_fields["kind"].default
        parts += [f"## {kind}", first_paragraphs(model), field_table(model)]
    return "\n\n".join(parts) + "\n"


def card_page() -> str:
    """The model card."""
    return f"# Model card\n\n{(ModelCard.__doc__ or '').splitlines()[0]}\n\n{field_table(ModelCard)}"


def first_paragraphs(item: object) -> str:
    """A docstring as a paragraph of Markdown."""
    return " ".join((getattr(item, "__doc__", "") or "").split())


# --- scores -----------------------------------------------------------------------------------------------------


def scores_page(definitions: dict[str, str]) -> str:
    """Name and definition of every score."""
    rows = [(f"`{name}`", text) for name, text in definitions.items()]
    return (
        "# Scores\n\nEvery score is computed from one contingency table between the predicted and the true label "
        "image, per image; tables give mean and standard deviation over images, never pooled pixels.\n\n"
        + table(["name", "definition"], rows)
    )


# --- API --------------------------------------------------------------------------------------------------------


def modules_of(layer: str) -> list[str]:
    """Names of a layer's public modules, the layer first."""
    name = f"{napari_nucleidomain.__name__}.{layer}"
    package = importlib.import_module(name)
    found = [
        module.name
        for module in pkgutil.walk_packages(package.__path__, f"{name}.")
        if not any(part.startswith("_") for part in module.name.split("."))
    ]
    return [name, *sorted(found)]


def api_page(layer: str, summary: str) -> str:
    """The modules of one layer, from their docstrings."""
    parts = [f"# {layer}", summary]
    for name in modules_of(layer):
        is_package = hasattr(importlib.import_module(name), "__path__")
        short = name.removeprefix("napari_nucleidomain.")
        if name.count(".") > 1:
            parts.append(f"## {short}")
        # A package's own names are documented where they are defined.
        options = ":no-members:" if is_package else ":members:\n:ignore-module-all:"
        parts.append(f"```{{eval-rst}}\n.. automodule:: {name}\n" + indent(options) + "\n```")
    return "\n\n".join(parts) + "\n"


def indent(text: str) -> str:
    """Three spaces before each line, as reST wants."""
    return "\n".join("   " + line for line in text.splitlines())


def index_page(title: str, names: Iterable[str]) -> str:
    """A page that lists others."""
    return f"# {title}\n\n```{{toctree}}\n:maxdepth: 1\n\n" + "\n".join(names) + "\n```\n"


# --- all of it --------------------------------------------------------------------------------------------------


def pages() -> dict[str, str]:
    """Path below the generated folder -> text of every page."""
    from napari_nucleidomain.cli import build_parser
    from napari_nucleidomain.instances.scores import DEFINITIONS

    known = methods()
    return {
        "cli.md": command_line_page(build_parser()),
        "scores.md": scores_page(DEFINITIONS),
        "events.md": events_page(),
        "card.md": card_page(),
        "settings/index.md": index_page("Settings", known),
        **{f"settings/{name}.md": settings_page(spec) for name, spec in known.items()},
        "api/index.md": index_page("Python API", LAYERS),
        **{f"api/{layer}.md": api_page(layer, summary) for layer, summary in LAYERS.items()},
    }


def write(folder: Path) -> list[Path]:
    """Write every page into `folder`, leaving unchanged ones as they are so that Sphinx builds only what changed."""
    wanted = {folder / path: text for path, text in pages().items()}
    if folder.exists():
        for old in folder.rglob("*.md"):
            if old not in wanted:
                old.unlink()
    for path, text in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
    return sorted(wanted)


if __name__ == "__main__":
    print("\n".join(map(str, write(Path(sys.argv[1])))))
