"""SPN + IEN: weakly supervised nuclei segmentation from points (one click in each nucleus)."""

from __future__ import annotations

from napari_nucleidomain.contracts import MethodSpec

from .config import SpnIenConfig
from .presets import PRESETS

SPEC = MethodSpec(
    name="spn-ien",
    title="SPN+IEN: weakly supervised, from clicks",
    needs="points",
    sentence="Needs one click in every nucleus of a small area. Learns from where nuclei are, not from their outlines, "
    "so edges are those that colour suggests.",
    config=SpnIenConfig,
    presets=PRESETS,
    train="napari_nucleidomain.methods.spn_ien.train:train",
    load="napari_nucleidomain.methods.spn_ien.segment:load",
    forecast="napari_nucleidomain.methods.spn_ien.forecast:forecast",
    paper="Liu, He and He: Weakly supervised nuclei segmentation via instance learning. ISBI 2022",
)
