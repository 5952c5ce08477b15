"""Algorithms on label images, without learning: scores, stitching, cleaning, measuring, outlines, Otsu + watershed."""
