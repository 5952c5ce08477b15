"""Every setting of the panoptic model. The defaults are the paper's for TCGA-kumar; presets change them."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from napari_nucleidomain.contracts import MethodConfig, setting

# A tile is taken to hold as many more boxes as they are smaller.
_LEAST_ANCHOR = 2.0


class PanopticConfig(MethodConfig):
    """Settings of the panoptic model with semantic feature fusion (Liu et al., IJCAI 2019)."""

    # the paper's three ideas, Table 3
    feature_fusion: bool = setting(
        True, "Paste the found nuclei into a map of the whole image and compare that, too.", source="section 3.1"
    )
    semantic_branch: bool = setting(
        True, "A second branch that tells nucleus from background with large kernels.", source="section 3.2"
    )
    mask_generator: Literal["dual", "plain"] = setting(
        "dual", "How a nucleus' mask is drawn: the paper's two ways together, or Mask R-CNN's.", source="Table 1"
    )
    # networks
    backbone: Literal["small", "resnet18", "resnet50", "resnet101"] = setting(
        "resnet101", "Network that looks at the image.", source="section 3"
    )
    norm: Literal["frozen", "group"] = setting(
        "frozen",
        "Frozen batch norm of the ImageNet weights, or group norm, which learns from few images.",
        source="section 3.3",
    )
    imagenet: bool = setting(True, "Begin from ImageNet weights where they can be had.")
    imagenet_file: str = setting("", "A local file with torchvision's ResNet weights, for computers without internet.")
    pyramid_channels: int = setting(256, "Channels of the feature pyramid.", ge=16, le=512)
    mask_channels: int = setting(256, "Channels of the mask generator.", ge=16, le=256, source="Table 1")
    box_features: int = setting(1024, "Length of the box head's layers.", ge=32, le=4096)
    semantic_kernel: int = setting(5, "Kernel of the semantic branch.", ge=3, le=31, source="section 3.2")
    anchor_px: float = setting(
        0.0,
        "Side of the smallest boxes to begin with; each of the five levels doubles it. 0: half a typical nucleus of "
        "the training images.",
        unit="px",
        ge=0,
        le=512,
    )
    # proposals
    proposals_train: int = setting(1000, "Proposals kept of a crop in training.", ge=50, le=12000)
    proposals: int = setting(2000, "Proposals kept of a tile in prediction.", ge=50, le=30000)
    rois: int = setting(512, "Proposals that teach the heads, an image.", ge=8, le=2048)
    roi_positives: float = setting(0.25, "Share of them that are nuclei.", gt=0, le=1)
    # training
    crop_px: int = setting(512, "Side of a training crop.", unit="px", ge=64, le=2048, source="section 4.2")
    batch: int = setting(2, "Crops a step.", ge=1, le=64)
    steps: int = setting(17280, "Steps.", ge=1, le=100_000_000, source="section 4.2")
    optimiser: Literal["sgd", "adamw"] = setting("sgd", "How weights are changed.", source="section 3.3")
    rate: float = setting(0.0025, "Learning rate.", gt=0, le=1e38, source="section 4.2")
    momentum: float = setting(0.9, "Momentum of sgd.", ge=0, lt=1, source="section 3.3")
    weight_decay: float = setting(1e-4, "Weight decay.", ge=0, le=100, source="section 3.3")
    schedule: Literal["drops", "cosine"] = setting(
        "drops", "The learning rate falls to a tenth and a hundredth, or along a cosine.", source="section 4.2"
    )
    first_drop: float = setting(0.5, "Share of the steps after which it is a tenth.", gt=0, le=1, source="section 4.2")
    second_drop: float = setting(0.75, "And a hundredth.", gt=0, le=1, source="section 4.2")
    warm_steps: int = setting(
        500, "Steps in which the learning rate rises.", ge=0, le=100_000_000, source="section 3.3"
    )
    gradient_limit: float = setting(0.0, "A step's gradient is shortened to this length; 0 leaves it.", ge=0, le=1e6)
    average_decay: float = setting(0.0, "Running average of the weights; 0 takes the last step's.", ge=0, lt=1)
    # augmentation
    flips: bool = setting(True, "Mirror crops, and turn them by right angles.", source="section 4.2")
    turn: float = setting(0.0, "Turn by any angle up to this.", unit="°", ge=0, le=180)
    zoom_least: float = setting(1.0, "Smallest zoom.", ge=0.05, le=20)
    zoom_most: float = setting(1.0, "Largest zoom.", ge=0.05, le=20)
    colours: Literal["paper", "jitter", "none"] = setting(
        "paper",
        "Blur, noise, emboss, sharpen and channel shuffle, or brightness, contrast and channels by a little.",
        source="section 4.2",
    )
    jitter: float = setting(0.15, "Brightness, contrast and channels vary by this share.", ge=0, lt=1)
    # from boxes to nuclei
    least_score: float = setting(0.5, "Boxes less sure are left out.", ge=0, lt=1)
    overlap: float = setting(0.5, "Of two boxes that overlap by more (IoU), the surer stays.", gt=0, le=1)
    most_nuclei: int = setting(1000, "Nuclei a tile at most.", ge=10, le=10000)
    mask_above: float = setting(0.5, "Pixels above belong to the nucleus.", gt=0, lt=1)
    least_px: int = setting(20, "Smaller nuclei are left out.", unit="px²", ge=1, le=10_000_000)
    tile_px: int = setting(512, "Side of a tile.", unit="px", ge=128, le=2048)
    halo_px: int = setting(64, "Margin of a tile that its neighbours own.", unit="px", ge=16, le=1024)
    # checking
    keep_back: float = setting(
        0.2,
        "Largest share of the outlined nuclei kept back to check with, where no image is for checking; never more "
        "than about 150.",
        ge=0,
        le=0.5,
        advanced=False,
    )
    precision: Literal["auto", "32-true", "bf16-mixed"] = setting("auto", "Arithmetic of the networks.")

    @field_validator("anchor_px")
    @classmethod
    def _no_specks(cls, value: float) -> float:
        if 0 < value < _LEAST_ANCHOR:
            raise ValueError(f"boxes have {_LEAST_ANCHOR:g} px at least; 0 goes by the nuclei")
        return value

    def unlike(self, other: MethodConfig) -> str:
        """The first setting that makes the network another one than that of `other`; see `MethodConfig.unlike`."""
        names = (
            "backbone",
            "norm",
            "pyramid_channels",
            "mask_generator",
            "mask_channels",
            "box_features",
            "feature_fusion",
            "semantic_branch",
            "semantic_kernel",
        )
        for name in names:
            old, new = getattr(other, name, None), getattr(self, name)
            if old != new:
                return f"{name} = {old}, here {new}"
        return ""
