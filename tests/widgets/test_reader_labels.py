"""The plugin's reader: outlines open as Labels, a picture with outlines in it as both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import zarr

from napari_nucleidomain.data.labels_out import write_labels
from napari_nucleidomain.widgets.readers import get_reader, read


def test_a_predicted_ome_zarr_opens_as_labels(tmp_path: Path) -> None:
    labels = np.zeros((60, 70), np.uint32)
    labels[10:20, 10:20] = 1
    labels[40:50, 40:50] = 2
    path = tmp_path / "a.ome.zarr"
    write_labels(labels, path, pixel_size_um=(0.5, 0.5))
    assert get_reader(str(path)) is read
    ((data, settings, kind),) = read(str(path))
    assert kind == "labels" and tuple(settings["scale"]) == (0.5, 0.5)
    np.testing.assert_array_equal(np.asarray(data), labels)

    group = zarr.open_group(str(tmp_path / "b.zarr"), mode="w", zarr_format=2)
    group.create_array("0", shape=(60, 70), chunks=(60, 70), dtype="uint16")[...] = np.arange(4200).reshape(60, 70)
    group.attrs["multiscales"] = [{"axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}]
    group.require_group("labels")
    write_labels(labels, tmp_path / "b.zarr" / "labels" / "nuclei", format="zarr")
    layers = read(str(tmp_path / "b.zarr"))
    assert [kind for _, _, kind in layers] == ["image", "labels"]
    np.testing.assert_array_equal(np.asarray(layers[1][0]), labels)
