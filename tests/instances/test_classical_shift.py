"""Fainter and brighter: the threshold that was found, moved between the means of ground and nuclei."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from napari_nucleidomain.instances.classical import fit_classical, foreground, segment_classical

AMOUNTS = np.linspace(-1, 1, 9)


def discs(rng, strengths=(0.35, 1.0)):
    """Two kinds of discs, and what each is: amount of stain or light (120, 200), labels of the faint and the strong."""
    yy, xx = np.mgrid[:120, :200]
    amount, kinds = np.zeros((120, 200)), np.zeros((120, 200), int)
    for number, (row, column) in enumerate((y, x) for y in range(15, 120, 30) for x in range(15, 200, 28)):
        disc = (yy - row - rng.integers(-2, 3)) ** 2 + (xx - column) ** 2 <= 8**2
        amount[disc], kinds[disc] = strengths[number % 2], 1 + number % 2
    return amount, kinds


def picture(kind, amount, rng):
    """The discs as an image of a kind."""
    noise = rng.normal(0, 1, amount.shape)
    if kind == "stained":
        density = amount[..., None] * 0.7 * np.array([0.65, 0.70, 0.29]) + 0.15 * np.array([0.07, 0.99, 0.11])
        return np.clip(255 * 10**-density + 3 * noise[..., None], 0, 255).astype(np.uint8)
    light = 20 + 100 * amount + 2 * noise
    if kind == "dark":
        return np.clip(200 - light, 0, 255).astype(np.uint8)
    return {
        "8 bit": lambda: np.clip(light, 0, 255).astype(np.uint8),
        "16 bit": lambda: np.clip(400 * light, 0, None).astype(np.uint16),
        "signed": lambda: (light - 500).astype(np.int16),
        "float": lambda: (1e-5 * light).astype(np.float32),
    }[kind]()


@pytest.mark.parametrize("kind", ["stained", "dark", "8 bit", "16 bit", "signed", "float"])
def test_fainter_never_finds_less_and_the_ends_are_sensible(kind):
    rng = np.random.default_rng(1)
    amount, kinds = discs(rng)
    image = picture(kind, amount, rng)
    fitted = fit_classical(image, kind == "stained")
    masks = [foreground(image, fitted.shifted(shift)) for shift in AMOUNTS]
    for fainter, brighter in itertools.pairwise(masks):
        assert not (brighter & ~fainter).any()
    # The lower end takes the faint ones and not the ground; the upper one leaves the strong ones there.
    assert masks[0][kinds == 1].mean() > 0.8
    assert masks[0][kinds == 0].mean() < 0.3
    assert masks[-1][kinds == 1].mean() < 0.1
    assert masks[-1][kinds == 2].mean() > 0.4


@pytest.mark.parametrize("kind", ["stained", "16 bit"])
def test_it_changes_which_nuclei_are_found(kind):
    rng = np.random.default_rng(2)
    amount, kinds = discs(rng)
    image = picture(kind, amount, rng)
    fitted = fit_classical(image, kind == "stained")

    def found(shift):
        labels = segment_classical(image, fitted.shifted(shift))[0]
        return {k: len(np.unique(labels[(labels > 0) & (kinds == k)])) for k in (1, 2)}

    both = (kinds > 0).any() and 28
    assert sum(found(-0.8).values()) == both
    assert found(0.5)[1] == 0
    assert found(0.5)[2] == 14


def test_nothing_changes_in_the_middle_and_what_lies_beyond_is_the_end():
    rng = np.random.default_rng(3)
    fitted = fit_classical(picture("8 bit", discs(rng)[0], rng), False)
    assert fitted.shifted(0.0) is fitted
    assert fitted.shifted(-7) == fitted.shifted(-1)
    assert fitted.shifted(-1).threshold == pytest.approx(fitted.faintest)
    assert fitted.shifted(1).threshold == pytest.approx(fitted.brightest)
    ends = [replace(fitted, faintest=None, brightest=None).shifted(amount).threshold for amount in (-1, 1)]
    assert ends == pytest.approx([fitted.threshold + part * fitted.softness for part in (-0.9, 0.9)])


@pytest.mark.parametrize("noise", [2, 10, 25])
def test_the_faint_end_is_not_the_noise_of_the_ground(noise):
    rng = np.random.default_rng(4)
    amount, kinds = discs(rng, (1.0, 1.0))
    image = (500 + 100 * amount + noise * rng.normal(0, 1, amount.shape)).astype(np.float32)
    fitted = fit_classical(image, False)
    assert foreground(image, fitted.shifted(-1))[kinds == 0].mean() < 0.3


def test_where_nothing_is_nothing_is_found_at_any_place_of_the_slider():
    noise = np.random.default_rng(0).normal(100, 5, (120, 120))
    assert not segment_classical(noise, fit_classical(noise, False).shifted(-1))[0].any()
