"""What the data offers for a training and what it lacks. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from .images_groups import divided
from .points_region import needs_region
from .wording import count

if TYPE_CHECKING:
    from napari_nucleidomain.contracts import MethodSpec
    from napari_nucleidomain.data.points import Finding

    from .entry import ImageEntry

LEAST_CLICKS = 20
GOOD_CLICKS = 60
_SCALES_APART = 1.5


@dataclass(frozen=True)
class Check:
    """One line of the list.

    Attributes
    ----------
    level : {"ok", "warning", "stop"}
        "stop": a training cannot begin.
    goto : str
        Dock that mends it ("images", "points"), or "".
    ask : str
        Id of the image about which to ask whether every nucleus round its clicks, or in its regions, is clicked; or "".
    instead : str
        `MethodSpec.needs` of what would do instead, where this will not.
    """

    level: Literal["ok", "warning", "stop"]
    text: str
    goto: str = ""
    ask: str = ""
    instead: str = ""

    @property
    def sign(self) -> str:
        """✓, ⚠ or ✗."""
        return {"ok": "✓", "warning": "⚠", "stop": "✗"}[self.level]


def likely_method(entries: Iterable[ImageEntry], specs: Mapping[str, MethodSpec]) -> str:
    """The method for what the images have: clicks where there are some, else outlines; or "".

    Without either: nothing is needed where all are fluorescence; stained tissue will be clicked.
    """
    from .train_images_only import all_fluorescence, is_stained

    used = [one for one in entries if one.use == "train" and not one.problem]
    needs = ""
    if any(len(one.points) for one in used):
        needs = "points"
    elif any(one.labels is not None for one in used):
        needs = "labels"
    elif not any(one.corrections is not None for one in used):
        needs = "points" if any(map(is_stained, used)) else "nothing"
    found = next((name for name, spec in specs.items() if spec.needs == needs), "")
    return found if needs != "nothing" or not found or all_fluorescence(used) else ""


def check_data(entries: Sequence[ImageEntry], needs: str) -> list[Check]:
    """Every line for a method of this supervision.

    Parameters
    ----------
    entries : sequence of ImageEntry
    needs : {"points", "labels", "nothing", "labels elsewhere"}
        As in `MethodSpec.needs`.
    """
    usable = [entry for entry in entries if not entry.problem]
    if not entries:
        return [Check("stop", "No images yet.", "images")]
    if needs == "nothing":
        from .train_images_only import check_images_only, used_images

        checks, chosen = check_images_only(usable), used_images(usable)
    else:
        checks = _check_points(usable) if needs == "points" else _check_labels(usable, needs)
        chosen = [entry for entry in usable if entry.use == "train" and _taught(entry, needs)]
        # Without annotation one channel is learned from, whatever the image has beside it.
        checks += _check_channels(chosen)
    checks += _check_scale(chosen) + _check_groups(usable)
    broken = len(entries) - len(usable)
    if broken:
        checks.append(Check("warning", f"{count(broken, 'image')} cannot be read and will be left out.", "images"))
    return checks


def stops(checks: Iterable[Check]) -> Check | None:
    """The first line that keeps a training from starting."""
    return next((check for check in checks if check.level == "stop"), None)


def questions(checks: Iterable[Check]) -> list[str]:
    """Ids of the images about which to ask before the start."""
    return [check.ask for check in checks if check.ask]


def _taught(entry: ImageEntry, needs: str) -> bool:
    if needs == "points":
        return len(entry.points) > 0 or entry.corrections is not None
    return _outlined(entry) if needs == "labels" else True


def _outlined(entry: ImageEntry) -> bool:
    return entry.labels is not None or entry.corrections is not None


def _check_points(usable: Sequence[ImageEntry]) -> list[Check]:
    clicked = [entry for entry in usable if entry.use == "train" and _taught(entry, "points")]
    if not clicked:
        if any(entry.use != "train" and _taught(entry, "points") for entry in usable):
            text = "No image with clicks is used for training: set Use to “train and check” in"
            return [Check("stop", text, "images")]
        return [Check("stop", "No clicks yet. Click once inside every nucleus of a small area.", "points")]
    beside = [Check("warning", f"{entry.name}: {words}", "points") for entry in clicked if (words := _misplaced(entry))]
    clicks, corrected = sum(_teaching(entry) for entry in clicked), sum(_corrected(entry) for entry in clicked)
    said = f"{count(len(clicked), 'image')}, {count(clicks, 'click')}"
    if corrected:
        said += f", {count(corrected, 'corrected outline')}"
    if clicks + corrected < LEAST_CLICKS:
        text = f"Only {count(clicks, 'click')}; {LEAST_CLICKS} is the least that works."
        return [Check("stop", text, "points"), *beside]
    checks = [Check("ok", said), *_unticked(clicked), *beside]
    if clicks + corrected < GOOD_CLICKS:
        checks.append(Check("warning", f"{GOOD_CLICKS} clicks or more give a steadier model.", "points"))
    checks += [check for entry in clicked for check in _check_area(entry)]
    held = [entry for entry in usable if entry.use == "check" and (len(entry.points) or entry.labels is not None)]
    if held:
        text = f"{count(len(held), 'image')} kept for checking only: not learned from, to compare with in Review."
        checks.append(Check("ok", text))
    checks.append(Check("ok", "1 click in 5 is kept back, to tell how good the model is."))
    return checks


def _unticked(clicked: Sequence[ImageEntry]) -> list[Check]:
    """Images that teach though their tick is off: it is easily taken for the way to leave them out."""
    off = [entry.name for entry in clicked if not entry.ticked]
    if not off:
        return []
    names = ", ".join(off[:3]) + (" …" if len(off) > 3 else "")
    text = f"{names}: not ticked, but learned from. To leave it out set Use to “predict only” in"
    return [Check("ok", text, "images")]


def _place_findings(entry: ImageEntry) -> list[Finding]:
    """Clicks that do not lie on their image, or have other axes."""
    from napari_nucleidomain.data.points import check_points

    if entry.image is None:
        return []
    shape = tuple(entry.image.spatial_shape)
    # Of a stack whose planes are pictures of their own, the clicks also have the plane in front.
    points = entry.points[:, -len(shape) :] if entry.image.plane_axes else entry.points
    return [one for one in check_points(points, shape) if one.kind in ("dimension", "outside", "other-image")]


def _misplaced(entry: ImageEntry) -> str:
    return " ".join(one.message for one in _place_findings(entry))


def _teaching(entry: ImageEntry) -> int:
    """Clicks that a training would use: none where they belong to another image."""
    found = _place_findings(entry)
    if any(one.severity == "error" for one in found):
        return 0
    return len(entry.points) - sum(len(one.indices) for one in found)


def _corrected(entry: ImageEntry) -> int:
    return entry.corrections.nuclei if entry.corrections is not None else 0


def _check_area(entry: ImageEntry) -> list[Check]:
    if entry.regions:
        found = []
        outside = _outside(entry)
        if outside:
            found.append(Check("warning", f"{entry.name}: {count(outside, 'click')} outside every region.", "points"))
        if not entry.complete:
            # The question itself comes once Train is pressed.
            text = (
                f"{entry.name}: not said yet that every nucleus in its regions is clicked. "
                "What lies between the clicks there is taken for background."
            )
            found.append(Check("warning", text, "points", ask=entry.id))
        return found
    if not len(entry.points) or not needs_region(entry):
        return []
    text = f"{entry.name}: no region drawn. Only the area round its clicks will be used."
    return [Check("warning", text, "points", ask=entry.id)]


def _outside(entry: ImageEntry) -> int:
    from skimage.measure import points_in_poly

    plane = entry.points[:, -2:]
    inside = np.zeros(len(plane), dtype=bool)
    for region in entry.regions:
        inside |= points_in_poly(plane, np.asarray(region)[:, -2:])
    return int((~inside).sum())


def _check_labels(usable: Sequence[ImageEntry], needs: str) -> list[Check]:
    outlined = [entry for entry in usable if _outlined(entry) and entry.use == "train"]
    if not outlined:
        if any(_outlined(entry) for entry in usable):
            text = "No image with outlines is used for training: set Use to “train and check” in"
            return [Check("stop", text, "images")]
        return [Check("stop", "No outlines of nuclei yet. Attach some, or correct a result in Review.", "images")]
    said = f"{count(len(outlined), 'image')} with outlines"
    if corrected := sum(_corrected(entry) for entry in outlined):
        said += f", {count(corrected, 'nucleus', 'nuclei')} of them corrected in Review"
    checks = [Check("ok", said), *_unticked(outlined)]
    checks += [
        Check(
            "ok", f"{entry.name}: only its {count(len(entry.regions), 'region')} will be used, not all of its outlines."
        )
        for entry in outlined
        if entry.regions and entry.labels is not None
    ]
    if needs == "labels elsewhere" and len(outlined) == len(usable):
        checks.append(Check("stop", "Every image has outlines; this needs images without them as well.", "images"))
    if needs == "labels":
        held = [entry for entry in usable if entry.use == "check" and _outlined(entry)]
        text = "Up to 1 nucleus in 5 is kept back (150 at most), to tell how good the model is."
        checks.append(Check("ok", f"{count(len(held), 'image')} kept for checking." if held else text))
    return checks


def _check_channels(chosen: Sequence[ImageEntry]) -> list[Check]:
    kinds: dict[str, list[str]] = {}
    for entry in chosen:
        if entry.image is not None:
            word = "colour" if entry.image.rgb else count(entry.image.n_channels, "channel")
            kinds.setdefault(word, []).append(entry.name)
    if len(kinds) < 2:
        return []
    said = " and ".join(f"{word} ({names[0]}{' …' if len(names) > 1 else ''})" for word, names in kinds.items())
    return [Check("stop", f"The images are of different kinds: {said}. Train on one kind.", "images")]


def _check_groups(usable: Sequence[ImageEntry]) -> list[Check]:
    """A project of an earlier version may hold such; what is known of a patient would be called a good score."""
    text = "Images of the group {} are both learned from and kept for checking: give them one Use in"
    return [Check("stop", text.format(group), "images") for group in divided(usable)]


def _check_scale(chosen: Sequence[ImageEntry]) -> list[Check]:
    sizes = [entry.pixel_size_um[-1] for entry in chosen if entry.pixel_size_um]
    if sizes and max(sizes) / min(sizes) > _SCALES_APART:
        apart = f"{min(sizes):.3g} to {max(sizes):.3g} µm"
        text = f"Pixel sizes differ: {apart}. Nuclei should be of about one size in pixels."
        return [Check("warning", text, "images")]
    return []
