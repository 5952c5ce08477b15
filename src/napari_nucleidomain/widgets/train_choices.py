"""The upper half of the Train dock: from what, starting where, for how long, under which name, on what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QRadioButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_nucleidomain.contracts import MethodConfig, MethodSpec, NucleiError, methods
from napari_nucleidomain.runs.team_devices import check_team, split_devices

from .combos import Combo, add_item
from .config_form import ConfigForm
from .devices import devices
from .folding import Fold
from .inline import WhyButton, row
from .number_boxes import FloatBox, IntBox
from .train_sizes import names_kept_out

if TYPE_CHECKING:
    from napari_nucleidomain.runs.job import TrainJob
    from napari_nucleidomain.runs.store import StoredModel

# Keys are `MethodSpec.needs`, the commonest first.
_HAVE = {
    "points": "Clicks inside nuclei",
    "labels": "Outlines of nuclei",
    "nothing": "Nothing: fluorescence images only",
    "labels elsewhere": "Outlines in another stain or microscope",
}


@dataclass(frozen=True)
class Planned:
    """What the person chose, before it becomes a job."""

    method: MethodSpec
    preset: str
    minutes: float | None
    parent: Path | None
    name: str
    device: str
    seed: int
    config: dict[str, Any]


class TrainChoices(QWidget):
    """The form above [Train].

    Signals
    -------
    changed()
        Anything was chosen anew.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        order = [*_HAVE]
        known = sorted(methods().items(), key=lambda one: order.index(one[1].needs) if one[1].needs in order else 99)
        self.specs = {name: spec for name, spec in known if spec.trainable}
        self._form: ConfigForm | None = None
        self._name_is_ours = True
        self._start_is_theirs = False
        self._shown: tuple[list[StoredModel], str] = ([], "")
        self._unlike: dict[str, str] = {}
        self._build()
        self._method_chosen()

    def _build(self) -> None:
        self.have = Combo()
        for name, spec in self.specs.items():
            self.have.addItem(_HAVE.get(spec.needs, spec.title), name)
            self.have.setItemData(self.have.count() - 1, f"{spec.title}\n{spec.paper}".strip(), _TOOLTIP)
        self.sentence = _small_label()
        self.start_from = Combo()
        self.start_from.setToolTip("Continue from a model you trained before, or begin anew.")
        self._presets = QVBoxLayout()
        self._presets.setContentsMargins(0, 0, 0, 0)
        self._group = QButtonGroup(self)
        self.limit = QCheckBox("stop after")
        self.limit.setToolTip("The schedule is fitted into this time, so that the model is complete when it ends.")
        self.minutes = FloatBox({"gt": 0.05, "le": 10000}, "min")
        self.minutes.setValue(2.0)
        self.name = QLineEdit()
        self.name.setToolTip("What the new model will be called. A model is never overwritten.")
        self.device = Combo()
        for value, words in devices():
            self.device.addItem(words, value)
        self.seed = IntBox({"ge": 0})
        self.seed.setToolTip("The same number, images and clicks give the same model again.")
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Start from", self.start_from)
        form.addRow("Name", self.name)
        form.addRow("Runs on", self.device)
        for combo in (self.have, self.start_from, self.device):
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(12)
        self.advanced = Fold("Advanced: every setting", remember="train/advanced")
        self.advanced.opened.connect(self._advanced_opened)
        self.cluster = WhyButton("Write job folder for a cluster …", "A folder to run with: nucleidomain run FOLDER")
        seed = QWidget()
        seed.setLayout(row(QLabel("Seed"), self.seed, stretch=1))
        self.advanced.add(self.cluster)
        self.advanced.add(seed)
        self._lay_out(form)
        self._connect()

    def _lay_out(self, form: QFormLayout) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(_bold("What do you have?"))
        layout.addWidget(self.have)
        layout.addWidget(self.sentence)
        # What a method has to be told first: the dock puts panels here.
        self.first = QVBoxLayout()
        layout.addLayout(self.first)
        layout.addWidget(_bold("How long?"))
        layout.addLayout(self._presets)
        self._special = Fold("For one kind of images")
        layout.addWidget(self._special)
        self.room = QVBoxLayout()
        layout.addLayout(self.room)
        layout.addLayout(row(self.limit, self.minutes, stretch=1))
        layout.addLayout(form)

    def _connect(self) -> None:
        self.have.currentIndexChanged.connect(self._method_chosen)
        self.have.currentIndexChanged.connect(self._have_chosen)
        self.limit.toggled.connect(self._limit_toggled)
        self.name.textEdited.connect(self._name_edited)
        self.start_from.activated.connect(self._start_chosen)
        for signal in (self.start_from.currentIndexChanged, self.device.currentIndexChanged, self.minutes.valueChanged):
            signal.connect(self.changed)
        self._limit_toggled(False)

    # ---- what is chosen

    @property
    def spec(self) -> MethodSpec | None:
        """The method for what the person has; None where none is installed."""
        return self.specs.get(self.have.currentData())

    @property
    def preset(self) -> str:
        """Name of the preset chosen."""
        button = self._group.checkedButton()
        return str(button.property("preset")) if button is not None else ""

    def preset_values(self) -> dict[str, Any]:
        """Settings of the preset chosen."""
        return self.spec.presets[self.preset].values if self.spec is not None else {}

    def planned(self) -> Planned | None:
        """All choices; None where no method is installed."""
        spec = self.spec
        if spec is None:
            return None
        minutes = self.minutes.value() if self.limit.isChecked() else spec.presets[self.preset].minutes
        parent = self.start_from.currentData()
        return Planned(
            method=spec,
            preset=self.preset,
            minutes=minutes,
            parent=Path(parent) if parent else None,
            name=self.name.text().strip() or "model",
            device=str(self.device.currentData()),
            seed=self.seed.value(),
            config=self._changes(spec),
        )

    def _changes(self, spec: MethodSpec) -> dict[str, Any]:
        """What differs from the preset: in the form, and what panels of the dock know."""
        return {**(self._form.changes() if self._form is not None else {}), **self.more(spec.config)}

    @staticmethod
    def more(config: type[MethodConfig]) -> dict[str, Any]:
        """Settings that a panel of the dock shows; the dock puts its own function here."""
        return {}

    def problem(self) -> str:
        """Why these choices will not do; empty when they will."""
        if self.spec is None:
            return "No method that can be trained is installed."
        wrong = self._form.problem() if self._form is not None else ""
        planned = self.planned()
        return wrong or self._size_problem(planned) or self._team_problem(planned)

    def _size_problem(self, planned: Planned | None) -> str:
        """Why a size of nuclei will not do: beyond what the method can."""
        if planned is None or not self.more(planned.method.config):
            return ""
        try:
            planned.method.config.build(planned.method.preset(planned.preset).values, planned.config)
        except NucleiError as error:
            return error.message
        return ""

    def _team_problem(self, planned: Planned | None) -> str:
        """Why several devices will not do."""
        if planned is None or "," not in planned.device:
            return ""
        spec = planned.method
        try:
            config = spec.config.build(spec.preset(planned.preset).values, planned.config)
            check_team(spec, config, split_devices(planned.device))
        except NucleiError as error:
            return str(error)
        return ""

    # ---- showing

    def show_models(self, models: list[StoredModel], free_name: str) -> None:
        """Offer the person's own models to start from, the last one first, and a name that is free.

        A model whose networks are not those of the preset is listed and cannot be chosen.
        """
        self._shown = (models, free_name)
        spec, chosen = self.spec, self.start_from.currentData()
        fitting = [model for model in models if spec is not None and model.card.method == spec.name]
        self.start_from.blockSignals(True)
        self.start_from.clear()
        self.start_from.addItem("new model", "")
        self._unlike = {str(model.folder): self._why_unlike(model) for model in fitting}
        for model in fitting:
            why = self._unlike[str(model.folder)]
            words = f"continue {model.name}" + (" (has other networks)" if why else "")
            add_item(self.start_from, words, str(model.folder), why, model.card.line())
        # The second round begins where the first ended, unless the person says otherwise.
        like = [folder for folder, why in self._unlike.items() if not why]
        wanted = chosen if self._start_is_theirs else (like[0] if like else "")
        self.start_from.setCurrentIndex(max(0, self.start_from.findData(wanted if wanted in like else "")))
        self.start_from.setEnabled(bool(fitting))
        self.start_from.blockSignals(False)
        if free_name and (self._name_is_ours or not self.name.text().strip()):
            self.name.setText(free_name)
            self._name_is_ours = True

    def _why_unlike(self, model: StoredModel) -> str:
        """Why a model cannot be continued with the settings chosen; "" where it can."""
        spec = self.spec
        if spec is None or self.preset not in spec.presets:
            return ""
        known = {name: value for name, value in model.card.config.items() if name in spec.config.model_fields}
        changes = self._changes(spec)
        try:
            old = spec.config.build(known)
            why = spec.config.build(spec.presets[self.preset].values, changes).unlike(old)
        except NucleiError:
            # A faulty setting is told by the form; a model of another version is refused by the training itself.
            return ""
        made = spec.presets[model.card.preset].title if model.card.preset in spec.presets else ""
        hint = f"Choose “{made}”, with which it was made, or begin anew." if made else "Begin anew."
        return f"{model.name} has other networks ({why}). {hint}" if why else ""

    def show_times(self, words: dict[str, str]) -> None:
        """Write how long each preset takes behind its name.

        Parameters
        ----------
        words : dict
            Preset -> ", 2 min", or nothing.
        """
        for button in self._group.buttons():
            name = str(button.property("preset"))
            if self.spec is not None and name in self.spec.presets:
                button.setText(self.spec.presets[name].title + words.get(name, ""))

    def limit_to(self, minutes: float) -> None:
        """Have the training stop after so long."""
        self.limit.setChecked(True)
        self.minutes.setValue(minutes)

    def continue_from(self, folder: Path) -> None:
        """Choose a model to start from, its method, and its preset where the one chosen has other networks."""
        model = next((one for one in self._shown[0] if str(one.folder) == str(folder)), None)
        if model is not None:
            self.have.setCurrentIndex(max(0, self.have.findData(model.card.method)))
            self._have_is_theirs = True
        self._start_is_theirs = True
        if model is not None and self._unlike.get(str(folder)):
            for button in self._group.buttons():
                if button.property("preset") == model.card.preset:
                    button.setChecked(True)
        self.start_from.setCurrentIndex(max(0, self.start_from.findData(str(folder))))

    def suggest(self, method: str) -> None:
        """Choose what a person has, as far as one can see; not where they chose it."""
        if not self._have_is_theirs and method in self.specs and method != self.have.currentData():
            self.have.setCurrentIndex(self.have.findData(method))
            self._have_is_theirs = False

    def choose_needs(self, needs: str) -> None:
        """Choose what the person has, by a button: the first method of this supervision."""
        name = next((name for name, spec in self.specs.items() if spec.needs == needs), "")
        if name:
            self.have.setCurrentIndex(self.have.findData(name))
            self._have_is_theirs = True

    def repeat(self, job: TrainJob) -> None:
        """Choose what an earlier training was told."""
        self._have_is_theirs = True
        self.have.setCurrentIndex(max(0, self.have.findData(job.method)))
        for button in self._group.buttons():
            button.setChecked(button.property("preset") == job.preset)
        self.seed.setValue(job.seed)
        if job.config:
            self._make_form().set_changes(job.config)

    _cards: tuple[str, str] | None = None

    def offer_cards(self, cards: tuple[str, str] | None) -> None:
        """Offer all graphics cards together, once it is known that there are several.

        Parameters
        ----------
        cards : tuple of str or None
            Of `devices.all_cards`.
        """
        self._cards = cards
        self._offer_all_cards()

    def _offer_all_cards(self) -> None:
        """Only where the method can use them."""
        if self._cards is None:
            return
        value, words = self._cards
        at = self.device.findData(value)
        if self.spec is not None and self.spec.several_devices:
            if at < 0:
                self.device.insertItem(1, words, value)
        elif at >= 0:
            self.device.removeItem(at)

    def _method_chosen(self) -> None:
        spec = self.spec
        self.sentence.setText(spec.sentence if spec is not None else "No method that can be trained is installed.")
        for button in self._group.buttons():
            self._group.removeButton(button)
            button.setParent(None)
            button.deleteLater()
        if self._form is not None:
            self._form.deleteLater()
            self._form = None
        self._offer_all_cards()
        for name, preset in (spec.presets if spec is not None else {}).items():
            button = QRadioButton(preset.title)
            button.setProperty("preset", name)
            button.setToolTip(preset.help)
            # Its words must not make the dock wider.
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            button.toggled.connect(self._preset_chosen)
            self._group.addButton(button)
            self._group_of(name).addWidget(button)
        self._special.setVisible(self._special.content.count() > 0)
        self._special.open(False)
        if self._group.buttons():
            self._group.buttons()[0].setChecked(True)
        if self.advanced.is_open():
            self._make_form()
        self.changed.emit()

    def _group_of(self, preset: str) -> QVBoxLayout:
        """Where a preset is listed: of many the first few in sight, those for a paper's single datasets folded."""
        names = list(self.spec.presets) if self.spec is not None else []
        return self._special.content if len(names) > _MANY and preset in names[_FEW:] else self._presets

    def _preset_chosen(self, on: bool) -> None:
        if not on or self.spec is None:
            return
        if self._group_of(self.preset) is self._special.content:
            self._special.open()
        preset = self.spec.presets[self.preset]
        if preset.minutes and not self.limit.isChecked():
            self.minutes.setValue(preset.minutes)
        if self._form is not None:
            self._form.set_base(preset.values)
        self.show_models(*self._shown)
        self.changed.emit()

    def _limit_toggled(self, on: bool) -> None:
        self.minutes.setEnabled(on)
        self.changed.emit()

    def _name_edited(self) -> None:
        self._name_is_ours = False
        self.changed.emit()

    _have_is_theirs = False

    def _have_chosen(self, *_: Any) -> None:
        self._have_is_theirs = True

    def _start_chosen(self, *_: Any) -> None:
        self._start_is_theirs = True

    def _advanced_opened(self) -> None:
        self._make_form()

    def _make_form(self) -> ConfigForm:
        """The whole form is made when first looked at, so that the dock opens at once."""
        spec = self.spec
        if spec is None:
            raise RuntimeError("no method, no form")
        if self._form is None:
            self._form = ConfigForm(spec.config, without=names_kept_out(spec.config))
            self._form.set_base(spec.presets[self.preset].values)
            self._form.changed.connect(lambda: self.show_models(*self._shown))
            self._form.changed.connect(self.changed)
            self.advanced.add(self._form)
        return self._form


_MANY, _FEW = 6, 4
_TOOLTIP = 3  # Qt.ItemDataRole.ToolTipRole


def _small_label() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    return label


def _bold(text: str) -> QLabel:
    return QLabel(f"<b>{text}</b>")
