"""ResNets that hand out C2 to C5, and the feature pyramid P2 to P6 over them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from .settings import DetectorSettings

BLOCKS: dict[str, tuple[type[BasicBlock] | type[Bottleneck], list[int]]] = {
    "resnet18": (BasicBlock, [2, 2, 2, 2]),
    "resnet50": (Bottleneck, [3, 4, 6, 3]),
    "resnet101": (Bottleneck, [3, 4, 23, 3]),
}

MULTIPLE = 32
"""Images are padded to multiples of this, C5's stride."""


@dataclass(frozen=True)
class Features:
    """What the backbone and the pyramid see in a batch of images.

    Attributes
    ----------
    c : list of Tensor
        C2 to C5, strides 4 to 32.
    p : list of Tensor
        P2 to P6, strides 4 to 64.
    size : tuple of int
        Height and width of the images, without the padding to whole strides.
    """

    c: list[Tensor]
    p: list[Tensor]
    size: tuple[int, int]


def norm_layer(kind: str, per_group: int = 0) -> Callable[[int], nn.Module]:
    """Group norm (32 groups, or groups of so many channels) or frozen batch norm."""
    if kind == "frozen":
        return FrozenBatchNorm2d
    return partial(_group_norm, per_group=per_group)


def _group_norm(channels: int, per_group: int) -> nn.Module:
    return nn.GroupNorm(channels // per_group if per_group else 32, channels)


class SmallResNet(nn.Module):
    """A ResNet of 16, 32, 64 and 128 channels for processors, with the stages of torchvision's."""

    def __init__(self, channels: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 5, stride=2, padding=2, bias=False)
        self.bn1 = norm(16)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self._stage(16, 16, 1, norm)
        self.layer2 = self._stage(16, 32, 2, norm)
        self.layer3 = self._stage(32, 64, 2, norm)
        self.layer4 = self._stage(64, 128, 2, norm)

    @staticmethod
    def _stage(inside: int, outside: int, stride: int, norm: Callable[[int], nn.Module]) -> nn.Sequential:
        shortcut = None
        if stride > 1:
            shortcut = nn.Sequential(nn.Conv2d(inside, outside, 1, stride=stride, bias=False), norm(outside))
        first = BasicBlock(inside, outside, stride, shortcut, norm_layer=norm)
        return nn.Sequential(first, BasicBlock(outside, outside, norm_layer=norm))


class Backbone(nn.Module):
    """ResNet and feature pyramid.

    Parameters
    ----------
    settings : DetectorSettings
    """

    def __init__(self, settings: DetectorSettings) -> None:
        super().__init__()
        self.body: Any
        if settings.backbone == "small":
            self.body = SmallResNet(settings.channels, norm_layer(settings.norm, 8))
            widths = [16, 32, 64, 128]
        else:
            block, counts = BLOCKS[settings.backbone]
            net = ResNet(block, counts, norm_layer=norm_layer(settings.norm))
            if settings.channels != 3:
                net.conv1 = nn.Conv2d(settings.channels, 64, 7, stride=2, padding=3, bias=False)
            del net.fc, net.avgpool
            self.body = net
            widths = [width * block.expansion for width in (64, 128, 256, 512)]
        self.widths = widths
        if settings.norm == "frozen":
            _tame(self.body)
        for module in self.body.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.fpn = FeaturePyramidNetwork(widths, settings.fpn_channels, extra_blocks=LastLevelMaxPool())

    def stages(self) -> list[nn.Module]:
        """Stem (as a list of its parts), then the stages of C2 to C5."""
        net = self.body
        return [nn.ModuleList([net.conv1, net.bn1]), net.layer1, net.layer2, net.layer3, net.layer4]

    def freeze(self, stages: int) -> None:
        """Let the first stages (1: the stem, 2: and C2, ...) learn no more, as is usual with ImageNet weights."""
        for stage in self.stages()[:stages]:
            stage.requires_grad_(False)

    def forward(self, images: Tensor) -> Features:
        """(B, C, H, W) -> `Features`. Sides that are no multiple of 32 are padded with 0 at the right and bottom."""
        height, width = images.shape[-2:]
        padding = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
        x = nn.functional.pad(images, padding) if any(padding) else images
        net = self.body
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        stages: OrderedDict[str, Tensor] = OrderedDict()
        for name in ("layer1", "layer2", "layer3", "layer4"):
            x = stages[name] = getattr(net, name)(x)
        # The pyramid adds P6 to the list it is given; C2 to C5 are kept apart.
        c = list(stages.values())
        return Features(c, list(self.fpn(stages).values()), (height, width))


def _tame(body: nn.Module) -> None:
    """Keep a random ResNet whose norm does nothing from growing at every block. ImageNet weights replace all this."""
    blocks = [module for module in body.modules() if isinstance(module, BasicBlock | Bottleneck)]
    for block in blocks:
        last = block.bn2 if isinstance(block, BasicBlock) else block.bn3
        last.weight.fill_(len(blocks) ** -0.5)
