"""From a tile to a whole slide: tiling, batching, stitching, writing. No torch here: the segmenter brings its own."""

from __future__ import annotations
