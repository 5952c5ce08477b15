"""From native numbers to 0..1, with constants fitted once on the whole image and never on a tile.

Fitting on tiles would make a nucleus look different on both sides of a seam (a known defect of tile-wise
normalisation).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from napari_nucleidomain.contracts import NucleiError


class IntensityRange(BaseModel):
    """The range of each channel that becomes 0..1.

    Attributes
    ----------
    low, high : tuple of float
        One per channel, in the image's own numbers. A channel whose two are equal holds nothing and becomes 0.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: tuple[float, ...]
    high: tuple[float, ...]

    @model_validator(mode="after")
    def _ordered(self) -> IntensityRange:
        if len(self.low) != len(self.high) or any(not a <= b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError("every channel needs a low and a high value, the low one first")
        return self

    @classmethod
    def fit(
        cls,
        overview: np.ndarray,
        dtype: Any = None,
        *,
        rgb: bool | None = None,
        percentiles: tuple[float, float] = (0.1, 99.9),
        used: np.ndarray | None = None,
    ) -> IntensityRange:
        """Find the range of an image.

        Parameters
        ----------
        overview : ndarray (*spatial, C)
            A small version of the whole image (`Image.overview`).
        dtype : dtype, optional
            The image's number type; that of `overview` by default.
        rgb : bool, optional
            Whether the channels are colours; by default three channels of uint8 are.
        percentiles : tuple of float
            Per cent of the finite numbers that lie below `low` and below `high`.
        used : ndarray (*spatial) bool, optional
            Pixels that count; all by default.

        Returns
        -------
        IntensityRange
            0..255 for colours of uint8, 0..1 for bool, percentiles of each channel for all else; minimum and
            maximum where the percentiles coincide although the channel is not constant (a few bright spots
            on black).
        """
        dtype = np.dtype(overview.dtype if dtype is None else dtype)
        channels = overview.shape[-1]
        if dtype == np.uint8 and (channels == 3 if rgb is None else rgb):
            return cls(low=(0.0,) * channels, high=(255.0,) * channels)
        if dtype == np.bool_:
            return cls(low=(0.0,) * channels, high=(1.0,) * channels)
        lows, highs = [], []
        for channel in np.moveaxis(overview if used is None else overview[used], -1, 0):
            values = channel[np.isfinite(channel)].astype(np.float64)
            if values.size == 0:
                low = high = 0.0
            else:
                low, high = (float(v) for v in np.percentile(values, percentiles))
                if high <= low:
                    low, high = float(values.min()), float(values.max())
            lows.append(low)
            highs.append(high)
        return cls(low=tuple(lows), high=tuple(highs))

    @classmethod
    def from_json(cls, content: Any) -> IntensityRange:
        """Read back what `to_json` gave.

        Raises
        ------
        NucleiError
            It is something else.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise NucleiError("The brightness range in the file is damaged.", "Train or export again.") from error

    def to_json(self) -> dict[str, list[float]]:
        """Plain lists of numbers."""
        return {"low": list(self.low), "high": list(self.high)}

    def to_unit(self, block: np.ndarray) -> np.ndarray:
        """Scale a block of the image.

        Parameters
        ----------
        block : ndarray (*spatial, C)
            Native numbers. NaN and infinite ones become 0.

        Returns
        -------
        ndarray (*spatial, C) float32
            In 0..1; what lies outside the range is cut off.

        Raises
        ------
        ValueError
            The number of channels differs.
        """
        if block.shape[-1] != len(self.low):
            raise ValueError(f"{block.shape[-1]} channels, but a range for {len(self.low)}")
        low = np.asarray(self.low, np.float64)
        span = np.asarray(self.high, np.float64) - low
        factor = np.divide(1.0, span, out=np.zeros_like(span), where=span > 0)
        # Large integers lose their last digits in float32: subtract before narrowing.
        exact = block.dtype.kind in "ui" and block.dtype.itemsize <= 2
        values: Any = block.astype(np.float32 if exact else np.float64)
        if block.dtype.kind == "f":
            bad = ~np.isfinite(values)
            if bad.any():
                values[bad] = np.broadcast_to(low, values.shape)[bad]
        values -= low.astype(values.dtype)
        values *= factor.astype(values.dtype)
        unit: np.ndarray = np.clip(values, 0.0, 1.0, out=values).astype(np.float32, copy=False)
        return unit
