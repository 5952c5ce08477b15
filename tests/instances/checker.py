"""A simulated person who judges a result by eye as complete outlines would."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import center_of_mass

from napari_nucleidomain.instances.errormap import ErrorClass, error_map
from napari_nucleidomain.instances.spotcheck import SpotCheck, Verdict, draw_check, held_in, judge


class Checker:
    """Knows the truth; judges what is drawn.

    Parameters
    ----------
    found, truth : ndarray (Y, X)
        Label images.
    """

    def __init__(self, found: np.ndarray, truth: np.ndarray) -> None:
        self.shape = found.shape
        table = error_map(found, truth).table
        mine = table["side"] == "predicted"
        self.ids = table["id"][mine]
        self.right = dict(zip(self.ids.tolist(), (table["error"][mine] == ErrorClass.FOUND).tolist(), strict=True))
        others, error = table["id"][~mine], table["error"][~mine]
        self.centres = np.array(center_of_mass(found > 0, found, self.ids))
        self.missed = np.array(center_of_mass(truth > 0, truth, others[error != ErrorClass.FOUND])).reshape(-1, 2)
        hits = sum(self.right.values())
        self.precision = hits / len(self.ids)
        self.f1 = 2 * hits / (len(self.ids) + len(others))

    def draw(self, seed: int, **how) -> SpotCheck:
        """A new check."""
        return draw_check(self.ids, self.centres, self.shape, seed=seed, **how)

    def look(self, seed: int, **how) -> Verdict:
        """Draw, judge all of it, and say what came out."""
        check = self.draw(seed, **how)
        check.answers = ["right" if self.right[one] else "wrong" for one in check.ids]
        check.counts = [int(held_in(self.missed, square).sum()) for square in check.fields]
        return judge(check)
