"""One detection core on torchvision's parts, for every method that finds nuclei as boxes with masks.

Importing this imports torch and torchvision.
"""

from __future__ import annotations

from .backbone import Features
from .detector import Detector, Replacements
from .heads import Boxes
from .losses import LossFunctions
from .mask_generator import Masks
from .paste import Pasted, paste
from .results import Detections, Drawn, Step
from .settings import NUCLEUS_ANCHORS, PAPER_ANCHORS, DetectorSettings
from .targets import UNKNOWN, Target
from .weights import begin_from_imagenet

__all__ = [
    "NUCLEUS_ANCHORS",
    "PAPER_ANCHORS",
    "UNKNOWN",
    "Boxes",
    "Detections",
    "Detector",
    "DetectorSettings",
    "Drawn",
    "Features",
    "LossFunctions",
    "Masks",
    "Pasted",
    "Replacements",
    "Step",
    "Target",
    "begin_from_imagenet",
    "paste",
]
