"""`nucleidomain synthesize`: the name is reserved for the AD-GAN method."""

from __future__ import annotations

import argparse

from napari_nucleidomain.contracts import NucleiError


def command(_arguments: argparse.Namespace) -> int:
    """Say that it is not there yet.

    Raises
    ------
    NucleiError
        Always, in this version.
    """
    raise NucleiError("This version cannot synthesise images yet.", "It comes with the AD-GAN method.")
