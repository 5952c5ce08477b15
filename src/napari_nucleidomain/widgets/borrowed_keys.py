"""Keys of layers or of the viewer, taken while they are needed and given back."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any


class BorrowedKeys:
    """Keys bound to single layers (or the viewer), never to a kind of layer; whoever had them gets them back."""

    def __init__(self) -> None:
        self._bound: list[tuple[weakref.ref[Any], str, Any]] = []

    def take(self, keepers: Iterable[Any], acts: Mapping[str, Callable[[], object]]) -> None:
        """Bind keys, after giving back those taken before.

        Parameters
        ----------
        keepers : layers or the viewer
            A key works while its layer is the selected one; the viewer's when the layer does not know it.
        acts : mapping of key to function
        """
        self.release()
        for one in keepers:
            for key, act in acts.items():
                before = one.bind_key(key, None)
                one.bind_key(key, lambda _, act=act: act())
                self._bound.append((weakref.ref(one), key, before))

    def release(self) -> None:
        """Give the keys back to whoever had them."""
        for keeper, key, before in reversed(self._bound):
            one = keeper()
            if one is not None:
                one.bind_key(key, before, overwrite=True)
        self._bound.clear()
