"""cellpose's `_seg.npy`: its masks, and never its code."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.labels_io import labels_shape, read_labels
from napari_nucleidomain.data.readers import looks_like_image

MASKS = np.zeros((30, 40), np.uint16)
MASKS[3:9, 3:9] = 1
MASKS[3:9, 9:15] = 2  # touches it


def content(**changes: Any) -> dict[str, Any]:
    """The keys of cellpose 3 and 4."""
    return {
        "outlines": np.zeros((30, 40), np.uint16),
        "colors": np.zeros((2, 3), np.uint8),
        "masks": MASKS,
        "chan_choose": [0, 0],
        "ismanual": np.zeros(2, bool),
        "filename": Path("a.tif"),
        "flows": [[np.zeros((1, 30, 40, 3), np.uint8), np.float32(0.5), [], [], None]],
        "zdraw": [None, None],
        "model_path": 0,
        "flow_threshold": 0.4,
        "normalize_params": {"lowhigh": None, "percentile": [1.0, 99.0], "invert": False},
        "manual_changes": [["09/01/2026, 10:11:12", "added mask", [np.array([1, 2]), slice(0, 3)]]],
        "diameter": np.float64(17.5),
        **changes,
    }


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_masks(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "a_seg.npy"
    with open(path, "wb") as handle:
        np.lib.format.write_array_header_1_0(handle, {"descr": "|O", "fortran_order": False, "shape": ()})
        pickle.dump(np.array(content(), dtype=object), handle, protocol=protocol)
    found = read_labels(path)
    np.testing.assert_array_equal(found.labels, MASKS)
    assert found.labels.dtype == np.uint32 and not found.binary
    assert labels_shape(path) == MASKS.shape
    assert not looks_like_image(path), "it is not listed among the images it lies beside"


def test_as_numpy_1_wrote_it(tmp_path: Path) -> None:
    """The same modules had other names."""
    path = tmp_path / "a_seg.npy"
    with open(path, "wb") as handle:
        np.lib.format.write_array_header_1_0(handle, {"descr": "|O", "fortran_order": False, "shape": ()})
        # Protocol 2 writes names without their lengths, so that they can be exchanged.
        pickled = pickle.dumps(np.array(content(), dtype=object), protocol=2)
        handle.write(pickled.replace(b"numpy._core.", b"numpy.core."))
    np.testing.assert_array_equal(read_labels(path).labels, MASKS)


def test_volumes_and_single_nuclei(tmp_path: Path) -> None:
    np.save(tmp_path / "a_seg.npy", content(masks=np.stack([MASKS] * 3)), allow_pickle=True)
    assert read_labels(tmp_path / "a_seg.npy").labels.shape == (3, 30, 40)
    np.save(tmp_path / "b_seg.npy", content(masks=np.where(MASKS == 1, 1, 0)[None]), allow_pickle=True)
    one = read_labels(tmp_path / "b_seg.npy")
    assert one.labels.shape == (30, 40) and not one.binary


class _Runs:
    """What a pickle can do to whoever opens it."""

    def __init__(self, file: Path) -> None:
        self.file = str(file)

    def __reduce__(self) -> Any:
        return (os.mkdir, (self.file,))


class _Builtin:
    def __reduce__(self) -> Any:
        return (eval, ("1 + 1",))


def test_code_is_never_run(tmp_path: Path) -> None:
    made = tmp_path / "made by the file"
    np.save(tmp_path / "a_seg.npy", content(extra=_Runs(made)), allow_pickle=True)
    with pytest.raises(NucleiError, match=r"would run code on this computer.*mkdir") as told:
        read_labels(tmp_path / "a_seg.npy")
    assert not made.exists() and "Save the masks" in told.value.hint
    np.load(tmp_path / "a_seg.npy", allow_pickle=True)
    assert made.exists(), "numpy's own reading would have run it"
    np.save(tmp_path / "b_seg.npy", content(extra=_Builtin()), allow_pickle=True)
    with pytest.raises(NucleiError, match=r"would run code.*eval"):
        read_labels(tmp_path / "b_seg.npy")


def test_damaged_and_other_files(tmp_path: Path) -> None:
    path = tmp_path / "a_seg.npy"
    np.save(path, content(), allow_pickle=True)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NucleiError, match="damaged"):
        read_labels(path)
    for wrong in ({"flows": 1}, {"masks": "none"}, {"masks": np.zeros((3, 4))}, [1, 2]):
        np.save(path, np.array(wrong, dtype=object), allow_pickle=True)
        with pytest.raises(NucleiError, match=r"holds no masks of cellpose|damaged"):
            read_labels(path)
