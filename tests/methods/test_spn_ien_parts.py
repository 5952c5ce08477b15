"""Networks, decoders, the area kept back, and models that are damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_nucleidomain.contracts import MethodConfig, ModelCard, NucleiError
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.intensity import IntensityRange
from napari_nucleidomain.data.keepback import keep_back
from napari_nucleidomain.inference.model_files import save_model
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import segment
from napari_nucleidomain.inference.trained import weights_of
from napari_nucleidomain.methods.spn_ien import SPEC
from napari_nucleidomain.methods.spn_ien.config import SpnIenConfig
from napari_nucleidomain.methods.spn_ien.decoders import components, proposal, tidy, watershed
from napari_nucleidomain.methods.spn_ien.models import Encoding, u_net
from napari_nucleidomain.methods.spn_ien.segment import SpnIenSegmenter, load
from napari_nucleidomain.networks.imagenet import imagenet_state
from napari_nucleidomain.training.normalise import Normalise

CONFIG = SpnIenConfig.model_validate({"network": "small", "width": 4, "depth": 1, "crop_px": 48, "embedding_dims": 4})
BLANK = np.zeros((48, 48, 3), np.float32)


def card(**changes: Any) -> ModelCard:
    values = {
        "name": "m",
        "method": "spn-ien",
        "channels": 3,
        "config": CONFIG.model_dump(mode="json"),
        "normalisation": {"mean": [0.5] * 3, "std": [0.2] * 3},
    }
    return ModelCard.model_validate({**values, **changes})


def weights() -> dict[str, np.ndarray]:
    torch.manual_seed(0)
    return weights_of(spn=u_net(CONFIG, 3, 2), ien=Encoding(CONFIG, 3))


def test_normalise_is_of_all_images_alike() -> None:
    images = [np.random.default_rng(k).random((30 + 10 * k, 20, 2)) for k in (0, 1)]
    made = Normalise.of(images)
    mean = np.mean([image.mean((0, 1)) for image in images], 0)
    x = torch.from_numpy(images[0].transpose(2, 0, 1)[None]).float()
    np.testing.assert_allclose(made.mean.flatten(), mean, rtol=1e-5)
    std = np.sqrt(np.mean([((image - mean) ** 2).mean((0, 1)) for image in images], 0))
    np.testing.assert_allclose(made(x)[0, :, 0, 0], (images[0][0, 0] - mean) / std, rtol=1e-4)
    assert torch.isfinite(Normalise.of([np.ones((4, 4, 1))])(torch.ones(1, 1, 4, 4))).all()


def test_the_second_network_begins_as_the_first_and_knows_places() -> None:
    spn, ien = u_net(CONFIG, 3, 2).eval(), Encoding(CONFIG, 3).eval()
    head = ien.net.head.weight.clone()
    ien.begin_as(spn)
    assert torch.equal(ien.net.stem.weight, spn.stem.weight)
    assert torch.equal(ien.net.head.weight, head)
    x = torch.randn(1, 3, 16, 16)
    before = ien(x)
    ien.set_diameter(10.0, 3.0)
    added = (ien(x) - before)[0].detach()
    assert added[0, 10, 0] - added[0, 0, 0] == pytest.approx(3.0, abs=1e-4)
    assert added[1, 0, 10] - added[1, 0, 0] == pytest.approx(3.0, abs=1e-4)
    assert (added[:2].mean((1, 2)).abs() < 1e-4).all()
    assert (added[2:] == 0).all()


def test_decoders_on_a_probability_made_by_hand() -> None:
    rows, columns = np.mgrid[:60, :60]
    discs = [(rows - 20) ** 2 + (columns - c) ** 2 <= 64 for c in (15, 28)]
    p = np.where(discs[0] | discs[1], 0.9, 0.1).astype(np.float32)
    p[20, 15] = 0.1  # a hole
    p[50:53, 50:53] = 0.9  # 9 px: too small
    assert proposal(p, 0.5, 20)[20, 15]
    assert not proposal(p, 0.5, 20)[51, 51]
    assert components(p, 0.5, 20).max() == 1
    two = watershed(p, 0.5, 20, 16.0)
    assert two.max() == 2
    assert two[20, 10] != two[20, 33]
    found = tidy(two, p, None, 20)
    assert found.labels.max() == 2
    assert found.scores == pytest.approx([0.9, 0.9], abs=0.01)
    for empty in (np.zeros((9, 9), np.float32), np.full((9, 9), 0.5, np.float32)):
        assert watershed(empty, 0.5, 20, 16.0).max() == 0
        assert len(tidy(components(empty, 0.5, 20), empty, None, 20).scores) == 0


@pytest.mark.parametrize("decoder", ["ien", "watershed", "components"])
def test_blank_tiles(decoder: str) -> None:
    spn, ien = u_net(CONFIG, 3, 2).eval(), Encoding(CONFIG, 3).eval()
    made = SpnIenSegmenter(spn, ien, CONFIG, [0.5] * 3, [0.2] * 3, 16.0, torch.device("cpu"), decoder)
    for bias in (-9.0, 9.0):  # nothing is nucleus; everything is
        torch.nn.init.zeros_(spn.head.weight)
        with torch.no_grad():
            spn.head.bias.copy_(torch.tensor([0.0, bias]))
        constants = IntensityRange.fit(BLANK, np.dtype(np.uint8), rgb=True)
        tiles = made.forward([BLANK.astype(np.uint8)] * 3, constants)
        assert [tile.labels.shape for tile in tiles] == [(48, 48)] * 3
        assert bias > 0 or all(tile.labels.max() == 0 for tile in tiles)


def test_memory_that_runs_out_is_said_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    made = SpnIenSegmenter(
        u_net(CONFIG, 3, 2), None, CONFIG, [0.5] * 3, [0.2] * 3, 16.0, torch.device("cpu"), "watershed"
    )
    constants = IntensityRange.fit(BLANK, np.dtype(np.uint8), rgb=True)
    words = {"DefaultCPUAllocator: can't allocate memory": MemoryError, "shapes do not fit": RuntimeError}
    for message, expected in words.items():

        def fails(x: Any, message: str = message) -> Any:
            raise RuntimeError(message)

        monkeypatch.setattr(made, "_networks", fails)
        with pytest.raises(expected):
            made.forward([BLANK.astype(np.uint8)], constants)


@pytest.mark.parametrize("decoder", ["ien", "watershed"])
def test_full_memory_leads_to_tiles_the_networks_can_take(monkeypatch: pytest.MonkeyPatch, decoder: str) -> None:
    settings = CONFIG.model_copy(update={"depth": 3, "crop_px": 176, "halo_px": 16})
    spn, ien = u_net(settings, 3, 2).eval(), Encoding(settings, 3).eval()
    made = SpnIenSegmenter(spn, ien, settings, [0.5] * 3, [0.2] * 3, 16.0, torch.device("cpu"), decoder)
    seen = []
    networks = made._networks

    def small_card(x: torch.Tensor) -> Any:
        if x.shape[0] * x.shape[-1] > 100:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        seen.append(tuple(x.shape[-2:]))
        return networks(x)

    monkeypatch.setattr(made, "_networks", small_card)
    picture = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    found = segment(open_image(picture), made, Scale(1.0, ""))
    assert found is not None
    assert found.labels.shape == (200, 200)
    assert set(seen) == {(96, 96)}


def test_the_second_network_sees_the_same_places_in_a_smaller_tile() -> None:
    ien = Encoding(CONFIG, 3).eval()
    seen: list[torch.Tensor] = []
    ien.coordinates.register_forward_hook(lambda layer, given, made: seen.append(made))
    for side in (48, 24):
        ien(torch.zeros(1, 3, side, side))
    torch.testing.assert_close(seen[1], seen[0][:, :, 12:36, 12:36])


def test_damaged_models_are_refused_with_words(tmp_path: Path) -> None:
    good = weights()
    folder = save_model(tmp_path / "m", good, card())
    assert load(folder, card(), "cpu").decoder == "ien"
    with pytest.raises(NucleiError, match="made by the method otsu"):
        load(folder, card(method="otsu"), "cpu")
    with pytest.raises(NucleiError, match="setting that this version does not know: widht"):
        load(folder, card(config={"widht": 3}), "cpu")
    for normalisation in ({}, {"mean": [0.5], "std": [0.2]}, {"mean": ["a"] * 3, "std": [1.0] * 3}):
        with pytest.raises(NucleiError, match="damaged"):
            load(folder, card(normalisation=normalisation), "cpu")
    with pytest.raises(NucleiError, match="not those its card describes"):
        load(folder, card(config={**CONFIG.model_dump(mode="json"), "width": 8}), "cpu")
    some = {name: value for name, value in good.items() if name != "spn.head.bias"}
    with pytest.raises(NucleiError, match="not those its card describes"):
        load(save_model(tmp_path / "some", some, card()), card(), "cpu")
    first = {name: value for name, value in good.items() if name.startswith("spn.")}
    single = save_model(tmp_path / "first", first, card())
    assert load(single, card(), "cpu").decoder == "watershed"
    with pytest.raises(NucleiError, match="no second network"):
        load(single, card(config={**CONFIG.model_dump(mode="json"), "decoder": "ien"}), "cpu")
    file = folder / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(NucleiError):
        load(folder, card(), "cpu")


def test_keep_back_takes_a_strip_with_its_clicks() -> None:
    rng = np.random.default_rng(0)
    points = np.floor(rng.uniform(0, [60, 200], (100, 2)))
    inside = np.ones((60, 200), bool)
    box, checks, mask, rest, left = keep_back(points, inside, 0.2)
    assert box is not None
    assert mask is not None
    assert box[0] == (0, 60)
    assert 15 <= len(checks) <= 25
    assert len(checks) + len(left) == 100
    assert not rest[:, box[1][0] :].any()
    assert rest[:, : box[1][0]].all()
    assert rest[tuple(left.astype(int).T)].all()
    assert mask[tuple(checks.astype(int).T)].all()


def test_keep_back_never_takes_most() -> None:
    inside = np.ones((60, 200), bool)
    line = np.column_stack([np.arange(40.0), np.full(40, 90.0)])
    few = np.column_stack([np.arange(17.0), np.arange(17.0)])
    for points in (line, few):
        box, checks, _, rest, left = keep_back(points, inside, 0.2)
        assert box is None
        assert len(checks) == 0
        assert rest.all()
        assert len(left) == len(points)


@pytest.mark.parametrize("content", [b"hello world\n", b"", b"1 2 3", b"PK\x03\x04half", "saved list", "saved words"])
def test_imagenet_file_that_holds_no_weights_is_said(tmp_path: Path, content: bytes | str) -> None:
    file = tmp_path / "gewichte ü.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save([1, 2] if content == "saved list" else {"epoch": 3}, file)
    with pytest.raises(NucleiError, match="not a file of ResNet-34 weights"):
        imagenet_state("resnet34", str(file))


def test_which_presets_continue_which() -> None:
    def settings(preset: str) -> MethodConfig:
        return SPEC.config.build(SPEC.preset(preset).values)

    assert settings("quick").unlike(settings("quick")) == ""
    assert "network = small, here resnet34" in settings("paper").unlike(settings("quick"))
    wider = SPEC.config.build({**SPEC.preset("paper").values, "width": 64})
    assert wider.unlike(settings("paper")) == "", "the width is of the small network only"
