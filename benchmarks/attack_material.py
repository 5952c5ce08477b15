"""What `attack.py` works on: an image, its labels, tiny untrained models of each method, a folder nobody may touch."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

SIDE = 160


def write_material(folder: Path) -> None:
    """Image `im.tif` with discs, its labels `lab.tif`, and models `spn-ien`, `panoptic`, `adgan`."""
    rng = np.random.default_rng(0)
    labels = np.zeros((SIDE, SIDE), np.uint16)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for number in range(20):
        y, x = rng.integers(10, SIDE - 10, 2)
        labels[(rows - y) ** 2 + (columns - x) ** 2 < 49] = number + 1
    image = rng.normal(20, 3, labels.shape) + 120 * (labels > 0)
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / "im.tif", np.clip(image, 0, 255).astype(np.uint8))
    tifffile.imwrite(folder / "lab.tif", labels)
    _models(folder)


def _models(folder: Path) -> None:
    import torch

    from napari_nucleidomain.contracts import ModelCard, find_method
    from napari_nucleidomain.inference.model_files import save_model
    from napari_nucleidomain.inference.trained import weights_of
    from napari_nucleidomain.methods.adgan.segment import network_settings
    from napari_nucleidomain.methods.panoptic.model import new_detector
    from napari_nucleidomain.methods.spn_ien.models import Encoding, u_net
    from napari_nucleidomain.networks.adgan import Generator

    small: dict[str, dict[str, Any]] = {
        "spn-ien": {"width": 4, "depth": 1, "crop_px": 64, "decoder": "ien", "embedding_dims": 4},
        "panoptic": {"backbone": "small", "pyramid_channels": 16, "mask_channels": 16, "box_features": 32}
        | {"tile_px": 160, "anchor_px": 8.0},
        "adgan": {"width": 4, "blocks": 1, "style_width": 8, "crop_px": 48},
    }
    facts = {"diameter_px": 14.0, "low_px": 12.0, "high_px": 16.0, "stretch": 1.0, "count": [3, 8]}
    facts |= {"crop": [48, 48], "spacing": [1.0, 1.0]}
    for method, changes in small.items():
        spec = find_method(method)
        config: Any = spec.config.build(spec.preset("quick").values, {**changes, "precision": "32-true"})
        torch.manual_seed(0)
        if method == "spn-ien":
            weights = weights_of(spn=u_net(config, 1, 2), ien=Encoding(config, 1))
        elif method == "panoptic":
            weights = weights_of(detector=new_detector(config, 1))
        else:
            weights = weights_of(generator=Generator(network_settings(config, 2)))
        normal = facts if method == "adgan" else {"mean": [0.2], "std": [0.2]}
        card = ModelCard(
            name=method, method=method, channels=1, kind="fluorescence", nucleus_diameter_px=14.0,
            normalisation=normal, config=config.model_dump(mode="json"),
        )  # fmt: skip
        save_model(folder / method, weights, card)


def write_canary(folder: Path) -> None:
    """A home with what a person would miss."""
    for name in ("Documents/thesis.txt", "Documents/photos/one.jpg", ".ssh/id", ".bashrc", "results/im.tif"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n" * 10)


def digest_of(folder: Path) -> str:
    """Of all names, contents and links of a folder, but for what programs keep of their own in `.local`."""
    digest = hashlib.sha256()
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if one not in (".local", ".cache", ".config"))
        for name in sorted([*files, *folders]):
            path = Path(root) / name
            digest.update(str(path.relative_to(folder)).encode(errors="surrogateescape"))
            if path.is_file():
                digest.update(path.read_bytes())
    return digest.hexdigest()


def write_run(folder: Path, image: Path, **changes: Any) -> Path:
    """A run folder of a prediction that somebody else made."""
    job: dict[str, Any] = {
        "schema_version": 1, "kind": "predict", "name": "a", "model": "otsu", "device": "cpu", "threads": 1,
        "images": [{"path": str(image)}],
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_bytes(as_json({**job, **changes}))
    return folder


class Raw(str):
    """A value whose text is put into a JSON file as it is."""


def as_json(content: Any) -> bytes:
    """JSON in which `Raw` values stand as they are."""
    raws: list[str] = []

    def plain(value: Any) -> Any:
        if isinstance(value, Raw):
            raws.append(str(value))
            return f"@@{len(raws) - 1}@@"
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items()}
        return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value

    text = json.dumps(plain(content))
    for number, raw in enumerate(raws):
        text = text.replace(f'"@@{number}@@"', raw)
    return text.encode("utf-8", "surrogatepass")
