"""A file is called damaged only where it is: memory, rights, the drive and missing packages are named."""

from __future__ import annotations

import errno
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleidomain.contracts import NucleiError, plain_files
from napari_nucleidomain.contracts.blame import not_its_fault
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.readers import base
from napari_nucleidomain.inference.model_archive import unpack_model
from napari_nucleidomain.inference.model_files import load_weights


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "not enough memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "not enough memory"),
        (PermissionError(errno.EACCES, "Permission denied"), "you may not read it"),
        (OSError(errno.EMFILE, "Too many open files"), "too many files are open"),
        (OSError(errno.EIO, "Input/output error"), "drive did not give it"),
        (OSError(getattr(errno, "ESTALE", errno.EIO), "Stale file handle"), "drive did not give it"),
        (ValueError("<COMPRESSION.JPEGXL: 50002> requires the 'imagecodecs' package"), "kind of compression"),
        (ValueError("codec not available: 'blosc3'"), "kind of compression"),
        (ImportError("could not import name 'lerc_decode' from 'imagecodecs'"), "kind of compression"),
        (ValueError("bad magic number"), None),
        (EOFError(), None),
        (OSError("image file is truncated"), None),
    ],
)
def test_who_is_at_fault(error: BaseException, said: str | None) -> None:
    told = not_its_fault(error)
    words = base.damaged(Path("a.tif"), error).message
    if said is None:
        assert told is None and "damaged" in words
    else:
        assert told is not None and said in told[0] and told[1]
        assert said in words and "damaged" not in words
    # Under an error of a library it is found as well.
    wrapped = RuntimeError("decoding failed")
    wrapped.__cause__ = error
    assert not_its_fault(wrapped) == told


def test_pixels_of_a_whole_file_that_the_drive_does_not_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.npy"
    np.save(file, np.zeros((32, 32), np.uint8))
    image = open_image(file)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(type(image.levels[0]._source), "__getitem__", fail, raising=False)
    monkeypatch.setattr(image.levels[0], "_source", type("Away", (), {"__getitem__": fail, "shape": (32, 32)})())
    with pytest.raises(NucleiError, match="drive did not give it") as caught:
        image.read()
    assert "damaged" not in str(caught.value)


def test_a_tiff_of_a_compression_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, np.zeros((64, 64), np.uint8), compression="zlib")

    def no_codec(*_: object, **__: object) -> None:
        raise ValueError("<COMPRESSION.ADOBE_DEFLATE: 8> requires the 'imagecodecs' package")

    image = open_image(file)
    monkeypatch.setattr(tifffile.TiffPage, "decode", property(no_codec), raising=False)
    with pytest.raises(NucleiError, match="kind of compression"):
        image.read()


def test_a_model_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "weights.safetensors").write_bytes(b"x")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(plain_files.os, "open", refuse)
    with pytest.raises(NucleiError, match="you may not read it"):
        load_weights(tmp_path / "m")
    packed = tmp_path / "liver.nucleidomain"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("card.json", "{}")
    with pytest.raises(NucleiError, match=r"liver\.nucleidomain cannot be read: you may not read it"):
        unpack_model(packed, tmp_path / "models" / "liver")
