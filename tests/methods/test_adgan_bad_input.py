"""What AD-GAN says of images it cannot learn from, and of models that are damaged or another's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.contracts import ModelCard, NucleiError
from napari_nucleidomain.data.dataset import open_dataset
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.inference.model_files import save_model
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.methods.adgan.brightness import brightness_of
from napari_nucleidomain.methods.adgan.config import AdganConfig
from napari_nucleidomain.methods.adgan.facts import read_facts
from napari_nucleidomain.methods.adgan.pictures import fitting, load_pictures
from napari_nucleidomain.methods.adgan.segment import load
from napari_nucleidomain.methods.adgan.sizes import (
    crop_shape,
    factors_of,
    find_sizes,
    mask_settings,
    own_diameter,
)
from napari_nucleidomain.methods.adgan.train import train

from .fake_run import FakeRun
from .scenes import discs, stained
from .test_adgan_training import balls, config, deep, flat, fluorescence


class Heard:
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, message: str, hint: str) -> None:
        self.said.append(f"{message} {hint}")


def write(folder: Path, **images: np.ndarray) -> Path:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for name, pixels in images.items():
        rgb = pixels.ndim == 3 and pixels.shape[-1] == 3
        axes = {2: "YX", 3: "ZYX"}[pixels.ndim]
        meta: dict[str, Any] = {"axes": axes} if not rgb else {}
        kind = "rgb" if rgb else "minisblack"
        tifffile.imwrite(folder / "images" / f"{name}.tif", pixels, metadata=meta, photometric=kind, imagej=not rgb)
    return folder


def pictures(folder: Path, heard: Heard | None = None, z_step: float = 0.0) -> list[Any]:
    return load_pictures(open_dataset(folder), z_step, heard or Heard())


def test_a_stained_section_is_led_to_clicks(tmp_path: Path) -> None:
    folder = write(tmp_path, a=stained(discs()[0]))
    with pytest.raises(NucleiError, match="fluorescence") as error:
        pictures(folder)
    assert "spn-ien" in error.value.hint


def test_colours_are_asked_which_channel(tmp_path: Path) -> None:
    one = (fluorescence(discs()[0]) / 16).astype(np.uint8)
    rgb = np.stack([one // 4, np.roll(one, 9, 0), one // 9], -1)
    folder = write(tmp_path, a=rgb)
    with pytest.raises(NucleiError, match="3 channels") as error:
        pictures(folder)
    assert "channel" in error.value.hint


def test_flat_images_and_volumes_do_not_mix(tmp_path: Path) -> None:
    deep(tmp_path)
    folder = write(tmp_path, b=fluorescence(discs()[0]))
    with pytest.raises(NucleiError, match="one model cannot learn from both"):
        pictures(folder)


def test_a_volume_must_say_how_far_apart_its_planes_are(tmp_path: Path) -> None:
    deep(tmp_path, size=None)
    with pytest.raises(NucleiError, match="how far apart") as error:
        pictures(tmp_path)
    assert "z_step" in error.value.hint
    assert pictures(tmp_path, z_step=2.0)[0].spacing == (2.0, 1.0, 1.0)


def test_a_volume_of_few_planes_is_left_out(tmp_path: Path) -> None:
    folder = write(tmp_path, a=fluorescence(balls())[:3])
    with pytest.raises(NucleiError, match="too thin") as error:
        pictures(folder, z_step=1.0)
    assert "flat images" in error.value.hint


def test_a_volume_thinner_than_the_crop_is_mirrored(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", a=fluorescence(balls())[6:28])
    run = FakeRun(tmp_path / "run", steps=2)
    train(run, open_dataset(folder), config(z_step=1.0, ask=False))
    built = run.build()
    assert built is not None
    assert built[1].normalisation["crop"] == [24, 32, 32]


def test_blank_and_noise_are_left_out_and_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    blank, noise = np.full((140, 140), 700, np.uint16), rng.normal(500, 30, (140, 140)).astype(np.uint16)
    folder = write(tmp_path, good=fluorescence(discs()[0]), blank=blank, noise=noise)
    heard = Heard()
    assert [one.name for one in pictures(folder, heard)] == ["good"]
    assert sum("stands out" in said for said in heard.said) == 2
    alone = write(tmp_path / "alone", noise=noise)
    with pytest.raises(NucleiError, match="No training image can be used"):
        pictures(alone)


def test_bit_depths_may_be_mixed_and_nan_is_ground(tmp_path: Path) -> None:
    labels = discs()[0]
    deep16, flat8 = fluorescence(labels), (fluorescence(labels) / 16).clip(0, 255).astype(np.uint8)
    holed = fluorescence(labels).astype(np.float32)
    holed[:20] = np.nan
    heard = Heard()
    made = {one.name: one for one in pictures(write(tmp_path, a=deep16, b=flat8, c=holed), heard)}
    assert set(made) == {"a", "b", "c"}
    assert abs(float(made["a"].pixels.mean()) - float(made["b"].pixels.mean())) < 0.02
    assert float(np.abs(made["c"].pixels[:20]).max()) == 0.0
    assert any("not finite" in said for said in heard.said)


def test_sizes_that_cannot_be_are_refused(tmp_path: Path) -> None:
    dataset = flat(tmp_path / "data")
    made = load_pictures(dataset, 0.0, Heard())
    with pytest.raises(NucleiError, match="larger than the images"):
        find_sizes(made, config(diameter_px=500.0), Heard())
    with pytest.raises(NucleiError, match="in a mask"):
        find_sizes(made, config(count_least=9, count_most=3), Heard())
    with pytest.raises(NucleiError, match="eccentricity"):
        find_sizes(made, config(eccentricity_least=0.8, eccentricity_most=0.3), Heard())


def test_what_the_user_says_is_obeyed_and_the_rest_estimated(tmp_path: Path) -> None:
    made = load_pictures(flat(tmp_path / "data"), 0.0, Heard())
    found = find_sizes(made, config(own_scale=False), Heard())
    assert 14 < found.diameter < 20
    assert found.blobs >= 15
    said = find_sizes(made, config(own_scale=False, diameter_px=30.0), Heard())
    assert said.diameter == 30.0
    assert said.blobs == 0
    assert said.low / said.diameter == pytest.approx(found.low / found.diameter)
    exact = find_sizes(
        made, config(diameter_px=30.0, size_least=0.5, size_most=2.0, count_least=1, count_most=4), Heard()
    )
    assert (exact.low, exact.high, exact.count) == (15.0, 60.0, (1, 4))


def test_drawn_masks_cover_as_much_as_nuclei_do(tmp_path: Path) -> None:
    from napari_nucleidomain.instances.synthesis import draw_mask

    made = load_pictures(flat(tmp_path / "data"), 0.0, Heard())
    settings = config()
    drawn = find_sizes(made, settings, Heard())
    side = crop_shape(settings, [(100, 100)])
    masks = mask_settings(settings, drawn, side, Heard())
    rng = np.random.default_rng(1)
    covered = np.mean([(draw_mask(masks, rng).labels > 0).mean() for _ in range(100)])
    true = np.mean([(discs(seed=k)[0] > 0).mean() for k in (0, 1)])
    assert abs(covered - true) < 0.06


def test_too_full_masks_are_told_of(tmp_path: Path) -> None:
    heard = Heard()
    made = load_pictures(flat(tmp_path / "data"), 0.0, Heard())
    drawn = find_sizes(made, config(count_least=40, count_most=60), Heard())
    mask_settings(config(), drawn, (48, 48), heard)
    assert any("found room" in said for said in heard.said)


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    """Instance normalisation makes nuclei of noise; empty tiles and empty images are never shown to the network."""
    dataset = flat(tmp_path / "data")
    run = FakeRun(tmp_path / "run", steps=2)
    train(run, dataset, config(ask=False))
    weights, card = run.build()
    save_model(tmp_path / "model", weights, card)
    segmenter = load(tmp_path / "model", card, "cpu")
    rng = np.random.default_rng(3)
    noise = write(tmp_path / "n", a=rng.normal(500, 30, (200, 200)).clip(0).astype(np.uint16)) / "images" / "a.tif"
    assert segment(open_image(noise), segmenter, Scale(1.0, "")).labels.max() == 0
    half = fluorescence(np.pad(discs()[0], ((0, 0), (0, 140))), 5)
    path = write(tmp_path / "h", a=half) / "images" / "a.tif"
    image = open_image(path)
    scene = segmenter.prepare(image, None)
    empty = scene.brightness.to_unit(half[:, 170:, None])
    assert (segmenter.paint(empty, scene) == -1).all()


def test_a_model_of_volumes_and_a_flat_image_do_not_go_together(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run", steps=1)
    train(run, deep(tmp_path / "data"), config(ask=False))
    weights, card = run.build()
    save_model(tmp_path / "model", weights, card)
    flat_image = open_image(write(tmp_path / "f", a=fluorescence(discs()[0])) / "images" / "a.tif")
    with pytest.raises(NucleiError, match="volumes"):
        segment(flat_image, load(tmp_path / "model", card, "cpu"), Scale(1.0, ""))
    two = FakeRun(tmp_path / "two", steps=1, parent=tmp_path / "model")
    with pytest.raises(NucleiError, match="works on volumes"):
        train(two, flat(tmp_path / "flat"), config(ask=False))


@pytest.mark.parametrize(
    "changes",
    [{"method": "panoptic"}, {"normalisation": {}}, {"ndim": 3}, {"config": {"width": -1}}, {"config": {"no": 1}}],
)
def test_a_card_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    run = FakeRun(tmp_path / "run", steps=1)
    train(run, flat(tmp_path / "data"), config(ask=False))
    weights, card = run.build()
    save_model(tmp_path / "model", weights, card)
    with pytest.raises(NucleiError):
        load(tmp_path / "model", card.model_copy(update=changes), "cpu")
    other = card.model_copy(update={"config": {**card.config, "width": 8}})
    with pytest.raises(NucleiError, match="weights"):
        load(tmp_path / "model", other, "cpu")


def test_facts_are_checked() -> None:
    good = {
        "diameter_px": 20,
        "low_px": 15,
        "high_px": 25,
        "stretch": 1,
        "count": [1, 2],
        "crop": [96, 96],
        "spacing": [1, 1],
    }
    card = ModelCard(name="x", method="adgan", normalisation=good)
    assert read_facts(card).crop == (96, 96)
    nan = float("nan")
    hostile: list[dict[str, Any]] = [
        {"crop": [96]},
        {"crop": [96, 10**9]},
        {"crop": [97, 96]},
        {"diameter_px": 0},
        {"diameter_px": 1e-3},
        {"diameter_px": 1e300},
        {"spacing": [1, -1]},
        {"spacing": [nan, 1]},
        {"stretch": nan},
        {"stretch": 1e9},
    ]
    for wrong in hostile:
        with pytest.raises(NucleiError, match="damaged"):
            read_facts(card.model_copy(update={"normalisation": {**good, **wrong}}))


def test_brightness_is_the_same_for_all_tiles_and_knows_what_is_empty(tmp_path: Path) -> None:
    path = write(tmp_path, a=fluorescence(discs()[0])) / "images" / "a.tif"
    found = brightness_of(open_image(path), None)
    assert not found.blank
    assert 0 < found.empty_below < 0.5


def test_every_setting_says_what_it_is() -> None:
    for name, field in AdganConfig.settings().items():
        assert field.description, name


def test_thin_volumes_are_predicted(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run", steps=1)
    train(run, deep(tmp_path / "data"), config(ask=False))
    weights, card = run.build()
    save_model(tmp_path / "model", weights, card)
    segmenter = load(tmp_path / "model", card, "cpu")
    scene = segmenter.prepare(open_image(open_dataset(tmp_path / "data").examples()[0].image), None)
    for planes in (1, 2, 3, 5, 7, 12):
        unit = np.random.default_rng(0).uniform(0.5, 1, (planes, 20, 30)).astype(np.float32)
        assert segmenter.paint(unit, scene).shape == unit.shape


def test_few_planes_with_large_nuclei_teach(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", a=fluorescence(balls())[10:20])
    run = FakeRun(tmp_path / "run", steps=2)
    train(run, open_dataset(folder), config(z_step=1.0, ask=False, diameter_px=16.0))
    assert run.build() is not None


def test_settings_that_contradict_each_other_say_what_to_set() -> None:
    with pytest.raises(NucleiError, match="aligned=false"):
        AdganConfig.build({}, {"reconstruction": 0})
    with pytest.raises(NucleiError, match="low must be below high"):
        AdganConfig.build({}, {"low": 0.6, "high": 0.5})


def two_sizes(folder: Path) -> list[Any]:
    """An image with nuclei 17 px across, and the same twice as large."""
    small = fluorescence(discs()[0])
    return pictures(write(folder, a=small, b=np.kron(small, np.ones((2, 2), np.uint16))))


def test_each_image_is_scaled_by_its_own_nuclei_also_where_a_size_is_given(tmp_path: Path) -> None:
    made = two_sizes(tmp_path)
    settings = config(own_scale=True)
    found = find_sizes(made, settings, Heard())
    assert found.own[1] / found.own[0] == pytest.approx(2, rel=0.15)
    factors = factors_of(made, settings, found)
    assert factors[0][0] / factors[1][0] == pytest.approx(2, rel=0.15)
    given = find_sizes(made, config(own_scale=True, diameter_px=2 * found.diameter), Heard())
    assert given.own == pytest.approx([2 * one for one in found.own])
    plain = find_sizes(made, config(own_scale=False), Heard())
    assert plain.own == (plain.diameter,) * 2


def test_a_large_field_with_few_nuclei_has_their_size_and_not_that_of_noise(tmp_path: Path) -> None:
    """Pieces of a large image without a nucleus hold blobs of noise, once stretched."""
    rng = np.random.default_rng(0)
    field = np.zeros((1300, 1300), np.int32)
    field[600:740, 600:740] = discs()[0]
    pixels = np.where(field > 0, 200, 2) + rng.integers(0, 3, field.shape)
    image = open_image(write(tmp_path, a=pixels.astype(np.uint8)) / "images" / "a.tif")
    assert own_diameter(image, None, brightness_of(image, None), 17.0, 1.0) == pytest.approx(17, rel=0.25)


@pytest.mark.parametrize("stretch", [1.0, 2.0])
def test_nuclei_that_are_long_along_z_are_scaled_by_how_wide_they_are(tmp_path: Path, stretch: float) -> None:
    rng = np.random.default_rng(0)
    z, y, x = np.mgrid[:80, :96, :96]
    labels = np.zeros(z.shape, np.int32)
    for k, (cy, cx) in enumerate([(20, 20), (20, 70), (70, 20), (70, 70), (46, 46)], 1):
        cz = 40 + rng.uniform(-6, 6)
        labels[((z - cz) / stretch) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 <= 81] = k
    made = pictures(write(tmp_path, a=fluorescence(labels)), z_step=1.0)
    settings = config(own_scale=True, work_diameter_px=16.0, work_diameter_volume_px=0.0)
    found = find_sizes(made, settings, Heard())
    factors = factors_of(made, settings, found)[0]
    wide, long = 18.0 * factors[2], 18.0 * stretch * factors[0]
    assert wide == pytest.approx(16, rel=0.2)
    assert long == pytest.approx(16, rel=0.25)


def test_what_is_learned_from_fits_into_memory_once_it_is_scaled() -> None:
    box = fitting((100, 1000, 1000), (3.0, 2.0, 2.0), 12_000_000)
    sides = [part.stop - part.start for part in box]
    assert np.prod([n * f for n, f in zip(sides, (3.0, 2.0, 2.0), strict=True)]) <= 12_000_000
    assert sides[1] == sides[2] > 200
    assert fitting((50, 60), (1.0, 1.0), 10**9) == (slice(0, 50), slice(0, 60))
