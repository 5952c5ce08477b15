"""Corrections of a label image, one nucleus at a time: taken away, cut along a line, two made one.

Each function tells which pixels become what and changes nothing, so that the caller can do it as one step of an undo.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_nucleidomain.contracts import NucleiError

# A piece smaller than this is no nucleus but a slip of the hand.
LEAST_PIECE = 4


@dataclass(frozen=True)
class Edit:
    """A change of a label image.

    Attributes
    ----------
    places : tuple of ndarray (K,) int
        Pixels that change: one array for each axis.
    values : ndarray (K,)
        What they become, in the labels' dtype.
    touched : tuple of int
        Ids that are there afterwards and are not as they were; the one to go on from first.
    """

    places: tuple[np.ndarray, ...]
    values: np.ndarray
    touched: tuple[int, ...] = ()

    def apply(self, labels: np.ndarray) -> np.ndarray:
        """A changed copy."""
        changed = labels.copy()
        changed[self.places] = self.values
        return changed


def box_of(labels: np.ndarray, numbers: tuple[int, ...], pad: int = 0) -> tuple[slice, ...]:
    """The box round nuclei, widened by `pad` pixels inside the image.

    Raises
    ------
    NucleiError
        One of them is not there.
    """
    low, high = [], []
    for number in numbers:
        where = np.nonzero(labels == number)
        if not number or not len(where[0]):
            raise NucleiError("This nucleus is not there any more.", "Choose another one.")
        low.append([int(axis.min()) for axis in where])
        high.append([int(axis.max()) + 1 for axis in where])
    starts = np.maximum(np.min(low, axis=0) - pad, 0)
    stops = np.minimum(np.max(high, axis=0) + pad, labels.shape)
    return tuple(slice(int(a), int(b)) for a, b in zip(starts, stops, strict=True))


def free_id(labels: np.ndarray) -> int:
    """An id above all that are in use.

    Raises
    ------
    NucleiError
        The dtype holds no larger one.
    """
    number = int(labels.max(initial=0)) + 1
    if number > np.iinfo(labels.dtype).max:
        raise NucleiError(
            f"A layer of type {labels.dtype} holds no nucleus more.",
            "Convert it to a larger type: right click on the layer, Convert data type, uint32.",
        )
    return number


def delete(labels: np.ndarray, number: int) -> Edit:
    """Take a nucleus away.

    Parameters
    ----------
    labels : ndarray (..., Y, X), integers
    number : int

    Raises
    ------
    NucleiError
        There is none of this id.
    """
    box = box_of(labels, (number,))
    return _edit(labels, box, labels[box] == number, 0, ())


def line_pixels(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Pixels along a straight line in steps up, down, left or right, so that nothing slips through between corners.

    Parameters
    ----------
    start, stop : array_like (2,)
        Pixel coordinates.

    Returns
    -------
    ndarray (N, 2) int
    """
    start, stop = np.asarray(start, float), np.asarray(stop, float)
    steps = int(np.ceil(np.abs(stop - start).max() * 4)) + 1
    dense = np.floor(start + np.linspace(0, 1, steps + 1)[:, None] * (stop - start) + 0.5).astype(int)
    path = dense[np.r_[True, (np.diff(dense, axis=0) != 0).any(axis=1)]]
    diagonal = np.flatnonzero((np.diff(path, axis=0) != 0).all(axis=1))
    corners = np.stack([path[diagonal + 1, 0], path[diagonal, 1]], axis=1)
    return np.insert(path, diagonal + 1, corners, axis=0)


def split(labels: np.ndarray, start: np.ndarray, stop: np.ndarray, *, slip: float = 2.0) -> Edit:
    """Cut the nucleus that a line crosses; the larger side keeps the id, no pixel is lost.

    Of several nuclei on the line the one with the longest part of it is cut. In three axes the line is a knife
    that goes down through all planes of the nucleus.

    Parameters
    ----------
    labels : ndarray (..., Y, X), integers
    start, stop : array_like (ndim,)
        Ends of the line, pixel coordinates; the axes before the last two tell in which plane it was drawn.
    slip : float
        Pixels by which both ends are lengthened: a hand stops a little short of the edge.

    Raises
    ------
    NucleiError
        The line crosses no nucleus from edge to edge.
    """
    start, stop = np.asarray(start, float), np.asarray(stop, float)
    a, b = start[-2:], stop[-2:]
    length = float(np.linalg.norm(b - a))
    if length < 1:
        raise NucleiError("That was no line.", "Press beside the nucleus, drag across it, and let go on the far side.")
    path = line_pixels(a, b)
    lead = tuple(int(np.floor(one + 0.5)) for one in start[:-2])
    if not all(0 <= at < size for at, size in zip(lead, labels.shape, strict=False)):
        raise NucleiError("The result does not reach into this plane.", "Move the slider to a plane of the result.")
    plane = labels[lead]
    path = path[((path >= 0) & (path < plane.shape)).all(axis=1)]
    ids, pixels = np.unique(plane[tuple(path.T)], return_counts=True)
    order = np.argsort(-pixels[ids > 0], kind="stable")
    if not len(order):
        raise NucleiError("The line crosses no nucleus.", "Draw it across the nucleus to be cut.")
    longer = (b - a) / length * slip
    for number in ids[ids > 0][order]:
        found = _cut(labels, int(number), a - longer, b + longer)
        if found is not None:
            return found
    raise NucleiError(
        "The line does not cross the nucleus from edge to edge.",
        "Begin outside it and end outside it on the other side.",
    )


def _cut(labels: np.ndarray, number: int, a: np.ndarray, b: np.ndarray) -> Edit | None:
    from scipy.ndimage import distance_transform_edt, label

    box = box_of(labels, (number,), pad=1)
    nucleus = labels[box] == number
    offset = np.array([box[-2].start, box[-1].start])
    path = line_pixels(a, b) - offset
    path = path[((path >= 0) & (path < nucleus.shape[-2:])).all(axis=1)]
    knife = np.zeros(nucleus.shape[-2:], bool)
    knife[tuple(path.T)] = True
    # A nucleus may lie in several pieces already: only the one under the knife is cut.
    whole, _ = label(nucleus, structure=np.ones((3,) * labels.ndim))
    under = np.bincount(whole[nucleus & knife], minlength=1)
    if not under.sum():
        return None
    piece = whole == int(np.argmax(under))
    cut = piece & knife
    pieces, count = label(piece & ~cut, structure=np.ones((3,) * labels.ndim))
    if count < 2:
        return None
    side = _sides(pieces, count, cut, a - offset, b - offset)
    # Pixels under the line go to the side that is nearest.
    nearest = distance_transform_edt(pieces == 0, return_distances=False, return_indices=True)
    of = side[pieces[tuple(nearest)]]
    sizes = np.array([(nucleus & (of == one)).sum() for one in (0, 1)])
    if sizes.min() < LEAST_PIECE:
        return None
    new = free_id(labels)
    return _edit(labels, box, nucleus & (of == int(np.argmin(sizes))), new, (number, new))


def _sides(pieces: np.ndarray, count: int, cut: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Side (0 or 1) of each piece, at its number; judged where it touches the cut, else by where it lies."""
    from scipy.ndimage import binary_dilation

    rows, columns = np.ogrid[tuple(slice(0, size) for size in pieces.shape[-2:])]
    across = (b[0] - a[0]) * (columns - a[1]) - (b[1] - a[1]) * (rows - a[0])
    sign = np.broadcast_to(np.sign(across), pieces.shape)
    touching = binary_dilation(cut, structure=np.ones((3,) * cut.ndim)) & (pieces > 0)
    votes = np.bincount(pieces[touching], weights=sign[touching], minlength=count + 1)
    mute = votes == 0
    votes[mute] = np.bincount(pieces.ravel(), weights=sign.ravel(), minlength=count + 1)[mute]
    side = (votes > 0).astype(int)
    if len(set(side[1:])) == 1:
        # The line bends round a hook of the nucleus: all pieces lie on one side, and the largest keeps the id.
        side[1:] = 1
        side[1 + int(np.argmax(np.bincount(pieces.ravel(), minlength=count + 1)[1:]))] = 0
    return side


def join(labels: np.ndarray, first: int, second: int, *, most_gap: float | None = None) -> Edit:
    """Make two nuclei one; the larger one's id stays, and a small gap between them is filled.

    Parameters
    ----------
    labels : ndarray (..., Y, X), integers
    first, second : int
    most_gap : float, optional
        Widest gap in pixels that is bridged; a quarter of the smaller one's diameter, at least 3, when not given.

    Raises
    ------
    NucleiError
        They are one already, lie too far apart, or another nucleus lies between.
    """
    if first == second:
        raise NucleiError("Both clicks are in one nucleus.", "Click the two that should be one.")
    sizes = {one: int(np.count_nonzero(labels == one)) for one in (first, second)}
    keep, go = (first, second) if sizes[first] >= sizes[second] else (second, first)
    box = box_of(labels, (first, second), pad=1)
    here = labels[box]
    a, b = here == first, here == second
    if most_gap is None:
        most_gap = max(3.0, _diameter(min(sizes.values()), [size for size in labels.shape if size > 1]) / 4)
    bridge = _bridge(here, a, b, most_gap)
    return _edit(labels, box, (here == go) | bridge, keep, (keep,))


def _diameter(size: int, extent: list[int]) -> float:
    if len(extent) >= 3:
        return float(2 * (3 * size / (4 * np.pi)) ** (1 / 3))
    return float(2 * np.sqrt(size / np.pi))


def _bridge(here: np.ndarray, a: np.ndarray, b: np.ndarray, most_gap: float) -> np.ndarray:
    """Background between two nuclei that makes them one piece; none where they touch."""
    from scipy.ndimage import distance_transform_edt, label

    to_a, to_b = distance_transform_edt(~a), distance_transform_edt(~b)
    apart = float(to_a[b].min())
    if apart <= np.sqrt(here.ndim) + 1e-6:
        return np.zeros(here.shape, bool)
    # Pixel centres are `apart`; what is empty between them is one less.
    gap = apart - 1
    if gap > most_gap:
        raise NucleiError(
            f"They lie {gap:.0f} px apart; up to {most_gap:.0f} px are bridged.",
            "Paint the piece between them with napari's brush, then join them.",
        )
    bridge = (here == 0) & (to_a + to_b <= apart + 1)
    both, _ = label(a | b | bridge, structure=np.ones((3,) * here.ndim))
    nearest_b = np.flatnonzero((b & (to_a <= apart + 1e-6)).ravel())
    joined = set(both[a].tolist()) & set(both.ravel()[nearest_b].tolist())
    if not joined:
        raise NucleiError("Another nucleus lies between them.", "Join each of them with the one between, or delete it.")
    return bridge & np.isin(both, list(joined))


def _edit(labels: np.ndarray, box: tuple[slice, ...], mask: np.ndarray, value: int, touched: tuple[int, ...]) -> Edit:
    places = tuple(axis + part.start for axis, part in zip(np.nonzero(mask), box, strict=True))
    return Edit(places, np.full(len(places[0]), value, labels.dtype), touched)
