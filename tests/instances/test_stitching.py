"""The stitcher: what was cut comes back, whatever the grid; what tiles disagree on is settled."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.instances.grid import Grid, intersection, walk
from napari_nucleidomain.instances.seams import Views, crossing, overwrite_stitch, seam_errors
from napari_nucleidomain.instances.stitching import TileInstances, stitch, stitch_array


def random_grid(rng, shape, least_halo=1):
    halo = rng.integers(least_halo, 5, len(shape))
    return Grid(shape, tuple(rng.integers(1, 14, len(shape)) + 2 * halo), tuple(halo))


def cut(grid, truth, rng, components=False):
    """What a perfect segmenter finds in each tile: ids of its own, in any order."""
    results = {}
    for tile in grid:
        block = truth[tile.window]
        if components:
            block = label(block, connectivity=truth.ndim)
        ids = np.concatenate([[0], rng.permutation(int(block.max(initial=0)) + 3) + 1])
        block = ids[block]
        most = int(block.max(initial=0))
        results[tile.index] = TileInstances(block, rng.random(most, np.float32), rng.random(most, np.float32))
    return results


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("components", [False, True])
def test_a_cut_label_image_comes_back_whatever_the_grid(random_labels, same_partition, ndim, components):
    # With `components` the branches of a nucleus that meet outside a window are nuclei of their own in it.
    for seed in range(60 if ndim == 2 else 25):
        rng = np.random.default_rng([seed, ndim, components])
        truth = random_labels(rng, ndim)
        grid = random_grid(rng, truth.shape)
        stitched = stitch_array(grid, cut(grid, truth, rng, components))
        assert same_partition(stitched.labels, truth), (seed, grid)
        assert stitched.labels.dtype == np.uint32
        assert stitched.origin == (0,) * ndim
        count = int(truth.max(initial=0))
        assert np.array_equal(np.unique(stitched.labels[stitched.labels > 0]), np.arange(1, count + 1))
        assert len(stitched.scores) == len(stitched.uncertainty) == count


@pytest.mark.parametrize("seed", [729, 1337, 1389, 1525, 1557, 2239])
def test_nuclei_that_enter_an_overlap_in_several_places(same_partition, seed):
    rng = np.random.default_rng(seed)
    truth = label(rng.integers(0, 4, (22, 35)), connectivity=2)
    grid = Grid(truth.shape, (4, 13), (1, 1))
    assert same_partition(stitch_array(grid, cut(grid, truth, rng, components=True)).labels, truth)


def test_a_u_and_a_nucleus_larger_than_many_tiles(same_partition):
    truth = np.zeros((60, 60), int)
    truth[5:50, 5:12] = truth[5:50, 40:47] = truth[43:50, 5:47] = 1  # a U
    truth[2:58, 55:59] = 2
    truth[10:30, 20:33] = 3
    for tile in (8, 11, 20, 64):
        grid = Grid(truth.shape, (tile, tile), (1, 2))
        results = cut(grid, truth, np.random.default_rng(0), components=True)
        assert same_partition(stitch_array(grid, results).labels, truth)


def test_grids_partition_the_image(random_labels):
    for seed in range(40):
        rng = np.random.default_rng(seed)
        ndim = 2 + seed % 2
        shape = tuple(int(side) for side in rng.integers(1, (0, 0, 30, 12)[ndim], ndim))
        grid = random_grid(rng, shape, least_halo=0)
        covered = np.zeros(shape, int)
        tiles = list(grid)
        assert [tile.index for tile in tiles] == list(range(len(grid)))
        owner = np.full(shape, -1)
        for tile in tiles:
            assert grid[tile.index] == tile
            covered[tile.core] += 1
            owner[tile.core] = tile.index
            for axis, (core, window) in enumerate(zip(tile.core, tile.window, strict=True)):
                assert window.start == max(0, core.start - grid.halo[axis])
                assert window.stop == min(shape[axis], core.stop + grid.halo[axis])
                assert window.stop - window.start <= grid.tile[axis]
            seen_by_others = np.zeros(shape, bool)
            for other in tiles:
                if other != tile:
                    seen_by_others[other.window] = True
            private = grid.private(tile)
            inside = tuple(slice(a, max(a, b)) for a, b in private)
            assert not seen_by_others[inside].any()
            near = {other.index for other in grid.neighbours(tile)}
            overlapping = {o.index for o in tiles if o != tile and intersection(o.window, tile.window)}
            assert overlapping <= near
        assert (covered == 1).all()
        places = np.argwhere(owner >= 0)
        assert (grid.owner(places) == owner.ravel()).all()
        assert sorted(tile.index for tile in walk(grid, tiles, 3)) == list(range(len(grid)))


def test_a_small_image_is_one_tile_and_an_empty_one_is_none():
    assert len(Grid((200, 100), (224, 224), (40, 40))) == 1
    assert len(Grid((1000, 1000), (224, 224), (40, 40))) == 49
    assert len(Grid((0, 10), (8, 8), (1, 1))) == 0
    assert stitch_array(Grid((0, 10), (8, 8), (1, 1)), {}).labels.shape == (0, 0)


@pytest.mark.parametrize("tile, halo", [((8, 8), (4, 1)), ((8, 8), (-1, 1)), ((8,), (1,)), ((0, 5), (0, 1))])
def test_impossible_grids_are_refused(tile, halo):
    with pytest.raises(NucleiError):
        Grid((20, 20), tile, halo)


def test_part_of_the_tiles_gives_what_all_of_them_give(random_labels, same_partition):
    for seed in range(40):
        rng = np.random.default_rng(seed)
        truth = random_labels(rng)
        grid = random_grid(rng, truth.shape)
        start = [int(rng.integers(0, side)) for side in truth.shape]
        box = tuple(slice(a, int(rng.integers(a + 1, side + 1))) for a, side in zip(start, truth.shape, strict=True))
        tiles = [tile for tile in grid if intersection(tile.window, box)]
        rng.shuffle(tiles)
        results = cut(grid, truth, rng)
        stitched = stitch_array(grid, lambda index, results=results: results[index], tiles=tiles)
        inside = tuple(slice(p.start - o, p.stop - o) for p, o in zip(box, stitched.origin, strict=True))
        expected = truth[box]
        assert same_partition(stitched.labels[inside], expected) or _only_apart(stitched.labels[inside], expected)


def _only_apart(found, expected):
    """Equal but for nuclei whose parts in the box meet outside all the tiles that were given."""
    pairs = np.unique(np.stack([found.ravel(), expected.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == pairs.shape[1] and ((pairs[0] == 0) == (pairs[1] == 0)).all()


def test_streaming_holds_few_tiles_and_writes_every_core_once(same_partition):
    rng = np.random.default_rng(1)
    truth = label(rng.random((300, 300)) > 0.6, connectivity=1)
    grid = Grid(truth.shape, (24, 24), (3, 3))
    loads, blocks = [], {}

    def load(index):
        loads.append(index)
        return TileInstances.of(truth[grid[index].window])

    def write(core, block):
        assert tuple((piece.start, piece.stop) for piece in core) not in blocks
        blocks[tuple((piece.start, piece.stop) for piece in core)] = block

    painted = stitch(grid, load, write, cache_tiles=32)
    result = np.zeros(truth.shape, np.uint32)
    for box, block in blocks.items():
        result[tuple(slice(a, b) for a, b in box)] = block
    assert same_partition(result, truth)
    assert len(blocks) == len(grid)
    assert painted.count == truth.max()
    assert np.array_equal(painted.areas, np.bincount(result.ravel())[1:])
    assert len(loads) < 4 * len(grid)  # both passes together, with a cache of 32 out of 289 tiles


def test_empty_tiles_may_be_none(discs, same_partition):
    grid = Grid(discs.shape, (40, 40), (8, 8))

    def load(index):
        block = discs[grid[index].window]
        return TileInstances.of(block) if block.any() else None

    assert same_partition(stitch_array(grid, load).labels, discs)
    assert not stitch_array(grid, lambda index: None).labels.any()


def test_scores_stay_with_their_nuclei(discs):
    grid = Grid(discs.shape, (50, 50), (12, 12))
    results = {}
    for tile in grid:
        block = discs[tile.window].astype(int)
        # Every tile that sees disc k gives it k / 10: nine ids, of which some are absent.
        results[tile.index] = TileInstances(block, np.arange(1, 10) / np.float32(10), np.arange(1, 10) / np.float32(20))
    stitched = stitch_array(grid, results)
    for k in range(1, 10):
        number = stitched.labels[discs == k][0]
        assert stitched.scores[number - 1] == pytest.approx(k / 10)
        assert stitched.uncertainty[number - 1] == pytest.approx(k / 20)


def test_without_overlap_nuclei_are_joined_across_the_seam(discs, same_partition):
    grid = Grid(discs.shape, (45, 45), (0, 0))  # the seam goes through the middle of five discs
    assert len(crossing(discs, grid.seams())) == 5
    assert same_partition(stitch_array(grid, cut(grid, discs, np.random.default_rng(0))).labels, discs)


def test_one_axis_without_halo(same_partition):
    rng = np.random.default_rng(0)
    y, x = np.indices((40, 60))
    truth = sum(
        (((y - cy) ** 2 + (x - cx) ** 2) < 36) * (k + 1) for k, (cy, cx) in enumerate([(10, 15), (20, 30), (30, 45)])
    )
    grid = Grid(truth.shape, (20, 24), (0, 3))
    assert same_partition(stitch_array(grid, cut(grid, truth, rng)).labels, truth)


def two_tiles():
    grid = Grid((20, 60), (20, 40), (0, 10))
    assert [tile.window[1] for tile in grid] == [slice(0, 40), slice(20, 60)]
    return grid, np.zeros((20, 40), int), np.zeros((20, 40), int)


def test_two_slightly_different_views_of_a_nucleus_become_one():
    grid, left, right = two_tiles()
    left[5:15, 25:35] = 1  # in the image: columns 25..34
    right[5:15, 7:16] = 1  # 27..35
    stitched = stitch_array(grid, [TileInstances.of(left), TileInstances.of(right)])
    assert stitched.labels.max() == 1
    columns = np.flatnonzero(stitched.labels.any(axis=0))
    assert (columns[0], columns[-1]) == (27, 35)  # 7 px from its window's border, the other one 5


def test_of_two_overlapping_nuclei_the_surer_lies_on_top():
    grid, left, right = two_tiles()
    left[5:15, 20:30] = 1  # centre in the left core
    right[5:15, 6:16] = 1  # columns 26..35, centre in the right core: IoU 0.25
    for first, second in ((0.9, 0.5), (0.2, 0.5)):
        one = TileInstances(left, np.array([first], np.float32), np.zeros(1, np.float32))
        two = TileInstances(right, np.array([second], np.float32), np.zeros(1, np.float32))
        stitched = stitch_array(grid, [one, two])
        assert stitched.labels.max() == 2
        owner = stitched.labels[10, 27]  # both claim this pixel
        assert stitched.scores[owner - 1] == pytest.approx(max(first, second))


def test_a_nucleus_lying_mostly_on_another_tiles_goes():
    grid, left, right = two_tiles()
    left[2:18, 10:34] = 1  # large
    right[8:12, 9:14] = 1  # columns 29..33: inside the large one's end, and not cut
    right[8:12, 14:16] = 1
    one = TileInstances(left, np.array([0.9], np.float32), np.zeros(1, np.float32))
    two = TileInstances(right, np.array([0.5], np.float32), np.zeros(1, np.float32))
    assert stitch_array(grid, [one, two]).labels.max() == 1


def test_what_only_the_neighbours_halo_shows_is_left_out():
    grid, left, right = two_tiles()
    left[5:10, 33:38] = 1  # in the right tile's core, which does not show it
    assert stitch_array(grid, [TileInstances.of(left), TileInstances.of(right)]).labels.max() == 0
    only = stitch_array(grid, {0: TileInstances.of(left)}, tiles=[grid[0]])  # nobody says otherwise
    assert only.labels.shape == (20, 30)


def test_two_nuclei_that_another_tile_merged_stay_two():
    grid, left, right = two_tiles()
    left[5:15, 22:29], left[5:15, 29:36] = 1, 2
    right[5:15, 2:16] = 1  # both in one
    for merged_score in (0.5, 0.95):
        one = TileInstances(left, np.full(2, 0.9, np.float32), np.zeros(2, np.float32))
        two = TileInstances(right, np.full(1, merged_score, np.float32), np.zeros(1, np.float32))
        labels = stitch_array(grid, [one, two]).labels
        assert labels.max() == 2
        assert (labels > 0).sum() == 140


def test_results_that_do_not_fit_are_the_methods_fault(discs):
    grid = Grid(discs.shape, (100, 100), (8, 8))
    with pytest.raises(ValueError, match="shape"):
        stitch_array(grid, [TileInstances.of(discs[:50])])
    with pytest.raises(ValueError, match="scores"):
        stitch_array(grid, [TileInstances(discs, np.ones(3, np.float32), np.ones(9, np.float32))])


def test_overwriting_leaves_slivers_where_stitching_does_not():
    rng = np.random.default_rng(3)
    y, x = np.indices((200, 200))
    truth = np.zeros((200, 200), int)
    for k in range(49):
        cy, cx = 14 + 28 * (k // 7), 14 + 28 * (k % 7)
        truth[(y - cy) ** 2 + (x - cx) ** 2 <= 100] = k + 1
    grid = Grid(truth.shape, (60, 60), (12, 12))
    results = {}
    for tile in grid:
        # Every tile sees its nuclei a pixel to the side of where they are.
        block = np.roll(truth, rng.integers(-1, 2, 2), axis=(0, 1))[tile.window]
        results[tile.index] = TileInstances.of(label(block, connectivity=2))
    assert len(crossing(truth, grid.seams())) > 20
    ours = seam_errors(stitch_array(grid, results).labels, truth, grid.seams())
    theirs = seam_errors(overwrite_stitch(grid, results.__getitem__), truth, grid.seams())
    assert (ours.broken, ours.lost, ours.merged) == (0, 0, 0)
    assert ours.crossing == theirs.crossing
    assert theirs.share > 0.2


def test_seam_errors_by_hand():
    truth = np.zeros((10, 40), int)
    truth[2:8, 5:15], truth[2:8, 25:35], truth[0:1, 36:40] = 1, 2, 3
    seams = (np.zeros(0, int), np.array([10, 30]))
    found = truth.copy()
    found[2:8, 10:15] = 9  # split
    found[2:8, 25:35] = 0  # lost
    errors = seam_errors(found, truth, seams)
    assert (errors.crossing, errors.broken, errors.lost, errors.share) == (2, 1, 1, 0.5)
    merged = np.where((truth == 1) | (truth == 3), 1, truth)
    assert seam_errors(merged, truth, seams).merged == 1
    assert seam_errors(truth, np.zeros_like(truth), seams).share == 0.0


def test_what_a_tile_divides_by_itself_is_not_put_down_to_the_seam():
    grid = Grid((20, 60), (20, 32), (4, 4))
    truth = np.zeros((20, 60), int)
    truth[5:15, 20:30] = 1
    # The left tile sees all of the nucleus; whether it divides it decides.
    left = truth[grid[0].window].copy()
    for divided in (False, True):
        if divided:
            left[10:15] *= 2
        results = {0: TileInstances.of(left), **{t.index: TileInstances.of(truth[t.window]) for t in list(grid)[1:]}}
        found = truth.copy()
        found[10:15] *= 2  # broken either way
        errors = seam_errors(found, truth, grid.seams(), views=Views(grid, results, (0, 0)))
        assert (errors.crossing, errors.broken, errors.divided_within) == (1, 1, int(divided))
        assert errors.seam_share == (0.0 if divided else 1.0)


def test_a_tile_that_cuts_a_nucleus_has_no_say():
    grid = Grid((20, 60), (20, 32), (4, 4))
    truth = np.zeros((20, 60), int)
    truth[5:15, 25:40] = 1  # the left window ends at 32
    cut = truth[grid[0].window].copy()
    cut[10:15] *= 2
    whole = {t.index: TileInstances.of(truth[t.window]) for t in list(grid)[1:]}
    views = Views(grid, {0: TileInstances.of(cut), **whole}, (0, 0))
    assert not views.divide(np.nonzero(truth))
