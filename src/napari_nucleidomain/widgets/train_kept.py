"""How large nuclei are and how long to train: kept with the project, so that they are there when it is opened again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

if TYPE_CHECKING:
    from .session import Session
    from .train_choices import TrainChoices
    from .train_sizes import TrainSizes

# What no box can show.
_MOST = 1e6


class KeptChoices(QObject):
    """Writes what is chosen into `Session.training`, and shows what the project has of it.

    Parameters
    ----------
    session : Session
    sizes : TrainSizes
    choices : TrainChoices
        Its time limit.
    """

    def __init__(self, session: Session, sizes: TrainSizes, choices: TrainChoices) -> None:
        super().__init__(choices)
        self._session, self._sizes, self._choices = session, sizes, choices
        self._filling = False
        sizes.changed.connect(self._keep)
        choices.limit.toggled.connect(self._keep)
        choices.minutes.valueChanged.connect(self._keep)
        self.show()

    def show(self) -> None:
        """Show what the project has; nothing of the one before stays."""
        minutes = _number(self._session.training.get("minutes"))
        self._filling = True
        try:
            self._sizes.forget()
            self._sizes.set_diameter(_number(self._session.training.get("diameter_px")))
            # It was accepted once: no circles before somebody asks for them.
            self._sizes.leave()
            if minutes is not None:
                self._choices.limit_to(minutes)
            else:
                self._choices.limit.setChecked(False)
        finally:
            self._filling = False

    def _keep(self, *_: Any) -> None:
        if not self._filling:
            limit = self._choices.minutes.value() if self._choices.limit.isChecked() else None
            self._session.say_training(diameter_px=self._sizes.diameter_px, minutes=limit)


def _number(stored: Any) -> float | None:
    """A number above 0, which is all that a box can show; a file may hold anything."""
    known = isinstance(stored, int | float) and not isinstance(stored, bool) and 0 < stored < _MOST
    return float(stored) if known else None
