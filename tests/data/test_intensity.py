"""Numbers to 0..1."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.intensity import IntensityRange

RNG = np.random.default_rng(1)


def test_colours_of_eight_bits_are_divided_by_255() -> None:
    block = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    unit = IntensityRange.fit(block // 4).to_unit(block)
    assert unit.dtype == np.float32
    np.testing.assert_allclose(unit, block / 255, atol=1e-6)


def test_percentiles_are_of_each_channel() -> None:
    block = np.stack([np.arange(10001), 3 * np.arange(10001) + 5], axis=-1).astype(np.uint16).reshape(73, 137, 2)
    found = IntensityRange.fit(block)
    assert found.low == pytest.approx((10, 35))
    assert found.high == pytest.approx((9990, 29975))
    unit = found.to_unit(block)
    np.testing.assert_allclose(unit[..., 0], unit[..., 1], atol=1e-5)
    assert (unit.min(), unit.max()) == (0, 1)


def test_constant_channel_becomes_zero() -> None:
    block = np.stack([np.full((9, 9), 7.0), RNG.normal(size=(9, 9))], axis=-1)
    unit = IntensityRange.fit(block).to_unit(block)
    assert (unit[..., 0] == 0).all()
    assert unit[..., 1].max() == 1


def test_a_few_bright_spots_are_not_lost() -> None:
    block = np.zeros((100, 100, 1), np.uint16)
    block[5, 5:8] = 900
    assert IntensityRange.fit(block).to_unit(block).max() == 1


def test_not_finite_numbers_become_zero() -> None:
    block = RNG.random((20, 20, 2)).astype(np.float32)
    block[0, 0, 0], block[1, 1, 1], block[2, 2, 0] = np.nan, np.inf, -np.inf
    unit = IntensityRange.fit(block).to_unit(block)
    assert np.isfinite(unit).all()
    assert unit[0, 0, 0] == unit[1, 1, 1] == unit[2, 2, 0] == 0
    nothing = np.full((4, 4, 1), np.nan)
    assert (IntensityRange.fit(nothing).to_unit(nothing) == 0).all()


def test_bool_and_large_integers() -> None:
    mask = RNG.random((8, 8, 1)) > 0.5
    np.testing.assert_array_equal(IntensityRange.fit(mask).to_unit(mask), mask.astype(np.float32))
    large = (2_000_000_000 + np.arange(100, dtype=np.uint32)).reshape(10, 10, 1)
    unit = IntensityRange(low=(2e9,), high=(2e9 + 99,)).to_unit(large)
    np.testing.assert_allclose(unit.ravel(), np.arange(100) / 99, atol=1e-6)


def test_json_round_trip_and_damage() -> None:
    found = IntensityRange.fit(RNG.random((20, 20, 2)))
    assert IntensityRange.from_json(json.loads(json.dumps(found.to_json()))) == found
    for wrong in ({}, {"low": [1], "high": [0]}, {"low": [1, 2], "high": [3]}, "x"):
        with pytest.raises(NucleiError, match="damaged"):
            IntensityRange.from_json(wrong)
    with pytest.raises(ValueError, match="channels"):
        found.to_unit(np.zeros((3, 3, 1)))


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 1e4), st.floats(-1e4, 1e4))
def test_scaling_the_image_changes_nothing(factor: float, shift: float) -> None:
    """Brighter exposure, or another offset of the camera, gives the same result."""
    block = np.random.default_rng(5).random((12, 12, 1))
    other = block * factor + shift
    np.testing.assert_allclose(
        IntensityRange.fit(block).to_unit(block), IntensityRange.fit(other).to_unit(other), atol=1e-3
    )
