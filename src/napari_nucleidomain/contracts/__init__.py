"""The vocabulary of the whole program, in pure Python: no torch, no Qt, no image libraries."""

from __future__ import annotations

from .card import ModelCard, ScoreOnData, load_card, save_card
from .config import MethodConfig, setting
from .errors import DiskFull, NotFinite, NucleiError, WriteError, WritesOutside
from .method import MethodSpec, Preset, find_method, methods
from .run import Checkpoints, Interrupted, RunContext, Step, StopRun
from .segmenter import Segmenter, SegmenterSpec
from .synthesis import Synthesis, SynthesisWish, SyntheticImage
from .team import TeamLink

__all__ = [
    "Checkpoints",
    "DiskFull",
    "Interrupted",
    "MethodConfig",
    "MethodSpec",
    "ModelCard",
    "NotFinite",
    "NucleiError",
    "Preset",
    "RunContext",
    "ScoreOnData",
    "Segmenter",
    "SegmenterSpec",
    "Step",
    "StopRun",
    "Synthesis",
    "SynthesisWish",
    "SyntheticImage",
    "TeamLink",
    "WriteError",
    "WritesOutside",
    "find_method",
    "load_card",
    "methods",
    "save_card",
    "setting",
]
