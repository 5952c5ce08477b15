"""What is amiss with the current image, right under the list: it cannot be read, or was removed from the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .inline import Inline

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .session import Session


class Trouble(Inline):
    """One message about the current image, with the way out. Hidden while all is well."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        session.current_changed.connect(self.refresh)
        session.entry_changed.connect(self.refresh)
        session.images_changed.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Say what is so now; the same is not said twice, so that no button goes while it is pressed."""
        entry = self._session.current
        level, said, actions = "info", "", {}
        if entry is not None and entry.problem:
            level = "warning"
            said = f"{entry.problem}{self._what_is_seen(entry)}"
            actions = {"Take this image off the list": lambda: self._session.remove_entry(entry)}
        elif entry is not None and entry.hidden:
            said = removed_words(entry)
            actions = {"Show again": lambda: self._session.stage.show_again(entry)}
        if (entry, said) == self._said:
            return
        self._said = (entry, said)
        if said:
            self.say(level, said, **actions)
        else:
            self.clear()

    _said: tuple[ImageEntry | None, str] | None = None

    def _what_is_seen(self, entry: ImageEntry) -> str:
        shown = self._session.stage.shown
        return f"\nThe viewer still shows {shown.name}." if shown is not None and shown is not entry else ""


def removed_words(entry: ImageEntry) -> str:
    """What of an image was removed from the viewer by hand, as a sentence."""
    if "image" in entry.hidden:
        return "Its picture was removed from the viewer."
    names = ", ".join(sorted(entry.layers[role].name for role in entry.hidden if role in entry.layers))
    return f"Removed from the viewer, not lost: {names}."
