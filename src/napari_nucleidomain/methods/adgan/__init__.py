"""AD-GAN: nuclei segmentation of fluorescence images and volumes from no annotation at all."""

from __future__ import annotations

from napari_nucleidomain.contracts import MethodSpec

from .config import AdganConfig
from .presets import PRESETS

SPEC = MethodSpec(
    name="adgan",
    title="AD-GAN: unsupervised, from images alone",
    needs="nothing",
    sentence="Needs fluorescence images with bright nuclei on a dark ground, and how large nuclei roughly are; no "
    "click and no outline. Works on flat images and on volumes. Not for H&E: nuclei there need clicks.",
    config=AdganConfig,
    presets=PRESETS,
    train="napari_nucleidomain.methods.adgan.train:train",
    load="napari_nucleidomain.methods.adgan.segment:load",
    ndims=(2, 3),
    forecast="napari_nucleidomain.methods.adgan.forecast:forecast",
    ends_early=True,
    synthesis="napari_nucleidomain.methods.adgan.synthesize:synthesis",
    paper="Yao, Huang, Sun et al.: Aligned disentangling GAN: a leap towards end-to-end unsupervised nuclei "
    "segmentation. 2021",
)
