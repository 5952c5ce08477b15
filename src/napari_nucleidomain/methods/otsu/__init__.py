"""The floor: Otsu's threshold and watershed. Nothing to train, always there, reported beside every learned method."""

from __future__ import annotations

from napari_nucleidomain.contracts import MethodSpec, Preset

from .config import OtsuConfig

SPEC = MethodSpec(
    name="otsu",
    title="Classical: Otsu threshold and watershed",
    needs="",
    sentence="Needs no clicks and no training. Splits touching nuclei by shape only and misses pale ones.",
    config=OtsuConfig,
    presets={"default": Preset("Default", "Threshold and typical size are read off each image.")},
    train="",
    load="napari_nucleidomain.methods.otsu.segment:load",
    ndims=(2, 3),
    paper="Otsu, IEEE Trans. SMC 1979; Ruifrok and Johnston, AQCH 2001 (haematoxylin)",
)
