"""Views, crops, averages, schedules, checkpoints, devices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.training.augment import Geometry, draw_matrices, jitter_intensity, sample_views
from napari_nucleidomain.training.ema import WeightAverage
from napari_nucleidomain.training.sampler import CropSampler, Planes
from napari_nucleidomain.training.schedules import learning_rate_factor
from napari_nucleidomain.training.start import Processor, choose_precision, find_device
from napari_nucleidomain.training.state import TorchCheckpoints


def test_identity_view_is_the_middle_of_the_crop() -> None:
    planes = torch.rand(2, 3, 20, 20)
    labels = torch.arange(800.0).view(2, 1, 20, 20)
    x, y, seen = sample_views(planes, labels, np.repeat(np.eye(2)[None], 2, 0), 12)
    torch.testing.assert_close(x, planes[..., 4:16, 4:16], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(y, labels[..., 4:16, 4:16])
    assert seen.all()


def test_views_move_images_and_labels_together() -> None:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :64]
    disc = torch.from_numpy((((rows - 24) ** 2 + (columns - 36) ** 2) < 100).astype(np.float32))[None, None]
    planes, labels = disc.repeat(8, 1, 1, 1), disc.repeat(8, 1, 1, 1)
    matrices = draw_matrices(rng, 8, Geometry(flips="both", rotation=180.0))
    x, y, seen = sample_views(planes, labels, matrices, 40)
    agree = ((x > 0.5) == (y > 0.5))[:, 0][seen]
    assert agree.float().mean() > 0.99
    assert set(y.unique().tolist()) <= {0.0, 1.0}


def test_matrices_stay_in_range() -> None:
    none = draw_matrices(np.random.default_rng(0), 5, Geometry((1.0, 1.0), "none", 0.0, 0.0))
    np.testing.assert_allclose(none, np.repeat(np.eye(2)[None], 5, 0), atol=1e-12)
    turned = draw_matrices(np.random.default_rng(0), 200, Geometry((0.5, 2.0), "both", 0.0, 90.0))
    size = np.abs(np.linalg.det(turned))
    assert size.min() >= 0.25 - 1e-9
    assert size.max() <= 4 + 1e-9
    assert (np.linalg.det(turned) < 0).any()


def test_jitter() -> None:
    x = torch.rand(4, 3, 8, 8)
    assert jitter_intensity(x, np.random.default_rng(0), 0.0) is x
    changed = jitter_intensity(x, np.random.default_rng(0), 0.2)
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert not torch.equal(changed, x)


def planes(seed: int, clicks: int) -> Planes:
    rng = np.random.default_rng(seed)
    return Planes(torch.rand(3, 60, 50), torch.full((2, 60, 50), 1.0), rng.uniform(0, 50, (clicks, 2)))


def test_batches_depend_on_the_generator_alone() -> None:
    sampler = CropSampler([planes(0, 4), planes(1, 9), planes(2, 0)], 32, [7.0, 2.0])
    first = sampler.draw(np.random.default_rng(5), 6)
    again = sampler.draw(np.random.default_rng(5), 6)
    assert first[0].shape == (6, 3, 32, 32)
    assert first[1].shape == (6, 2, 32, 32)
    assert torch.equal(first[0], again[0])
    assert set(first[1][:, 0].unique().tolist()) <= {1.0, 7.0}
    assert set(first[1][:, 1].unique().tolist()) <= {1.0, 2.0}


@pytest.mark.parametrize(("side", "view"), [(32, None), (45, 32), (50, 50)])
def test_what_is_seen_of_a_crop_lies_in_the_image(side: int, view: int | None) -> None:
    sampler = CropSampler([planes(0, 40)], side, [7.0, 7.0], view)
    labels = sampler.draw(np.random.default_rng(0), 40)[1]
    rim = (side - (view or side)) // 2
    assert (labels[..., rim : side - rim - 1, rim : side - rim - 1] == 1).all()


def test_an_image_smaller_than_a_crop_is_mirrored() -> None:
    image = torch.arange(60.0).view(1, 6, 10)
    sampler = CropSampler([Planes(image, torch.ones(1, 6, 10), np.array([[3.0, 5.0]]))], 40, [-1.0])
    smooth, labels = sampler.draw(np.random.default_rng(0), 1)
    expected = np.pad(image[0].numpy(), ((17, 17), (15, 15)), mode="symmetric")
    np.testing.assert_array_equal(smooth[0, 0], expected)
    assert (labels[0, 0, 17:23, 15:25] == 1).all() and (labels == 1).sum() == 60


def test_average_follows_and_resumes() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    last = WeightAverage(net, 0.0)
    slow = WeightAverage(net, 0.9)
    before = slow.network[0].weight.clone()
    with torch.no_grad():
        net[0].weight += 1.0
    for average in (last, slow):
        average.update(net)
    torch.testing.assert_close(last.network[0].weight, net[0].weight)
    assert (slow.network[0].weight > before).all()
    copy = WeightAverage(net, 0.9)
    copy.load_state_dict(slow.state_dict())
    assert copy.count == 1
    assert torch.equal(copy.network[0].weight, slow.network[0].weight)
    assert not copy.network.training


def test_schedules() -> None:
    assert learning_rate_factor("constant", 0.7) == 1.0
    rates = [learning_rate_factor("cosine", f) for f in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(1.0)
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[-1] < 0.05
    assert rates == sorted(rates[:6]) + sorted(rates[6:], reverse=True)


def test_checkpoints_hold_no_code(tmp_path: Path) -> None:
    checkpoints = TorchCheckpoints()
    net = nn.Linear(2, 2)
    optimiser = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    path = tmp_path / "a b é.ckpt"
    checkpoints.save({"position": {"step": 3, "allowed": None}, "tracked": {"o": optimiser.state_dict()}}, path)
    state = checkpoints.load(path)
    assert state["position"] == {"step": 3, "allowed": None}
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(NucleiError, match=r"a b é\.ckpt is damaged"):
            checkpoints.load(path)
    for other in (bytes(500), b"{}", whole[500:], b"\x80\x02."):
        path.write_bytes(other)
        with pytest.raises(NucleiError, match="damaged"):
            checkpoints.load(path)
    torch.save({"a": torch.ones(2)}, path)
    with pytest.raises(NucleiError, match="damaged"):
        checkpoints.load(path)
    torch.save({"evil": print}, path)
    with pytest.raises(NucleiError, match="damaged"):
        checkpoints.load(path)


def test_devices_that_are_not_there() -> None:
    assert find_device("cpu").type == "cpu"
    assert find_device("auto").type in {"cpu", "cuda", "mps"}
    with pytest.raises(NucleiError, match="no device"):
        find_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(NucleiError, match="graphics card"):
            find_device("cuda")


@pytest.mark.parametrize("wish", ["cuda:x", "cuda:-1", "cuda:", "gpu:1.5", "cpu:y", "cuda:²"])
def test_device_with_an_odd_number_is_refused_in_words(wish: str) -> None:
    with pytest.raises(NucleiError, match="There is no device"):
        find_device(wish)


def test_arithmetic_of_the_processor() -> None:
    a = torch.rand(4, 4)
    for precision, dtype in (("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)):
        with Processor(precision).autocast():
            assert (a @ a).dtype == dtype
    assert choose_precision("32-true", torch.device("cpu")) == "32-true"
    assert choose_precision("auto", torch.device("cpu")) in {"32-true", "bf16-mixed"}
