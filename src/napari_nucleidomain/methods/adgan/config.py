"""Every setting of AD-GAN. The defaults are the paper's for flat images and volumes; presets change them."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from napari_nucleidomain.contracts import MethodConfig, setting


class AdganConfig(MethodConfig):
    """Settings of AD-GAN (Yao et al.).

    Sizes are diameters in pixels of the image's last axis; sizes called "work" are in pixels after scaling.
    """

    # what nuclei look like
    diameter_px: float = setting(
        0.0,
        "How large a typical nucleus is across. 0: estimated from the images.",
        unit="px",
        ge=0,
        le=2000,
        advanced=False,
    )
    form: Literal["instance", "semantic"] = setting(
        "instance",
        "Drawn masks have grey rims, by which nuclei that touch are told apart, or are only black and white.",
        source="section 4.5",
    )
    size_least: float = setting(
        0.0, "Smallest nucleus as a part of a typical one. 0: as estimated.", ge=0, le=1, source="Table 9"
    )
    size_most: float = setting(
        0.0, "Largest nucleus as a multiple of a typical one. 0: as estimated.", ge=0, le=5, source="Table 9"
    )
    least_volume: float = setting(
        0.0,
        "In volumes no nucleus is drawn smaller than this part of a typical one, whatever is estimated: noise makes "
        "small blobs.",
        ge=0,
        le=1,
    )
    most_volume: float = setting(
        0.0, "In volumes nuclei are drawn up to this multiple of a typical one at least.", ge=0, le=5
    )
    count_least: int = setting(0, "Fewest nuclei in a drawn mask.", ge=0, le=5000, source="Table 9")
    count_most: int = setting(
        0, "Most nuclei in a drawn mask. 0: fewest and most are estimated.", ge=0, le=5000, source="Table 9"
    )
    eccentricity_least: float = setting(0.25, "Roundest nuclei: 0 is a circle.", ge=0, lt=1, source="Eq. 8")
    eccentricity_most: float = setting(0.75, "Longest nuclei: near 1 is a needle.", ge=0, lt=1, source="Eq. 8")
    rim: float = setting(0.5, "Part of a nucleus' depth that is grey rim.", gt=0, lt=1, source="authors' code")
    work_diameter_px: float = setting(
        0.0,
        "Images (flat ones, where volumes have their own) are scaled until a typical nucleus is so large. 0: scaled by "
        "`resize` instead.",
        unit="px",
        ge=0,
        le=200,
    )
    work_diameter_volume_px: float = setting(
        0.0, "The same for volumes, where smaller costs far less. 0: as flat images.", unit="px", ge=0, le=200
    )
    smooth_volume: float = setting(
        0.0,
        "Volumes are smoothed by a Gaussian of this standard deviation, as a part of a typical nucleus.",
        ge=0,
        le=0.5,
    )
    gamma: float = setting(
        1.0, "Brightness (0 to 1) is raised to this power: below 1 dim nuclei count for more.", gt=0.1, le=4
    )
    stretch: float = setting(
        0.0,
        "How much longer than wide nuclei look along z, from the blur of the microscope. 0: estimated.",
        ge=0,
        le=10,
    )
    z_step: float = setting(
        0.0,
        "How far apart planes of a volume are, in pixels of a plane, where the file does not say. 0: it must say.",
        unit="px",
        ge=0,
        le=100,
    )
    own_scale: bool = setting(
        False,
        "Every image is scaled by the size of its own nuclei, where that can be estimated, unless a diameter is given.",
    )
    resize: float = setting(1.0, "Images are scaled by this.", gt=0, le=16, source="Table 9")
    # networks
    width: int = setting(64, "Channels after the first convolution, flat images.", ge=4, le=256, source="Table 5")
    width_volume: int = setting(32, "The same for volumes.", ge=2, le=128, source="section 4.2")
    blocks: int = setting(4, "Residual blocks in the encoder, and in the decoder.", ge=0, le=16, source="Table 5")
    style_width: int = setting(256, "Hidden units of what makes styles.", ge=4, le=1024, source="Table 6")
    style_in_encoder: bool = setting(True, "Styles in the encoder, too.", source="Table 3")
    gain: Literal["one_plus", "plain"] = setting("one_plus", "How a style multiplies.", source="authors' code")
    up: Literal["transposed", "resize"] = setting(
        "transposed", "How sides are doubled: transposed convolution, or pixels repeated.", source="Table 7"
    )
    # losses
    reconstruction: float = setting(20.0, "Weight of same-domain reconstruction.", ge=0, le=1e6, source="section 4.2")
    cycle: float = setting(20.0, "Weight of cycle consistency.", ge=0, le=1e6, source="section 4.2")
    content: float = setting(1.0, "Weight of cross-domain content.", ge=0, le=1e6, source="section 4.2")
    adversarial: float = setting(1.0, "Weight of the adversarial loss.", ge=0, le=1e6, source="section 3.4")
    gan: Literal["lsgan", "minimax", "nonsaturating"] = setting(
        "minimax", "Squared errors (authors' code), or Eq. 2 as written, or its usual form.", source="Eq. 2"
    )
    aligned: bool = setting(True, "The decoder learns from reconstruction only.", source="section 3.2")
    real: Literal["reconstructions", "images"] = setting(
        "reconstructions", "What the discriminator takes for real.", source="section 3.2"
    )
    halves: Literal["both", "translations"] = setting(
        "both", "Whether reconstructions should look translated, too.", source="Eq. 2"
    )
    content_goal: Literal["moving", "fixed"] = setting("moving", "Whether the goal moves, too.", source="authors' code")
    pool: int = setting(
        50, "Earlier translations that the discriminator sees again.", ge=0, le=500, source="authors' code"
    )
    # training
    crop_px: int = setting(
        256, "Side of a crop of a flat image, work pixels.", unit="px", ge=32, le=1024, multiple_of=4
    )
    crop_volume_px: int = setting(
        128, "Side of a crop of a volume, work pixels.", unit="px", ge=24, le=512, multiple_of=4, source="section 4.2"
    )
    crop_z: int = setting(
        64, "Depth of a crop of a volume, work pixels.", unit="px", ge=24, le=512, multiple_of=4, source="section 4.2"
    )
    batch: int = setting(16, "Crops a step, flat images.", ge=1, le=128, source="section 4.2")
    batch_volume: int = setting(4, "Crops a step, volumes.", ge=1, le=64, source="section 4.2")
    steps: int = setting(
        10000,
        "Steps on flat images; it ends after them also where time is left.",
        ge=1,
        le=100_000_000,
        source="section 4.2",
    )
    steps_volume: int = setting(0, "Steps on volumes, likewise. 0: as many as on flat images.", ge=0, le=100_000_000)
    constant: float = setting(
        0.5, "Share of the steps with the full learning rate, which then falls to 0.", ge=0, le=1, source="section 4.2"
    )
    head_start: float = setting(
        0.0,
        "Share of the steps in which images and masks are only copied, so that bright stays bright: some random starts "
        "take the ground for nuclei.",
        ge=0,
        le=0.5,
    )
    rate: float = setting(1e-4, "Learning rate.", gt=0, le=1e38, source="section 4.2")
    weight_decay: float = setting(1e-4, "Weight decay.", ge=0, le=100, source="section 4.2")
    average_decay: float = setting(0.0, "Running average of the weights; 0 takes the last step's.", ge=0, lt=1)
    flips: bool = setting(True, "Mirror crops.", source="section 4.2")
    quarter_turns: bool = setting(False, "Turn crops by right angles in the plane.")
    turn: float = setting(
        30.0, "Half of the crops are turned by any angle up to this.", unit="°", ge=0, le=180, source="section 4.2"
    )
    # choosing and watching
    choose: bool = setting(
        True, "Of several states, take the one that is most consistent, judged without labels; else the last."
    )
    ask: bool = setting(True, "Ask once, early, whether what is painted looks right.", advanced=False)
    # from painted values to nuclei
    low: float = setting(-0.5, "Values above belong to nuclei: -1 is black, 0 grey.", gt=-1, lt=1, source="section 4.5")
    high: float = setting(0.5, "Values above belong to cores: 1 is white.", gt=-1, lt=1, source="section 4.5")
    edge: float = setting(
        0.0,
        "Outlines are moved to where brightness is so far on the way from a nucleus' surroundings (0) to the "
        "nucleus (1). 0: they stay as painted.",
        ge=0,
        lt=1,
    )
    mirrored: bool = setting(False, "Predict mirrored tiles, too, and take the mean.")
    window_crops: float = setting(4.0, "Side of the windows that are blended in a tile, in crops.", ge=2, le=32)
    precision: Literal["auto", "32-true", "bf16-mixed"] = setting("auto", "Arithmetic of the networks.")

    @model_validator(mode="after")
    def _fit_together(self) -> AdganConfig:
        if self.aligned and not self.reconstruction:
            raise ValueError(
                "where the decoder learns from reconstruction only (aligned), reconstruction cannot be 0; "
                "Table 3 leaves it out with aligned=false, real=images and halves=translations"
            )
        if not self.low < self.high:
            raise ValueError("low must be below high")
        return self

    def work_diameter(self, ndim: int) -> float:
        """What typical nuclei of images with so many axes are scaled to, work pixels; 0: `resize` says."""
        return (self.work_diameter_volume_px if ndim == 3 else 0.0) or self.work_diameter_px

    def steps_of(self, ndim: int) -> int:
        """Steps on images with so many axes."""
        return (self.steps_volume if ndim == 3 else 0) or self.steps

    def smooth(self, ndim: int) -> float:
        """How much images with so many axes are smoothed, as a part of a typical nucleus."""
        return self.smooth_volume if ndim == 3 else 0.0

    def unlike(self, other: MethodConfig) -> str:
        """The first setting that makes the network another one than that of `other`; see `MethodConfig.unlike`."""
        names = ("width", "width_volume", "blocks", "style_width", "style_in_encoder", "gain", "up")
        for name in names:
            old, new = getattr(other, name, None), getattr(self, name)
            if old != new:
                return f"{name} = {old}, here {new}"
        return ""
