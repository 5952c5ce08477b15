"""Models in one file from anybody."""

from __future__ import annotations

import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_nucleidomain.contracts import ModelCard, NucleiError, load_card, save_card
from napari_nucleidomain.inference.model_archive import pack_model, unpack_model
from napari_nucleidomain.inference.model_files import load_weights, save_model

WEIGHTS = {"w": np.arange(6, dtype=np.float32)}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_model(tmp_path / "liver", WEIGHTS, ModelCard(name="liver", method="spn-ien"))


def _zip(file: Path, model: Path, how: int = zipfile.ZIP_STORED, **more: bytes) -> Path:
    with zipfile.ZipFile(file, "w", how) as archive:
        for name in ("card.json", "weights.safetensors"):
            archive.writestr(name, more.pop(name.partition(".")[0], (model / name).read_bytes()))
        for name, content in more.items():
            archive.writestr(name, content)
    return file


def test_what_share_writes_and_what_was_packed_again_is_read(tmp_path: Path, model: Path) -> None:
    unpack_model(pack_model(model, tmp_path / "a"), tmp_path / "a-model")
    unpack_model(_zip(tmp_path / "b.nucleidomain", model, zipfile.ZIP_DEFLATED), tmp_path / "b-model")
    assert np.array_equal(load_weights(tmp_path / "b-model")["w"], WEIGHTS["w"])


def _bomb(file: Path, model: Path) -> None:
    _zip(file, model, zipfile.ZIP_DEFLATED, weights=bytes(32 << 20))


def _encrypted(file: Path, model: Path) -> None:
    data = bytearray(_zip(file, model).read_bytes())
    for mark, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + flags] |= 1
    file.write_bytes(data)


def _many(file: Path, model: Path) -> None:
    _zip(file, model, **{f"{number}": b"" for number in range(3_000)})


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_bomb, "far more than a model"),
        (_encrypted, "encrypted"),
        (_many, "not a model"),
        (lambda file, model: _zip(file, model, zipfile.ZIP_LZMA), "packed in a way"),
        (lambda file, model: _zip(file, model, **{"../x": b""}), "not a model of this program"),
        (lambda file, model: _zip(file, model, weights=b"\x80\x02}"), "cannot be read"),
        (lambda file, model: file.write_bytes(b"PK"), "damaged or is not a model"),
    ],
    ids=["bomb", "encrypted", "many", "lzma", "outside", "pickle", "cut"],
)
def test_others_are_refused_and_leave_nothing(
    tmp_path: Path, model: Path, spoil: Callable[[Path, Path], object], words: str
) -> None:
    spoil(tmp_path / "a.nucleidomain", model)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(NucleiError, match=words):
        unpack_model(tmp_path / "a.nucleidomain", tmp_path / "got")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "header",
    [
        b'{"w":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,24]}}',
        b'{"w":{"dtype":"F32","shape":[-6],"data_offsets":[0,24]}}',
        b'{"w":{"dtype":"BF16","shape":[12],"data_offsets":[0,24]}}',
        b'{"w":[]}',
        b"[" * 5000,
    ],
)
def test_a_header_that_says_what_cannot_be_is_refused(model: Path, header: bytes) -> None:
    (model / "weights.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(24))
    with pytest.raises(NucleiError, match="weights of the model liver"):
        load_weights(model)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_both_ways(model: Path, value: float) -> None:
    from safetensors.numpy import save_file

    broken = {"w": np.array([0, value], np.float32)}
    with pytest.raises(NucleiError, match="not finite"):
        save_model(model, broken, ModelCard(name="liver", method="spn-ien"))
    save_file(broken, model / "weights.safetensors")
    # As a model of an earlier version is, whose card knows no hash.
    save_card(load_card(model).model_copy(update={"weights": ""}), model)
    with pytest.raises(NucleiError, match="not finite"):
        load_weights(model)


def test_looking_at_a_model_loads_no_compiler() -> None:
    """It takes seconds, and crashes beside Qt."""
    code = (
        "import sys, torch; from torch import nn; from napari_nucleidomain.inference.trained import _Unfilled\n"
        "with torch.device('meta'), _Unfilled():\n"
        "    made = nn.Conv2d(3, 4, 3)\n"
        "    nn.init.kaiming_normal_(made.weight), nn.init.trunc_normal_(made.weight), nn.init.zeros_(made.bias)\n"
        "assert made.weight.is_meta and made.weight.shape == (4, 3, 3, 3)\n"
        "assert not {'torch._dynamo', 'triton'} & set(sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
