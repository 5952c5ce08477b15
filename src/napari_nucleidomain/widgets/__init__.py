"""The five docks. The only part of the program that imports Qt or napari, and it imports no torch."""
