"""ImageNet weights for the backbone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.models import resnet18

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.networks.detection import Detector, DetectorSettings, begin_from_imagenet


class Warned:
    """The part of a run that is told of missing weights."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warn(self, message: str, hint: str = "") -> None:
        self.said.append(message)


def net(norm: str, backbone: str = "resnet18") -> Detector:
    return Detector(
        DetectorSettings(
            backbone=backbone, norm=norm, fpn_channels=8, box_width=8, mask_channels=8, channels=2, semantic=False
        )  # type: ignore[arg-type]
    )


def test_a_file_fills_what_fits_and_early_stages_rest(tmp_path: Path) -> None:
    torch.manual_seed(1)
    theirs = resnet18(weights=None)
    theirs.bn1.running_mean.fill_(0.25)
    file = tmp_path / "gewichte ü.pth"
    torch.save(theirs.state_dict(), file)
    frozen, group = net("frozen"), net("group")
    assert begin_from_imagenet(frozen, str(file), Warned())
    assert begin_from_imagenet(group, str(file), Warned())
    for detector in (frozen, group):
        body = detector.backbone.body
        assert torch.equal(body.layer4[1].conv2.weight, theirs.layer4[1].conv2.weight)
        assert torch.equal(body.layer4[1].bn2.weight, theirs.layer4[1].bn2.weight)
        assert body.conv1.weight.shape[1] == 2
    assert (frozen.backbone.body.bn1.running_mean == 0.25).all()
    assert not frozen.backbone.body.layer1[0].conv1.weight.requires_grad
    assert frozen.backbone.body.layer2[0].conv1.weight.requires_grad
    assert group.backbone.body.layer1[0].conv1.weight.requires_grad


def test_without_weights_one_warning_and_training_can_begin(monkeypatch) -> None:
    def offline(*_args: object, **_rest: object) -> None:
        raise OSError("no internet")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", offline)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    detector, run = net("group"), Warned()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    assert not begin_from_imagenet(detector, "", run)
    assert len(run.said) == 1
    assert "random weights" in run.said[0]
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())


def test_a_wrong_file_is_named_and_the_small_backbone_wants_none(tmp_path: Path) -> None:
    file = tmp_path / "x.pth"
    file.write_bytes(b"hello")
    with pytest.raises(NucleiError, match="not a file of ResNet-18 weights"):
        begin_from_imagenet(net("group"), str(file), Warned())
    run = Warned()
    assert not begin_from_imagenet(net("group", "small"), str(file), run)
    assert run.said == []
