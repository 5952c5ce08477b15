"""Every setting of SPN+IEN. The defaults are the paper's for MultiOrgan; presets change them."""

from __future__ import annotations

from typing import Literal

from napari_nucleidomain.contracts import MethodConfig, setting


class SpnIenConfig(MethodConfig):
    """Settings of SPN+IEN (Liu, He and He, ISBI 2022)."""

    variant: Literal["spn-ien", "spn", "baseline", "fully"] = setting(
        "spn-ien",
        "Row of the paper's Table 2: the whole method, its first half, that with one colour weight for all images, or "
        "trained on outlines.",
        source="Table 2",
    )
    decoder: Literal["auto", "ien", "watershed", "components"] = setting(
        "auto", "How nuclei are told apart; auto takes what finds more of the kept-back clicks.", advanced=False
    )
    # networks
    network: Literal["small", "resnet34"] = setting("resnet34", "Size of both networks.", source="section 3.2")
    width: int = setting(32, "Channels of the small network.", ge=4, le=256)
    depth: int = setting(3, "Levels of the small network.", ge=1, le=5)
    embedding_dims: int = setting(16, "Length D of a pixel's embedding.", ge=2, le=64, source="section 3.2")
    imagenet: bool = setting(True, "Begin from ImageNet weights where they can be had.", source="section 3.2")
    imagenet_file: str = setting(
        "", "A local file with torchvision's ResNet34 weights, for computers without internet."
    )
    ien_from_spn: bool = setting(False, "The second network begins as a copy of the first.")
    coordinate_skip: bool = setting(
        False,
        "Add each pixel's place to its embedding, so that the second network learns in seconds (not in the paper).",
    )
    # pseudo labels
    colour_weight: float = setting(
        0.2, "Weight lambda of colour against distance in k-means.", gt=0, le=1e4, source="section 3.2"
    )
    patch_px: int = setting(
        60,
        "Side L of the squares from which the colour spread is taken.",
        unit="px",
        ge=9,
        le=2048,
        source="section 3.2",
    )
    max_distance_px: float = setting(
        20.0, "Distances d* to the click are cut off here.", unit="px", gt=0, le=2000, source="section 3.2"
    )
    fit_stride: int = setting(1, "k-means is fitted on every so many-th pixel.", ge=1, le=16)
    restarts: int = setting(10, "Starts of k-means.", ge=1, le=20)
    scale_to_nuclei: bool = setting(False, "Adapt all radii to the size of the nuclei, which the paper fixes for 40x.")
    nucleus_above: float = setting(
        0.5, "T_fg: pixels above make the nuclei the second network learns.", gt=0, lt=1, source="section 3.2"
    )
    background_below: float = setting(0.3, "T_bg: pixels below make its background.", gt=0, lt=1, source="section 3.2")
    touch_click: bool = setting(True, "Only pieces that touch a click count as nuclei.")
    # training
    crop_px: int = setting(224, "Side of a training crop.", unit="px", ge=32, le=1024)
    batch: int = setting(8, "Crops a step.", ge=1, le=256)
    spn_steps: int = setting(
        1440, "Steps of the first network: 60 epochs of 24.", ge=1, le=100_000_000, source="section 3.2"
    )
    ien_steps: int = setting(
        24000, "Steps of the second network: 1000 epochs of 24.", ge=1, le=100_000_000, source="section 3.2"
    )
    spn_rate: float = setting(1e-4, "Learning rate of the first network.", gt=0, le=1e38, source="section 3.2")
    ien_rate: float = setting(1e-3, "Learning rate of the second network.", gt=0, le=1e38, source="section 3.2")
    schedule: Literal["constant", "cosine"] = setting("constant", "How the learning rate changes.")
    weight_decay: float = setting(1e-4, "Weight decay of the first network.", ge=0, le=100)
    beta2: float = setting(0.99, "Second beta of Adam.", gt=0, lt=1)
    cluster_weight: float = setting(1.0, "Weight of the colour labels against the cell labels.", ge=0, le=1e6)
    gradient_limit: float = setting(0.0, "A step's gradient is shortened to this length; 0 leaves it.", ge=0, le=1e6)
    average_decay: float = setting(0.0, "Running average of the weights; 0 takes the last step's.", ge=0, lt=1)
    # loss
    pull_margin: float = setting(0.5, "delta_intra.", ge=0, le=1000, source="section 3.2")
    push_margin: float = setting(3.0, "delta_inter.", gt=0, le=1000, source="section 3.2")
    background_weight: float = setting(1.0, "alpha.", ge=0, le=1e6, source="section 3.2")
    regularisation: float = setting(0.001, "gamma.", ge=0, le=1e6, source="section 3.2")
    squared_hinge: bool = setting(True, "Square the hinges, as the published code does; off is Equation 1 as printed.")
    # augmentation
    crops: Literal["everywhere", "clicks"] = setting(
        "everywhere", "Crops from everywhere in the clicked area alike, or about clicks."
    )
    zoom_least: float = setting(0.8, "Smallest zoom.", ge=0.05, le=20)
    zoom_most: float = setting(1.25, "Largest zoom.", ge=0.05, le=20)
    flips: Literal["horizontal", "both", "none"] = setting("horizontal", "Mirroring.")
    shear: float = setting(0.3, "Affine entries vary by this.", ge=0, lt=0.9)
    rotation: float = setting(90.0, "Largest angle.", unit="°", ge=0, le=180)
    jitter: float = setting(0.0, "Brightness, contrast and channels vary by this share.", ge=0, lt=1)
    # from pixels to nuclei
    foreground_above: float = setting(
        0.3, "T_0: pixels above are grouped into nuclei.", gt=0, lt=1, source="section 3.2"
    )
    divide_above: float = setting(
        0.5, "Pixels above are divided by shape where the second network is not used.", gt=0, lt=1
    )
    bandwidth: float = setting(1.5, "Bandwidth of mean-shift.", ge=0.01, le=1000, source="section 3.2")
    grouping: Literal["fast", "exact"] = setting("fast", "Mean-shift: fast, or equal to scikit-learn's.")
    min_components: int = setting(5, "A cluster of so many pieces is background.", ge=1, le=1_000_000)
    least_probability: float = setting(
        0.0, "A cluster whose mean probability of nucleus is lower is background, too (not in the paper).", ge=0, lt=1
    )
    least_px: int = setting(20, "Smaller nuclei are left out.", unit="px²", ge=1, le=10_000_000)
    halo_px: int = setting(60, "Margin of a tile that its neighbours own.", unit="px", ge=4, le=512)
    # checking
    keep_back: float = setting(
        0.2,
        "Largest share of the clicks kept back to check with; never more than about 150 clicks.",
        ge=0,
        le=0.5,
        advanced=False,
    )
    derive_points: bool = setting(False, "Where there are outlines and no clicks, click their centres.")
    precision: Literal["auto", "32-true", "bf16-mixed"] = setting("auto", "Arithmetic of the networks.")

    def unlike(self, other: MethodConfig) -> str:
        """The first setting that makes the networks other ones than those of `other`; see `MethodConfig.unlike`."""
        fixed = getattr(other, "network", "") == "resnet34"
        for name in ("network", "width", "depth", "embedding_dims"):
            old, new = getattr(other, name, None), getattr(self, name)
            if old != new and not (name in ("width", "depth") and fixed):
                return f"{name} = {old}, here {new}"
        return ""
