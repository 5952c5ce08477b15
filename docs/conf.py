"""Sphinx configuration. Build strictly with `python dev.py docs`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import gen_reference  # noqa: E402 - found through the line above

from napari_nucleidomain import __version__  # noqa: E402

gen_reference.write(HERE / "reference" / "generated")

project = "napari-nucleidomain"
author = "The napari-nucleidomain contributors"
copyright = f"2026, {author}"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence", "attrs_block"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

# Docstrings write code in single backticks.
default_role = "literal"
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
add_module_names = False
suppress_warnings = ["ref.python"]  # several classes have a `name`
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = "napari-nucleidomain"
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}


def _without_own_base(app, name, obj, options, bases):  # type: ignore[no-untyped-def]
    """Leave out pydantic's own bases: their names say nothing to a reader and link nowhere."""
    bases[:] = [base for base in bases if not getattr(base, "__module__", "").startswith("pydantic")] or [object]


def _escape_shapes(app, what, name, obj, options, lines):  # type: ignore[no-untyped-def]
    """Keep reST from reading the star of a shape such as (N, *spatial) as the start of emphasis."""
    lines[:] = [re.sub(r"(?<=\()\*(?=\w)|(?<=, )\*(?=\w+[,)])", r"\\*", line) for line in lines]


def setup(app):  # type: ignore[no-untyped-def]
    """Connect what autodoc asks about."""
    app.connect("autodoc-process-bases", _without_own_base)
    app.connect("autodoc-process-docstring", _escape_shapes, priority=400)  # before napoleon
