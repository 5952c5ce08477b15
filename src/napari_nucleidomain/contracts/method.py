"""How a method presents itself: a spec without torch, found through entry points."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from .config import MethodConfig
from .errors import NucleiError

GROUP = "napari_nucleidomain.methods"
_OWN = "napari-nucleidomain"
_LOGGER = logging.getLogger(__name__)
_warned: set[str] = set()


@dataclass(frozen=True)
class Preset:
    """Named values for a method's configuration.

    Attributes
    ----------
    title : str
        What the widget calls it ("Quick look").
    help : str
        One sentence for a biologist.
    values : dict
        Settings that differ from the config's defaults.
    minutes : float or None
        Usual time limit; None where the schedule's steps decide.
    """

    title: str
    help: str
    values: dict[str, Any] = field(default_factory=dict)
    minutes: float | None = None


@dataclass(frozen=True)
class MethodSpec:
    """One paper: how to train and how to segment.

    Attributes
    ----------
    name : str
        As on the command line: "spn-ien".
    title : str
        As in a tooltip: "SPN+IEN (Liu, He and He, ISBI 2022)".
    needs : {"points", "labels", "nothing", "labels elsewhere", ""}
        Supervision; "" for a method with nothing to train.
    sentence : str
        What it needs and what it cannot do, for a biologist.
    config : type
        Subclass of `MethodConfig`.
    presets : dict
        Name -> `Preset`; the first is the default.
    train : str
        "module:function" called as `train(run, dataset, config)`; empty where there is nothing to train.
    load : str
        "module:function" called as `load(folder, card, device)` and giving a `Segmenter`.
    forecast : str
        "module:function" (torch-free) called as `forecast(config, ndim)`, `ndim` being 2 for flat images and 3 for
        volumes, giving (reference, steps, cost): the reference training it is like ("small", "large": what the speed
        test measures), the steps it is made for, and what one of them costs in steps of that reference. Empty where
        nobody knows.
    ends_early : bool
        Whether a training ends after its steps although there is time left.
    synthesis : str
        "module:function" (torch-free) called as `synthesis(card, wish)` and giving a `Synthesis`: labelled images from
        a trained model. Empty where the method cannot make any.
    several_devices : bool
        Whether its training uses `RunContext.team`; its config then has a `batch`.
    """

    name: str
    title: str
    needs: str
    sentence: str
    config: type[MethodConfig]
    presets: dict[str, Preset]
    train: str
    load: str
    ndims: tuple[int, ...] = (2,)
    forecast: str = ""
    ends_early: bool = False
    paper: str = ""
    synthesis: str = ""
    several_devices: bool = False

    @property
    def trainable(self) -> bool:
        """Whether there is anything to train."""
        return bool(self.train)

    def preset(self, name: str) -> Preset:
        """The preset of this name.

        Raises
        ------
        NucleiError
            There is none; the message lists those there are.
        """
        try:
            return self.presets[name]
        except KeyError:
            known = ", ".join(self.presets) or "none"
            raise NucleiError(f"{self.name} has no preset {name!r}.", f"Choose one of: {known}.") from None

    def resolve(self, entry: str) -> Callable[..., Any]:
        """Import "module:function" now. This is where torch may come in."""
        module, _, name = entry.partition(":")
        return getattr(importlib.import_module(module), name)


def methods() -> dict[str, MethodSpec]:
    """Every installed method by name, this package's own and third parties'.

    One that cannot be loaded is left out and named in a warning of the log, once: another package's fault must not take
    the methods that work away.
    """
    found = {}
    for name, entry in sorted(_entries().items()):
        try:
            found[name] = _load(entry)
        except NucleiError as error:
            if name not in _warned:
                _warned.add(name)
                _LOGGER.warning("%s", error)
    return found


def find_method(name: str) -> MethodSpec:
    """The method of this name.

    Raises
    ------
    NucleiError
        It is not installed, and the message lists those that are; or it is and cannot be loaded, and the message says
        why.
    """
    entries = _entries()
    if name in entries:
        return _load(entries[name])
    known = ", ".join(sorted(entries))
    raise NucleiError(f"There is no method {name!r} here.", f"Installed: {known}. A newer version may have it.")


def _entries() -> dict[str, EntryPoint]:
    """What is installed, by name; where two packages use one name, this package's own is meant."""
    found: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda one: _package(one) != _OWN):
        found.setdefault(entry.name, entry)
    return found


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else ""


def _load(entry: EntryPoint) -> MethodSpec:
    package = _package(entry) or "another package"
    try:
        spec = entry.load()
    except Exception as error:  # noqa: BLE001 - foreign code may fail in any way; it is reported with its reason
        why = f"{type(error).__name__}: {error}"
    else:
        if isinstance(spec, MethodSpec):
            return spec
        why = f"{entry.value} is a {type(spec).__name__}, not a MethodSpec"
    raise NucleiError(
        f"The method {entry.name!r}, which comes with {package}, cannot be used ({why}).",
        f"Update {package} or remove it; the other methods are not affected.",
    )
