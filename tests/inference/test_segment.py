"""Any tiling, any box, any batch gives the nuclei of the image, checked with a model that cannot err."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from skimage.measure import label

from napari_nucleidomain.contracts import ModelCard, NucleiError, SegmenterSpec
from napari_nucleidomain.data.images import open_image
from napari_nucleidomain.inference.assemble import Wishes, assemble
from napari_nucleidomain.inference.scale import Scale, choose_scale
from napari_nucleidomain.inference.segment import Hooks, segment
from napari_nucleidomain.inference.tile_store import TileStore
from napari_nucleidomain.instances.stitching import Grid, TileInstances

ONE = Scale(1.0, "")


class Perfect:
    """Components above a threshold: what it says of a pixel never depends on the tile."""

    def __init__(self, tile: int = 32, halo: int = 8, batch: int = 3, room: int = 100) -> None:
        self.spec = SegmenterSpec(ndim=2, channels=1, tile=(tile,) * 2, halo=(halo,) * 2, batch=batch)
        self.room = room
        self.seen: list[int] = []
        self.prepared = 0

    def prepare(self, image: object, plane: int | None, factor: float = 1.0) -> float:
        self.prepared += 1
        return 0.5

    def forward(self, tiles: Sequence[np.ndarray], constants: float) -> list[TileInstances]:
        if len(tiles) > self.room:
            raise MemoryError
        self.seen.append(len(tiles))
        assert {tile.shape for tile in tiles} == {(*self.spec.tile, 1)}
        return [TileInstances.of(label(tile[..., 0] > constants, connectivity=1)) for tile in tiles]


@pytest.fixture
def discs() -> np.ndarray:
    """101 × 83 px with discs of 3 to 6 px radius that do not touch."""
    image = np.zeros((101, 83), np.float32)
    grid = np.indices(image.shape)
    rng = np.random.default_rng(3)
    for y in range(8, 100, 16):
        for x in range(8, 80, 16):
            radius = rng.integers(3, 7)
            image[np.hypot(grid[0] - y, grid[1] - x) <= radius] = 1.0
    return image


def same_up_to_ids(a: np.ndarray, b: np.ndarray) -> bool:
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return a.shape == b.shape and len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


@pytest.mark.parametrize(("tile", "halo"), [(32, 8), (40, 7), (64, 16), (33, 13), (200, 20)])
def test_any_grid_gives_the_same_nuclei(discs: np.ndarray, tile: int, halo: int) -> None:
    found = segment(open_image(discs), Perfect(tile, halo), ONE)
    assert same_up_to_ids(found.labels, label(discs, connectivity=1))
    assert len(found.scores) == len(found.uncertainty) == found.labels.max() == 30


@pytest.mark.parametrize(
    "box", [((0, 101), (0, 83)), ((20, 61), (13, 50)), ((90, 101), (70, 83)), ((-5, 30), (-9, 900))]
)
def test_a_box_gives_what_the_whole_image_gives_there(discs: np.ndarray, box: tuple[tuple[int, int], ...]) -> None:
    whole = segment(open_image(discs), Perfect(), ONE).labels
    found = segment(open_image(discs), Perfect(), ONE, box=box)
    (a, b), (c, d) = box
    expected = whole[max(0, a) : b, max(0, c) : d]
    assert same_up_to_ids(found.labels, expected)
    assert found.origin == (max(0, a), max(0, c))
    assert found.labels.max() == len(found.scores) == len(np.unique(expected)) - 1


def test_box_outside_the_image_is_refused(discs: np.ndarray) -> None:
    with pytest.raises(NucleiError, match="lies outside"):
        segment(open_image(discs), Perfect(), ONE, box=((200, 300), (0, 10)))


def test_full_memory_halves_the_batch_and_says_so(discs: np.ndarray) -> None:
    warnings: list[str] = []
    model = Perfect(batch=8, room=2)
    found = segment(open_image(discs), model, ONE, hooks=Hooks(warn=lambda m, h: warnings.append(m)))
    assert max(model.seen) == 2
    assert warnings and all("half the batch" in text for text in warnings)
    assert same_up_to_ids(found.labels, label(discs, connectivity=1))


class Card:
    """A fake graphics card: holds so many pixels at once, else raises what torch raises."""

    def __init__(self, tile: int, halo: int, batch: int, pixels: int) -> None:
        self.spec = SegmenterSpec(ndim=2, channels=1, tile=(tile,) * 2, halo=(halo,) * 2, batch=batch, multiple=8)
        self.pixels = pixels
        self.shapes: list[tuple[int, ...]] = []

    def prepare(self, image: object, plane: int | None, factor: float = 1.0) -> float:
        return 0.5

    def forward(self, tiles: Sequence[np.ndarray], constants: float) -> list[TileInstances]:
        if sum(tile[..., 0].size for tile in tiles) > self.pixels:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        self.shapes += [tile.shape[:2] for tile in tiles]
        return [TileInstances.of(label(tile[..., 0] > constants, connectivity=1)) for tile in tiles]


def test_full_memory_halves_the_batch_then_the_tile_and_says_so(discs: np.ndarray) -> None:
    warnings: list[str] = []
    model = Card(tile=96, halo=8, batch=4, pixels=50 * 50)
    found = segment(open_image(discs), model, ONE, hooks=Hooks(warn=lambda m, h: warnings.append(m)))
    assert set(model.shapes) == {(48, 48)}
    assert [text.split(": ")[1] for text in warnings] == [
        "continued with half the batch (2).",
        "continued with half the batch (1).",
        "continued with tiles of half the side (48 × 48 px).",
    ]
    assert same_up_to_ids(found.labels, label(discs, connectivity=1))
    assert len(found.scores) == found.labels.max()


def test_other_faults_of_a_model_are_not_taken_for_full_memory(discs: np.ndarray) -> None:
    class Broken(Card):
        def forward(self, tiles: Sequence[np.ndarray], constants: float) -> list[TileInstances]:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        segment(open_image(discs), Broken(32, 8, 2, 1), ONE)


def test_memory_too_small_for_one_tile_is_said(discs: np.ndarray) -> None:
    with pytest.raises(NucleiError, match="even one tile"):
        segment(open_image(discs), Perfect(room=0), ONE)


def test_stored_tiles_are_not_computed_again(discs: np.ndarray, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise Stop

    with pytest.raises(Stop):
        segment(open_image(discs), Perfect(), ONE, store=TileStore(tmp_path), hooks=Hooks(check=check))
    again = Perfect()
    found = segment(open_image(discs), again, ONE, store=TileStore(tmp_path))
    assert 0 < sum(again.seen) < len(list(tmp_path.glob("tile-*.npz")))
    assert same_up_to_ids(found.labels, label(discs, connectivity=1))


@pytest.mark.parametrize("left", [0, 100])
def test_a_stored_tile_that_a_power_cut_damaged_is_computed_again(discs: np.ndarray, tmp_path: Path, left: int) -> None:
    segment(open_image(discs), Perfect(), ONE, store=TileStore(tmp_path))
    tile = sorted(tmp_path.glob("tile-*.npz"))[1]
    tile.write_bytes(tile.read_bytes()[:left])
    again = Perfect()
    found = segment(open_image(discs), again, ONE, store=TileStore(tmp_path))
    assert sum(again.seen) == 1
    assert same_up_to_ids(found.labels, label(discs, connectivity=1))


def test_constants_are_made_once_an_image(discs: np.ndarray) -> None:
    model = Perfect()
    segment(open_image(discs), model, ONE)
    assert model.prepared == 1


def test_pieces_cover_the_box_once_with_unique_ids(discs: np.ndarray) -> None:
    canvas = np.zeros(discs.shape, int)
    covered = np.zeros(discs.shape, int)
    ids: list[set[int]] = []

    def piece(origin: tuple[int, ...], labels: np.ndarray) -> None:
        place = tuple(slice(o, o + s) for o, s in zip(origin, labels.shape, strict=True))
        canvas[place] = labels
        covered[place] += 1
        ids.append(set(np.unique(labels)) - {0})

    segment(open_image(discs), Perfect(), ONE, hooks=Hooks(piece=piece))
    assert (covered == 1).all()
    assert (canvas > 0).tolist() == (discs > 0).tolist()
    assert sum(map(len, ids)) == len(set().union(*ids))


@pytest.mark.parametrize(("factor", "iou"), [(0.5, 0.7), (2.0, 0.9), (1.37, 0.9)])
def test_scaled_result_lies_on_the_image(discs: np.ndarray, factor: float, iou: float) -> None:
    found = segment(open_image(discs), Perfect(64, 16), Scale(factor, ""))
    assert found.labels.shape == discs.shape
    assert found.labels.max() == 30
    mine, true = found.labels > 0, discs > 0
    assert (mine & true).sum() / (mine | true).sum() > iou


def test_wrong_channels_and_axes_are_said(discs: np.ndarray) -> None:
    with pytest.raises(NucleiError, match="has 3 channels, the model was trained on 1"):
        segment(open_image(np.zeros((40, 40, 3), np.uint8)), Perfect(), ONE)


def test_empty_image_has_no_nuclei() -> None:
    found = segment(open_image(np.zeros((50, 50), np.float32)), Perfect(), ONE)
    assert found.labels.max() == 0
    assert found.scores.shape == (0,)


CARD = ModelCard(name="m", method="otsu", pixel_size_um=0.25, nucleus_diameter_px=24.0)


@pytest.mark.parametrize(
    ("image", "changes", "factor", "words"),
    [
        (0.5, {}, 2.0, "scaled × 2"),
        (0.25, {}, 1.0, "0.25"),
        (0.26, {}, 1.0, "0.26"),
        (None, {}, 1.0, "image's pixel size is unknown"),
        (None, {"pixel_size_um": 0.5}, 2.0, "scaled"),
        (0.5, {"diameter_px": 24.0}, 1.0, "24"),
        (None, {"diameter_px": 12.0}, 2.0, "12 px in the image"),
    ],
)
def test_scale_is_chosen_and_explained(image: float | None, changes: dict, factor: float, words: str) -> None:
    scale = choose_scale(CARD, image, **changes)
    assert scale.factor == pytest.approx(factor)
    assert words in scale.reason


def test_absurd_scales_are_refused() -> None:
    with pytest.raises(NucleiError, match="more than 0"):
        choose_scale(CARD, None, pixel_size_um=-1.0)
    with pytest.raises(NucleiError, match="would have to be scaled"):
        choose_scale(CARD, 100.0)
    plain = ModelCard(name="m", method="otsu")
    assert choose_scale(plain, 0.5).reason == "the model's pixel size is unknown: image taken as it is"
    assert choose_scale(plain, None).reason == "neither pixel size is known: image taken as it is"


def test_what_joining_leaves_of_a_nucleus_is_not_one() -> None:
    """Two tiles disagree about where a nucleus ends; a sliver of one view must not stay as a nucleus of its own."""
    reader = SimpleNamespace(shape=(40, 40), factor=1.0)
    grid = Grid((40, 40), (40, 40), (4, 4))
    labels = np.zeros((40, 40), np.int32)
    labels[5:15, 5:15] = 1
    labels[30, 30:33] = 2
    store = TileStore()
    (tile,) = list(grid)
    store.put(tile.index, TileInstances(labels, np.array([0.9, 0.4], np.float32), np.zeros(2, np.float32)))
    box = ((0, 40), (0, 40))
    for least, count in ((1, 2), (4, 1)):
        out, painted, kept = assemble(grid, [tile], store, reader, box, Wishes(), least)
        assert out.max() == len(kept) == count
        assert painted.scores[kept][0] == pytest.approx(0.9)
        assert (out[5:15, 5:15] == 1).all()


class PanicException(BaseException):
    """As pyo3 names what a panic in Rust becomes."""


@pytest.mark.parametrize("error", [RuntimeError("could not create a primitive"), PanicException("unwrap")], ids=repr)
def test_memory_that_is_full_in_other_words_halves_the_batch(discs: np.ndarray, error: BaseException) -> None:
    model = Perfect(batch=4)
    forward, sizes = model.forward, []

    def often_full(tiles: Sequence[np.ndarray], constants: Any) -> list[TileInstances]:
        sizes.append(len(tiles))
        if len(tiles) > 1:
            raise error
        return forward(tiles, constants)

    model.forward = often_full  # type: ignore[method-assign]
    found = segment(open_image(discs), model, ONE)
    assert same_up_to_ids(found.labels, label(discs, connectivity=1))
    assert 1 in sizes and max(sizes) > 1


def test_memory_that_is_full_while_tiles_are_read_is_no_damaged_file(discs: np.ndarray) -> None:
    image, full = open_image(discs), [3]
    read = image.read

    def sometimes_full(*args: Any, **more: Any) -> np.ndarray:
        full[0] -= 1
        if full[0] == 0:
            raise MemoryError
        return read(*args, **more)

    image.read = sometimes_full  # type: ignore[method-assign]
    found = segment(image, Perfect(batch=4), ONE)
    assert same_up_to_ids(found.labels, label(discs, connectivity=1))
