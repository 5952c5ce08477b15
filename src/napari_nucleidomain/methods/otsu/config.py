"""What the classical method can be told."""

from __future__ import annotations

from napari_nucleidomain.contracts import MethodConfig, setting


class OtsuConfig(MethodConfig):
    """Settings of Otsu + watershed."""

    diameter_px: float | None = setting(
        None,
        "Typical nucleus diameter; estimated from the image when not given.",
        unit="px",
        gt=1.0,
        le=4000,
        advanced=False,
    )
    min_area_px: int | None = setting(
        None,
        "Smaller pieces are left out; a fraction of a typical nucleus when not given.",
        unit="px²",
        ge=1,
        le=100_000_000,
    )
    threshold_shift: float = setting(
        0.0,
        "Fainter or brighter: below 0 fainter nuclei are found too, above 0 only the brighter ones (of stained "
        "tissue: the darker ones). 0 is the threshold read off the image, -1 and 1 lie close to its ground and to "
        "its nuclei.",
        ge=-1.0,
        le=1.0,
        allow_inf_nan=False,
        strict=True,
        advanced=False,
    )
