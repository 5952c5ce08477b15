"""What napari sees: commands that exist, docks that open quickly and without torch, readers, writers, samples."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import npe2
import numpy as np
import pytest
from npe2.manifest.utils import import_python_name

import napari_nucleidomain
from napari_nucleidomain.data.labels_io import read_labels
from napari_nucleidomain.data.points import read_points
from napari_nucleidomain.data.regions import read_regions
from napari_nucleidomain.widgets.dock import DOCKS, OpenAll, dock_name, holder, open_all, open_dock
from napari_nucleidomain.widgets.readers import get_reader
from napari_nucleidomain.widgets.session import get_session

MANIFEST = Path(napari_nucleidomain.__file__).parent / "napari.yaml"


@pytest.fixture(scope="module")
def manifest():
    return npe2.PluginManifest.from_file(MANIFEST)


def test_every_command_exists(manifest):
    for command in manifest.contributions.commands:
        assert callable(import_python_name(command.python_name)), command.id


def test_the_manifest_at_the_top_is_the_packaged_one():
    top = MANIFEST.parents[2] / "napari.yaml"
    if top.exists():
        assert top.resolve() == MANIFEST.resolve()


def test_all_five_open_as_one_group_of_tabs(qtbot, make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    open_all(viewer)
    assert set(viewer.window.dock_widgets) >= {dock_name(which) for which in DOCKS}
    docks = [holder(viewer.window.dock_widgets[dock_name(which)]) for which in DOCKS]
    window = docks[0].window()
    assert set(window.tabifiedDockWidgets(docks[0])) == set(docks[1:])
    again = open_dock(get_session(viewer), "points")
    assert again is viewer.window.dock_widgets[dock_name("points")], "no dock is made twice"
    get_session(viewer).close()


def test_the_menu_entry_open_all_leaves_only_the_five(qtbot, make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.window.add_dock_widget(OpenAll(viewer), name="open all (Nuclei)")
    qtbot.waitUntil(lambda: len(viewer.window.dock_widgets) == 5, timeout=10000)
    get_session(viewer).close()


def test_docks_import_no_torch():
    code = (
        "import sys\n"
        + "".join(f"import napari_nucleidomain.widgets.{which}_dock\n" for which in DOCKS)
        + "found = {'torch', 'sklearn', 'matplotlib', 'pyqtgraph'} & set(sys.modules)\n"
        + "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_only_slides_and_zarr_are_claimed(manifest, image_file, tmp_path):
    patterns = {one for reader in manifest.contributions.readers for one in reader.filename_patterns}
    assert not patterns & {"*.tif", "*.tiff", "*.png", "*.jpg", "*"}
    (tmp_path / "plain").mkdir()
    assert get_reader(str(tmp_path / "plain")) is None


def test_a_pyramid_opens_lazily_in_micrometres(make_napari_viewer, tmp_path):
    import tifffile

    rng = np.random.default_rng(0)
    whole = rng.integers(0, 255, (1024, 1200, 3), dtype=np.uint8)
    path = tmp_path / "slide.svs"
    with tifffile.TiffWriter(path, bigtiff=True) as out:
        described = "Aperio Image Library\r\n1200x1024 |AppMag = 20|MPP = 0.5"
        out.write(whole, tile=(256, 256), photometric="rgb", description=described, metadata=None)
        # Aperio's order: the picture, a small one that is not tiled, then the levels.
        out.write(whole[::8, ::8], photometric="rgb", metadata=None)
        out.write(whole[::4, ::4], tile=(256, 256), photometric="rgb", metadata=None)
    viewer = make_napari_viewer()
    (layer,) = viewer.open(str(path), plugin="napari-nucleidomain")
    assert layer.multiscale and layer.rgb
    np.testing.assert_allclose(layer.scale, (0.5, 0.5))
    assert [str(one) for one in layer.units] == ["micrometer", "micrometer"]
    np.testing.assert_array_equal(np.asarray(layer.data[0][100:110, 5:9]), whole[100:110, 5:9])


@pytest.mark.parametrize("suffix", [".geojson", ".zip", ".ome.tif"])
def test_a_labels_layer_is_saved(make_napari_viewer, nuclei, tmp_path, suffix):
    viewer = make_napari_viewer()
    layer = viewer.add_labels(nuclei[2].astype(np.uint32), scale=(0.25, 0.25), units=("um", "um"))
    path = tmp_path / f"nuclei{suffix}"
    assert layer.save(str(path), plugin="napari-nucleidomain")
    found = read_labels(path, nuclei[2].shape).labels
    assert np.array_equal(found > 0, nuclei[2] > 0)
    assert len(np.unique(found)) == len(np.unique(nuclei[2]))


def test_clicks_and_regions_are_saved_for_qupath(make_napari_viewer, nuclei, tmp_path):
    viewer = make_napari_viewer()
    points = viewer.add_points(nuclei[1])
    points.save(str(tmp_path / "p.geojson"), plugin="napari-nucleidomain")
    np.testing.assert_allclose(read_points(tmp_path / "p.geojson"), nuclei[1])
    shapes = viewer.add_shapes([np.array([[0, 0], [0, 50], [40, 50], [40, 0]])], shape_type="polygon")
    shapes.save(str(tmp_path / "r.geojson"), plugin="napari-nucleidomain")
    (region,) = read_regions(tmp_path / "r.geojson")
    assert region.area == pytest.approx(2000)


@pytest.mark.parametrize(
    ("key", "ndim", "nuclei_count"), [("hne", 2, 95), ("fluorescence", 2, 120), ("volume", 3, 51), ("ovule", 3, 54)]
)
def test_samples_open_from_the_file_menu(make_napari_viewer, key, ndim, nuclei_count):
    viewer = make_napari_viewer()
    viewer.open_sample("napari-nucleidomain", key)
    image, outlines, clicks = viewer.layers
    assert outlines.ndim == clicks.ndim == ndim
    assert outlines.data.max() == len(clicks.data) == nuclei_count
    np.testing.assert_allclose(image.scale, clicks.scale)
    assert image.metadata["licence"]
