"""The numbers of AD-GAN's presets against the paper (section 4.2, Table 9) and the authors' program."""

from __future__ import annotations

import pytest

from napari_nucleidomain.instances.synthesis.presets import TABLE_9
from napari_nucleidomain.methods.adgan import SPEC
from napari_nucleidomain.methods.adgan.config import AdganConfig
from napari_nucleidomain.methods.adgan.forecast import forecast
from napari_nucleidomain.methods.adgan.segment import network_settings
from napari_nucleidomain.methods.adgan.sizes import Drawn, mask_of
from napari_nucleidomain.methods.adgan.train import loss_settings
from napari_nucleidomain.networks.adgan import CODE_LOSSES, PAPER_LOSSES, TABLE_3


def built(preset: str, **changes: object) -> AdganConfig:
    made = SPEC.config.build(SPEC.preset(preset).values, dict(changes))
    assert isinstance(made, AdganConfig)
    return made


def test_paper_is_section_4_2() -> None:
    paper = built("paper")
    assert (paper.rate, paper.weight_decay, paper.steps, paper.constant) == (1e-4, 1e-4, 10000, 0.5)
    assert (paper.crop_px, paper.batch) == (256, 16)
    assert (paper.crop_z, paper.crop_volume_px, paper.batch_volume) == (64, 128, 4)
    assert (paper.steps_of(2), paper.steps_of(3)) == (10000, 10000)
    assert paper.work_diameter(3) == paper.smooth(3) == paper.edge == 0
    assert loss_settings(paper) == PAPER_LOSSES
    flat, deep = network_settings(paper, 2), network_settings(paper, 3)
    assert (flat.base, deep.base, flat.blocks, flat.style_width, flat.up) == (64, 32, 4, 256, "transposed")
    assert (paper.average_decay, paper.head_start, paper.own_scale, paper.choose, paper.gamma) == (
        0,
        0,
        False,
        False,
        1,
    )
    assert (paper.low, paper.high, paper.mirrored, paper.turn) == (-0.5, 0.5, False, 30)


def test_code_is_the_authors_program() -> None:
    code = built("code")
    assert (code.rate, code.batch, code.style_width) == (2e-4, 8, 64)
    assert loss_settings(code) == CODE_LOSSES


@pytest.mark.parametrize("name", list(TABLE_9))
def test_every_row_of_table_9_is_a_preset_with_its_very_numbers(name: str) -> None:
    row, config = TABLE_9[name], built(f"paper-{name}")
    assert config.form == row.form
    assert config.resize == row.resize
    diameter = config.diameter_px
    count = (config.count_least, config.count_most)
    drawn = Drawn(
        diameter, diameter * config.size_least, diameter * config.size_most, 0.0, 1.0, count, (diameter,), 0, 0
    )
    shape = (256, 256) if row.ndim == 2 else (64, 128, 128)
    masks = mask_of(config, drawn, shape, drawn.count)
    assert masks.semi_major == pytest.approx(row.semi_major)
    assert masks.count == row.count
    assert masks.eccentricity == (0.25, 0.75)


@pytest.mark.parametrize("column", list(TABLE_3))
def test_every_column_of_table_3_can_be_set(column: str) -> None:
    wanted = TABLE_3[column]
    names = (
        "reconstruction",
        "cycle",
        "content",
        "adversarial",
        "gan",
        "aligned",
        "real",
        "halves",
        "content_goal",
        "pool",
    )
    changes = {name: getattr(wanted.losses, name) for name in names}
    made = built("code", style_in_encoder=wanted.style_in_encoder, **changes)
    assert loss_settings(made) == wanted.losses
    assert network_settings(made, 2).style_in_encoder == wanted.style_in_encoder


def test_the_forecast_grows_with_the_work() -> None:
    quick, paper = forecast(built("quick")), forecast(built("paper"))
    assert quick[0] == "small"
    assert paper[0] == "large"
    assert forecast(built("quick", batch=8))[2] == pytest.approx(2 * quick[2])
    assert quick[1] == 4000


def test_the_forecast_of_volumes_goes_by_their_own_settings() -> None:
    flat, deep = forecast(built("quick"), 2), forecast(built("quick"), 3)
    assert flat == forecast(built("quick"))
    assert (deep[0], deep[1]) == ("small", 500) and deep[2] != flat[2]
    quick = built("quick")
    for name, value, power in (
        ("batch_volume", 2 * quick.batch_volume, 1),
        ("crop_z", 2 * quick.crop_z, 1),
        ("crop_volume_px", 2 * quick.crop_volume_px, 2),
        ("width_volume", 2 * quick.width_volume, 2),
    ):
        changed = built("quick", **{name: value})
        assert forecast(changed, 2) == flat
        assert forecast(changed, 3)[2] == pytest.approx(2**power * deep[2]), name
    assert forecast(built("quick", batch=8, crop_px=192, width=32), 3) == deep
    assert forecast(built("paper"), 3)[0] == "large"
