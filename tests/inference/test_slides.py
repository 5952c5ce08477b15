"""A slide's labels on disk are those of the same image in memory; nothing holds them as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.data.labels_zarr import LabelsZarrWriter
from napari_nucleidomain.inference import assemble as assembling
from napari_nucleidomain.inference.assemble import Wishes
from napari_nucleidomain.inference.core_canvas import CoreCanvas
from napari_nucleidomain.inference.scale import Scale
from napari_nucleidomain.inference.segment import Segmentation, segment
from napari_nucleidomain.inference.tile_store import TileStore
from napari_nucleidomain.instances.grid import Grid

from .test_segment import ONE, Perfect, discs

__all__ = ["discs"]


class Watched:
    """A label file that remembers the largest block that passed through it."""

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.writer = LabelsZarrWriter(path, shape)
        self.shape, self.dtype, self.largest = shape, self.writer.dtype, 0

    def __setitem__(self, box: tuple[slice, ...], block: np.ndarray) -> None:
        self.largest = max(self.largest, block.size)
        self.writer.write(box, block)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(assembling, "BLOCK", 32)
    return 32


@pytest.mark.parametrize("factor", [1.0, 0.5, 1.37])
@pytest.mark.parametrize("box", [None, ((20, 91), (13, 80))])
def test_labels_on_disk_are_those_in_memory(
    discs: np.ndarray, tmp_path: Path, small_blocks: int, factor: float, box: tuple | None
) -> None:
    image, scale = open_image(discs), Scale(factor, "")
    memory = segment(image, Perfect(48, 12), scale, box=box)
    files: list[Watched] = []

    def place(shape: tuple[int, ...]) -> Watched:
        files.append(Watched(tmp_path / "labels.zarr", shape))
        return files[0]

    disk = segment(
        image, Perfect(48, 12), scale, box=box, store=TileStore(tmp_path / "tiles", large=0), wishes=Wishes(place)
    )
    np.testing.assert_array_equal(files[0].writer[:], memory.labels)
    np.testing.assert_array_equal(disk.scores, memory.scores)
    assert disk.origin == memory.origin
    assert files[0].largest <= small_blocks**2
    assert len(list((tmp_path / "tiles").glob("stitched*.zarr"))) == 1


def test_only_nuclei_mostly_inside_are_kept(discs: np.ndarray, tmp_path: Path, small_blocks: int) -> None:
    mask = np.zeros(discs.shape, bool)
    mask[:50, :45] = True
    found: list[Segmentation] = []
    for store in (TileStore(), TileStore(tmp_path, large=0)):
        found.append(segment(open_image(discs), Perfect(), ONE, store=store, wishes=Wishes(inside=mask.__getitem__)))
    whole = segment(open_image(discs), Perfect(), ONE).labels
    inside = [k for k in np.unique(whole)[1:] if 2 * mask[whole == k].sum() > (whole == k).sum()]
    assert 0 < len(inside) < whole.max()
    for one in found:
        np.testing.assert_array_equal(one.labels > 0, np.isin(whole, inside))
        assert one.labels.max() == len(one.scores) == len(inside)


def test_stops_while_tiles_are_joined_and_goes_on(discs: np.ndarray, tmp_path: Path, small_blocks: int) -> None:
    class Stop(Exception):
        pass

    heard: list[tuple[int, int]] = []

    def joining(done: int, total: int) -> None:
        heard.append((done, total))
        if len(heard) == 20:
            raise Stop

    model = Perfect()
    with pytest.raises(Stop):
        segment(open_image(discs), model, ONE, store=TileStore(tmp_path, large=0), wishes=Wishes(joining=joining))
    again = Perfect()
    found = segment(open_image(discs), again, ONE, store=TileStore(tmp_path, large=0), wishes=Wishes(joining=joining))
    assert again.seen == []
    np.testing.assert_array_equal(found.labels, segment(open_image(discs), Perfect(), ONE).labels)
    assert heard[-1][0] == heard[-1][1]


@pytest.mark.parametrize("halo", [0, 3, 10])
@pytest.mark.parametrize("origin", [(0, 0), (17, 23)])
def test_cores_lie_in_chunks_of_their_own(tmp_path: Path, halo: int, origin: tuple[int, int]) -> None:
    grid = Grid((130, 90), (30, 30), (halo, halo))
    tiles = [tile for tile in grid if all(c.start >= o for c, o in zip(tile.core, origin, strict=True))]
    corner = tuple(min(tile.core[k].start for tile in tiles) for k in (0, 1))
    shape = tuple(side - c for side, c in zip(grid.shape, corner, strict=True))
    canvas = CoreCanvas(tmp_path / "c.zarr", grid, corner, shape)
    expected = np.zeros(shape, np.uint32)
    chunks: dict[tuple[int, ...], int] = {}
    for number, tile in enumerate(tiles, start=1):
        box = tuple(slice(c.start - o, c.stop - o) for c, o in zip(tile.core, corner, strict=True))
        canvas[box] = np.full([s.stop - s.start for s in box], number, np.uint32)
        expected[box] = number
        key = canvas._key(box)
        for row in range(key[0].start // grid.stride[0], -(-key[0].stop // grid.stride[0])):
            for column in range(key[1].start // grid.stride[1], -(-key[1].stop // grid.stride[1])):
                assert chunks.setdefault((row, column), number) == number, "two cores share a chunk"
    np.testing.assert_array_equal(canvas[:, :], expected)


def test_a_full_disk_is_said(discs: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    import zarr

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zarr.Array, "__setitem__", full)
    with pytest.raises(NucleiError, match="disk is full"):
        segment(open_image(discs), Perfect(), ONE, store=TileStore(tmp_path, large=0))
