"""The weight of colour against distance in the three clusters."""

from __future__ import annotations

import numpy as np
import pytest

from napari_nucleidomain.methods.spn_ien import SPEC
from napari_nucleidomain.methods.spn_ien.clustering import ClusterSettings
from napari_nucleidomain.methods.spn_ien.pseudo_labels import make_pseudo_labels

from .scenes import discs, stained


@pytest.mark.parametrize("preset", ["paper", "paper-tnbc"])
def test_the_baseline_weighs_colours_as_published_in_every_preset(preset: str) -> None:
    values = SPEC.preset(preset).values
    names = ("colour_weight", "max_distance_px")
    settings = ClusterSettings(adaptive=False, **{name: values[name] for name in names if name in values})
    a_unit_of_colour = settings.colour_weight / settings.fixed_sigma * settings.max_distance_px
    assert a_unit_of_colour == pytest.approx(255 / 10)


def test_lambda_changes_nothing_in_the_baseline() -> None:
    truth, clicks = discs()
    picture, inside = stained(truth) / np.float32(255), np.ones(truth.shape, bool)
    made = [
        make_pseudo_labels(picture, clicks, inside, ClusterSettings(colour_weight=weight, adaptive=adaptive), seed=0)
        for adaptive in (False, True)
        for weight in (0.02, 1.0)
    ]
    np.testing.assert_array_equal(made[0].clusters, made[1].clusters)
    # Where lambda does count, these two differ.
    assert (made[2].clusters != made[3].clusters).any()
