"""Minutes on this computer, under *How long?*: known from a speed test, made better by past trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.runs.computer import free_bytes
from napari_nucleidomain.runs.forecast import Forecast, forecast, past_steps, training_space
from napari_nucleidomain.runs.speed import Speed, load_speed
from napari_nucleidomain.runs.team_devices import split_devices

from .inline import Inline
from .newest import Newest
from .speed_runner import SpeedRunner
from .train_images_only import axes_of
from .wording import day_and_clock, duration, file_size

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .session import Session
    from .train_choices import Planned, TrainChoices

# Of `Session.entry_changed`: comes at every click, and says nothing of axes.
_OFTEN = ("points", "regions", "labels", "corrections")


class TrainForecast(QObject):
    """Writes times into the choices of the Train dock.

    Parameters
    ----------
    session : Session
    choices : TrainChoices
        Its radio buttons are given times; its `room` gets the sentence with [Measure].
    """

    def __init__(self, session: Session, choices: TrainChoices) -> None:
        super().__init__(choices)
        self._session, self._choices = session, choices
        self._background = Newest(self)
        self._speed: Speed | None = None
        self._past: dict[str, float] = {}
        self._free: int | None = None
        self._ndim = 2
        self.told = Inline()
        self.runner = SpeedRunner(self)
        choices.room.addWidget(self.told)
        choices.device.currentIndexChanged.connect(self.look)
        choices.changed.connect(self.show)
        session.images_changed.connect(self._images_changed)
        session.entry_changed.connect(self._entry_changed)
        session.project_changed.connect(self.look)
        session.speed_measured.connect(self.look)
        session.closing.connect(self._close)
        self.runner.progressed.connect(self._progressed)
        self.runner.ended.connect(self._measured)
        self.runner.failed.connect(self._failed)
        self.look()

    def look(self, *_: Any) -> None:
        """Read what is known of this computer, in the background."""
        device = str(self._choices.device.currentData())
        folder = self._session.project_folder

        def read() -> tuple[Speed | None, dict[str, float], int | None]:
            from napari_nucleidomain.runs.store import Project

            # The test measures one device, and nobody knows how much several are held up by one another.
            speed = load_speed(device) if not _is_several(device) else None
            return speed, past_steps(Project(folder), device), free_bytes(folder)

        self._background.run("look", read, done=self._looked, failed=self._failed)

    def _looked(self, found: tuple[Speed | None, dict[str, float], int | None]) -> None:
        self._speed, self._past, self._free = found
        self.show()

    def _entry_changed(self, _: ImageEntry, what: str) -> None:
        if what not in _OFTEN:
            self._images_changed()

    def _images_changed(self) -> None:
        """Volumes where flat images were, or the other way round, take another time."""
        if self._axes() != self._ndim:
            self.show()

    def _axes(self) -> int:
        """Axes of the images that would be learned from."""
        spec = self._choices.spec
        return axes_of(self._session.images, spec.ndims) if spec is not None else 2

    # ---- telling

    def of(self, planned: Planned) -> Forecast:
        """How long what was chosen will take."""
        ndim = axes_of(self._session.images, planned.method.ndims)
        return forecast(planned.method, planned.preset, planned.config, self._speed, self._past, planned.minutes, ndim)

    def button_words(self, planned: Planned | None) -> str:
        """For [Train]: ", about 2 min" (or at most), or nothing where it is not known."""
        made = self.of(planned) if planned is not None else Forecast(None)
        # What ends after its steps may need less than the limit, on a computer that was not measured nobody knows.
        how = "at most" if planned and planned.method.ends_early and made.known_by == "limit" else "about"
        return f", {how} {duration(made.seconds)}" if made.seconds else ""

    def low_disk(self, planned: Planned | None) -> str:
        """Why the disk may be too small for what was chosen; empty where it is not."""
        if planned is None or self._free is None:
            return ""
        ndim = axes_of(self._session.images, planned.method.ndims)
        needed = training_space(planned.method, planned.preset, planned.config, ndim)
        if self._free >= needed:
            return ""
        return (
            f"Only {file_size(self._free)} free on the project's disk; this needs about {file_size(needed)}. "
            "Clean up in Images > Disk use, or choose a project on another disk."
        )

    def show(self) -> None:
        """Write all the times anew."""
        spec, planned = self._choices.spec, self._choices.planned()
        self._ndim = self._axes()
        if spec is None or planned is None:
            self.told.clear()
            return
        self._choices.show_times({name: self._time_of(name) for name in spec.presets})
        if self.runner.running:
            return
        made = self.of(planned)
        if made.short and planned.parent is None:
            better = max(1, round((made.full_seconds or 0.0) / 60))
            self.told.say(
                "info",
                f"This computer does less than half of this setting's training in {duration(made.seconds or 0.0)}. "
                f"{duration(60.0 * better)} would be better.",
                **{f"Take {duration(60.0 * better)}": lambda: self._choices.limit_to(better)},
            )
        elif spec.forecast and _is_several(planned.device) and not self._past:
            self.told.say("info", "How long it takes on several cards is told once one training was done on them.")
        elif self._speed is None and not self._past and spec.forecast:
            self.told.say("info", "How quick this computer is was not measured yet.", Measure=self.measure)
        elif spec.forecast and self._speed is not None and not self._past:
            self.told.say("info", f"Times of this computer, measured {day_and_clock(self._speed.when)}.")
        elif spec.forecast:
            self.told.say("info", "Times are those of your last trainings on this computer.")
        else:
            self.told.clear()

    def _time_of(self, preset: str) -> str:
        spec = self._choices.spec
        assert spec is not None
        made = forecast(spec, preset, {}, self._speed, self._past, ndim=self._ndim)
        if made.seconds:
            return f", {duration(made.seconds)}"
        return ", hours" if spec.forecast else ""

    # ---- measuring

    def measure(self) -> None:
        """Do the speed test for the device chosen."""
        self.runner.start(split_devices(str(self._choices.device.currentData()))[0])
        if self.runner.running:
            self._progressed(0.0)

    def _progressed(self, share: float) -> None:
        self.told.say("info", f"Measuring, {100 * share:.0f} % …", Cancel=self.runner.cancel)

    def _measured(self, speed: Speed | None) -> None:
        self.look() if speed is None else self._session.speed_measured.emit()

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, NucleiError):
            self.told.say("warning", error.message, error.hint, Measure_again=self.measure)
        else:
            self.told.say_error(error)

    def _close(self) -> None:
        self._background.close()
        self.runner.close()


def _is_several(device: str) -> bool:
    return len(split_devices(device)) > 1
