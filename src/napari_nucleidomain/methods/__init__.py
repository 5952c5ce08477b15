"""One folder per paper, all of one shape. Methods never import each other."""

from __future__ import annotations
