"""The floor every learned method is measured against: Otsu's threshold and a watershed on smoothed distances.

Constants are fitted once an image (`fit_classical`) and then used for every tile of it (`segment_classical`), so that
tiles agree and an empty one stays empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from napari_nucleidomain.contracts import NucleiError

from .blobs import estimate_diameter
from .deepest import suggest_points
from .half_maximum import EdgeSettings, noise_of, outlines_at_half_maximum, smoothing_for
from .shapeseeds import seeds_by_shape
from .stains import haematoxylin, white_level
from .tissue import is_bright_field

__all__ = [
    "ClassicalParameters",
    "estimate_diameter",
    "fit_classical",
    "foreground",
    "segment_classical",
    "suggest_points",
]

# In parts of a nucleus's diameter (or of the disc's area), chosen on train images of kumar, tnbc and dsb2018.
_SMOOTH = {"haematoxylin": 0.06, "intensity": 0.03}
_LEAST_AREA = 0.19
_LEAST_DENSITY = 0.06  # optical density between 0.1 and 99.9 percent of a section; blank glass has less
_LEAST_COHERENCE = 0.25  # structure over pixel noise; 0.09 for noise alone
# What is left of the way from the threshold to the mean of a class where `ClassicalParameters.shifted` ends.
_LEFT_AT_END = 0.1
# How far around a nucleus its surroundings are looked at, as a part of the diameter.
_AROUND = 0.6


@dataclass(frozen=True)
class ClassicalParameters:
    """What the classical method knows about one image.

    Attributes
    ----------
    mode : {"haematoxylin", "intensity"}
        What nuclei are told by.
    dark : bool
        In mode "intensity": nuclei are darker than what is around them.
    channel : int or None
        In mode "intensity": the channel looked at; None for the mean of all.
    white : float
        In mode "haematoxylin": value of unstained glass.
    low, high : float
        Values mapped to 0 and 1.
    threshold : float
        In units of that range. Lower finds more.
    softness : float
        Half the distance of both classes' means, in the same units: how gradual scores are.
    diameter : float
        Typical nucleus, in pixels along the last axis.
    spacing : tuple of float
        Pixel size per axis in units of the last axis's.
    least_pixels : int
        Smaller nuclei are left out.
    blank : bool
        Nothing in the image looks like nuclei: none are found in any part of it.
    faintest, brightest : float or None
        The lowest and the highest threshold that make sense, in the same units; see `shifted`.
    ground : float
        In mode "intensity": brightness beside the nuclei, in units of the range.
    edge : float or None
        In mode "intensity": nuclei end where brightness falls half-way to their surroundings, looked for after a
        Gaussian of so many pixels of the last axis (0: none). None: they end at the threshold.
    """

    mode: Literal["haematoxylin", "intensity"]
    dark: bool
    channel: int | None
    white: float
    low: float
    high: float
    threshold: float
    softness: float
    diameter: float
    spacing: tuple[float, ...]
    least_pixels: int
    blank: bool = False
    ground: float = 0.0
    edge: float | None = None
    faintest: float | None = None
    brightest: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @property
    def halo(self) -> tuple[int, ...]:
        """Margin a tile should have, in pixels per axis: one and a half nuclei."""
        return tuple(int(np.ceil(1.5 * self.diameter / step)) for step in self.spacing)

    def shifted(self, amount: float) -> ClassicalParameters:
        """With another threshold: fainter nuclei found too, or only brighter ones.

        Each step takes the same share of the way that is left: fine near the ends, where faint nuclei and ground, or
        bright nuclei and others, are hard to tell apart, whatever the range of the image.

        Parameters
        ----------
        amount : float
            -1 to 1, `faintest` to `brightest`; 0 changes nothing. What lies beyond is taken for the end.

        Returns
        -------
        ClassicalParameters
            Its foreground holds that of every greater amount.
        """
        amount = float(np.clip(amount, -1.0, 1.0))
        if not amount:
            return self
        end = self.faintest if amount < 0 else self.brightest
        if end is None:
            end = self.threshold + float(np.copysign((1 - _LEFT_AT_END) * self.softness, amount))
        share = (1 - _LEFT_AT_END ** abs(amount)) / (1 - _LEFT_AT_END)
        return replace(self, threshold=self.threshold + share * (end - self.threshold))


def fit_classical(
    overview: np.ndarray,
    rgb: bool,
    *,
    diameter: float | None = None,
    least_pixels: int | None = None,
    spacing: Sequence[float] | None = None,
    channel: int | None = None,
    dark: bool | None = None,
    scale: float = 1.0,
    samples: Sequence[np.ndarray] = (),
    used: Sequence[np.ndarray] = (),
    bright_field: bool | None = None,
) -> ClassicalParameters:
    """Find range, threshold and size of nuclei of one image.

    Parameters
    ----------
    overview : ndarray (*spatial, C) or, if `spacing` tells the number of axes or there are two, (*spatial)
        The image or a smaller version of it; any real dtype.
    rgb : bool
        Whether the channels are red, green, blue.
    diameter : float, optional
        Typical nucleus in pixels of the full image; estimated when not given.
    least_pixels : int, optional
        Smaller nuclei are left out; a fifth of a typical nucleus when not given.
    spacing : sequence of float, optional
        Pixel size per axis, in any unit.
    channel : int, optional
        The channel of the nuclei where the image is not RGB; the mean of all when not given.
    dark : bool, optional
        Whether nuclei are darker than the rest (mode "intensity"); found out when not given.
    scale : float
        Pixels of the overview per pixel of the full image, along one axis; below 1 for an overview.
    samples : sequence of ndarray
        Blocks of the full image at full resolution, as `overview`. When given, everything is read off them: an overview
        of a slide shows no nuclei.
    used : sequence of ndarray (*spatial) bool
        For each block (the samples, or the overview) which pixels set range and threshold (`tissue.Tissue.signal`);
        all when not given.
    bright_field : bool, optional
        Whether colours are those of a stained section; found out when not given.

    Returns
    -------
    ClassicalParameters

    Raises
    ------
    NucleiError
        The arguments do not fit the image.
    """
    blocks = [np.asarray(block) for block in samples] or [np.asarray(overview)]
    scale = 1.0 if len(samples) else float(scale)
    blocks = [block if _has_channels(block, rgb, spacing) else block[..., None] for block in blocks]
    ndim = blocks[0].ndim - 1
    if ndim not in (2, 3):
        raise NucleiError(f"The image has {ndim} axes beside its channels.", "Choose a single plane or volume.")
    step = _relative_spacing(spacing, ndim)
    if channel is not None and not 0 <= channel < blocks[0].shape[-1]:
        raise NucleiError(f"The image has no channel {channel}.", f"It has {blocks[0].shape[-1]}, counted from 0.")
    white = max(white_level(block) for block in blocks)
    stained = rgb and (is_bright_field(_sample(blocks), white) if bright_field is None else bright_field)
    mode: Literal["haematoxylin", "intensity"] = "haematoxylin" if stained else "intensity"
    plain = ClassicalParameters(
        mode, bool(dark), channel, white, 0.0, 1.0, 0.5, 0.25, diameter or 1.0, step, least_pixels or 1, blank=True
    )
    values = [_raw(block, plain) for block in blocks]
    counted = list(used) or [np.ones(value.shape, bool) for value in values]
    if mode == "intensity" and dark is None and _nuclei_are_dark(_those(values, counted)):
        plain = _changed(plain, dark=True)
        values = [-value for value in values]
    return _fit(plain, values, counted, diameter, least_pixels, scale)


def _fit(
    plain: ClassicalParameters,
    values: list[np.ndarray],
    used: list[np.ndarray],
    diameter: float | None,
    least_pixels: int | None,
    scale: float,
) -> ClassicalParameters:
    """Range, size and threshold, from the values of all blocks."""
    from scipy.ndimage import gaussian_filter
    from skimage.filters import threshold_otsu

    finite = _those(values, used)
    if not finite.size:
        return plain
    low, high = (float(v) for v in np.percentile(finite, [0.1, 99.9]))
    fitted = _changed(plain, low=low, high=high)
    units = [_to_unit(value, fitted) for value in values]
    if not high > low or _is_featureless(fitted, units):
        return fitted
    estimates = [estimate_diameter(unit, plain.spacing) for unit in units] if diameter is None else []
    known = [estimate for estimate in estimates if estimate]
    if diameter is None and not known:
        return fitted
    size = float(diameter) if diameter is not None else float(np.median(known)) / scale
    sigma = _SMOOTH[plain.mode] * size * scale / np.array(plain.spacing)
    smooth = np.concatenate([gaussian_filter(unit, sigma)[own] for unit, own in zip(units, used, strict=True)])
    smooth = smooth[:: max(1, smooth.size >> 22)]
    threshold = float(threshold_otsu(smooth))
    above = smooth > threshold
    softness = float(smooth[above].mean() - smooth[~above].mean()) / 2
    faintest, brightest = _ends(smooth[~above], threshold, smooth[above])
    fitted = _changed(fitted, faintest=faintest, brightest=brightest)
    ndim = len(plain.spacing)
    ball = np.pi / 4 * size**2 if ndim == 2 else np.pi / 6 * size**3
    least = least_pixels if least_pixels is not None else max(4, int(_LEAST_AREA * ball / np.prod(plain.spacing)))
    fitted = _changed(
        fitted, threshold=threshold, softness=max(softness, 1e-3), diameter=size, least_pixels=least, blank=False
    )
    return _with_edges(fitted, units, smooth) if plain.mode == "intensity" else fitted


def _with_edges(fitted: ClassicalParameters, units: list[np.ndarray], smooth: np.ndarray) -> ClassicalParameters:
    """What outlines at half maximum need to know of the whole image, so that all its tiles agree."""
    ground = float(np.median(smooth[smooth <= fitted.threshold]))
    settings = EdgeSettings(fitted.diameter, spacing=fitted.spacing, contrast=max(fitted.threshold - ground, 1e-3))
    noise = float(np.median([noise_of(unit) for unit in units]))
    return _changed(fitted, ground=ground, edge=smoothing_for(noise, settings))


def _ends(ground: np.ndarray, threshold: float, nuclei: np.ndarray) -> tuple[float, float]:
    """Lowest and highest threshold that make sense: close to the means of both classes, and not in the ground's noise.

    Otsu's threshold need not lie midway between them: where nothing lies between, it stands at the lower end of that.
    """
    few = ground[:: max(1, ground.size >> 20)]
    middle = float(np.median(few))
    spread = 1.4826 * float(np.median(np.abs(few - middle)))
    faint, bright = (mean + _LEFT_AT_END * (threshold - mean) for mean in (float(ground.mean()), float(nuclei.mean())))
    return min(max(faint, middle + spread), threshold), bright


def _changed(parameters: ClassicalParameters, **changes: Any) -> ClassicalParameters:
    return replace(parameters, **changes)


def _has_channels(block: np.ndarray, rgb: bool, spacing: Sequence[float] | None) -> bool:
    """Whether the last axis is one of channels."""
    return rgb or (block.ndim == len(spacing) + 1 if spacing is not None else block.ndim > 2)


def _relative_spacing(spacing: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    if spacing is None:
        return (1.0,) * ndim
    step = np.asarray(spacing, float)
    if step.shape != (ndim,) or not (np.isfinite(step) & (step > 0)).all():
        raise NucleiError(
            f"The pixel size {tuple(spacing)} does not fit an image of {ndim} axes.", f"Give {ndim} sizes above 0."
        )
    return tuple(float(side) for side in step / step[-1])


def _sample(blocks: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([block.reshape(-1, block.shape[-1]) for block in blocks])


def _those(values: list[np.ndarray], used: list[np.ndarray]) -> np.ndarray:
    """(N,) finite values of pixels that count."""
    return np.concatenate([value[own & np.isfinite(value)] for value, own in zip(values, used, strict=True)])


def _nuclei_are_dark(finite: np.ndarray) -> bool:
    """Whether the ground, which most pixels are, is nearer to the bright end."""
    if not finite.size:
        return False
    low, middle, high = np.percentile(finite, [0.5, 50, 99.5])
    return bool(high - middle < middle - low)


def _is_featureless(parameters: ClassicalParameters, units: list[np.ndarray]) -> bool:
    """Whether there is nothing but a smooth ground and noise."""
    if parameters.mode == "haematoxylin" and parameters.high - parameters.low < _LEAST_DENSITY:
        return True
    from scipy.ndimage import gaussian_filter

    # Uneven light is no structure: what changes over more than a dozen pixels is taken out.
    bands = [gaussian_filter(unit, 3) - gaussian_filter(unit, 12) for unit in units]
    structure = np.mean([band.var() for band in bands])
    # Differences of next neighbours but one: neighbours alone are alike in JPEG and demosaiced images.
    steps = [np.diff(unit[..., ::2], axis=-1) for unit in units if unit.shape[-1] > 4]
    noise = np.mean([step.var() / 2 for step in steps]) if steps else 0.0
    return bool(structure < _LEAST_COHERENCE**2 * noise)


def _raw(block: np.ndarray, parameters: ClassicalParameters) -> np.ndarray:
    """Higher where nuclei are; (*spatial) float32, not finite where pixels are missing in mode "intensity"."""
    if parameters.mode == "haematoxylin":
        return haematoxylin(block, parameters.white)
    chosen = block[..., parameters.channel] if parameters.channel is not None else block.mean(axis=-1)
    value = np.asarray(chosen, np.float32)
    return -value if parameters.dark else value


def _to_unit(value: np.ndarray, parameters: ClassicalParameters) -> np.ndarray:
    span = max(parameters.high - parameters.low, 1e-12)
    # What is not finite counts as 0, infinite numbers too.
    return np.clip(np.nan_to_num((value - parameters.low) / span, nan=0.0, posinf=0.0, neginf=0.0), 0, 1)


def _unit_values(block: np.ndarray, parameters: ClassicalParameters) -> np.ndarray:
    block = np.asarray(block)
    if block.ndim == len(parameters.spacing):
        block = block[..., None]
    return _to_unit(_raw(block, parameters), parameters)


def _smooth_values(block: np.ndarray, parameters: ClassicalParameters) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    unit = _unit_values(block, parameters)
    return gaussian_filter(unit, _SMOOTH[parameters.mode] * parameters.diameter / np.array(parameters.spacing))


def foreground(block: np.ndarray, parameters: ClassicalParameters) -> np.ndarray:
    """Where nuclei are.

    Parameters
    ----------
    block : ndarray (*spatial, C) or (*spatial)
        Part of the image `parameters` were fitted to, at full resolution.
    parameters : ClassicalParameters

    Returns
    -------
    ndarray (*spatial) bool
    """
    return _mask(_smooth_values(block, parameters), parameters)


def _mask(values: np.ndarray, parameters: ClassicalParameters) -> np.ndarray:
    from skimage.measure import label

    if parameters.blank or not values.size:
        return np.zeros(values.shape, bool)
    mask = values > parameters.threshold
    if not mask.any() or mask.all():
        return np.asarray(mask)
    gaps = label(~mask, connectivity=1)
    sizes = np.bincount(gaps.ravel())
    sizes[0] = parameters.least_pixels
    mask |= (sizes < parameters.least_pixels)[gaps] & ~_at_border(gaps)[gaps]
    return np.asarray(mask)


def _at_border(gaps: np.ndarray) -> np.ndarray:
    """Which components reach the block's border: a gap cut off there may be large; indexed by component."""
    result = np.zeros(int(gaps.max()) + 1, bool)
    for axis in range(gaps.ndim):
        result[np.take(gaps, 0, axis)] = True
        result[np.take(gaps, -1, axis)] = True
    return result


def _at_edges(labels: np.ndarray, block: np.ndarray, parameters: ClassicalParameters) -> np.ndarray:
    """Nuclei that end where brightness falls half-way to what is around them."""
    settings = EdgeSettings(
        parameters.diameter,
        spacing=parameters.spacing,
        smooth=(parameters.edge or 0.0) / parameters.diameter,
        around=_AROUND,
        ground=parameters.ground,
    )
    return outlines_at_half_maximum(labels, _unit_values(block, parameters), settings)


def segment_classical(block: np.ndarray, parameters: ClassicalParameters) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the nuclei of a block.

    Parameters
    ----------
    block : ndarray (*spatial, C) or (*spatial)
        Part of the image `parameters` were fitted to, at full resolution.
    parameters : ClassicalParameters

    Returns
    -------
    labels : ndarray (*spatial) uint32
        Ids 1..N.
    scores : ndarray (N,) float32
        Mean over the nucleus of how clearly pixels are above the threshold: 0.5 at it, towards 1 above. (Pixels that
        belong to a nucleus by its half maximum may lie below.)
    uncertainty : ndarray (N,) float32
        In [0, 1]: 1 where all pixels are at the threshold.
    """
    from skimage.segmentation import watershed

    values = _smooth_values(block, parameters)
    mask = _mask(values, parameters)
    if not mask.any():
        return np.zeros(values.shape, np.uint32), np.zeros(0, np.float32), np.zeros(0, np.float32)
    depth, seeds = seeds_by_shape(mask, parameters.diameter, parameters.spacing)
    labels = watershed(-depth, seeds, mask=mask)
    if parameters.edge is not None:
        labels = _at_edges(labels, block, parameters)
    sizes = np.bincount(labels.ravel())
    stays = sizes >= parameters.least_pixels
    stays[0] = False
    table = np.where(stays, np.cumsum(stays), 0)
    labels = table[labels].astype(np.uint32)
    count = int(stays.sum())
    inside = labels > 0
    sure = 1 / (1 + np.exp(-4 * (values[inside] - parameters.threshold) / parameters.softness))
    area = np.bincount(labels[inside], minlength=count + 1)[1:]
    scores = np.bincount(labels[inside], sure, count + 1)[1:] / area
    doubt = np.bincount(labels[inside], 4 * sure * (1 - sure), count + 1)[1:] / area
    return labels, scores.astype(np.float32), doubt.astype(np.float32)
