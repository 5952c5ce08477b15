"""Panoptic model with semantic feature fusion: supervised nuclei segmentation from outlines."""

from __future__ import annotations

from napari_nucleidomain.contracts import MethodSpec

from .config import PanopticConfig
from .presets import PRESETS

SPEC = MethodSpec(
    name="panoptic",
    title="Panoptic model with semantic feature fusion: supervised, from outlines",
    needs="labels",
    sentence="Needs outlines of every nucleus, in whole images or in regions of them. Learns edges as you draw them; "
    "a few hundred outlined nuclei of your own kind are better than thousands of another.",
    config=PanopticConfig,
    presets=PRESETS,
    train="napari_nucleidomain.methods.panoptic.train:train",
    load="napari_nucleidomain.methods.panoptic.segment:load",
    forecast="napari_nucleidomain.methods.panoptic.forecast:forecast",
    paper="Liu, Zhang, Song, Zhang, Zhang, O'Donnell and Cai: Nuclei segmentation via a deep panoptic model with "
    "semantic feature fusion. IJCAI 2019",
    several_devices=True,
)
