"""Images, slides, points, regions, labels, datasets and samples in; labels, GeoJSON, CSV, OME-TIFF and OME-Zarr out."""

from __future__ import annotations
