"""Choosing a model: one's own, an imported one, or the classical method that is always there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QLabel, QVBoxLayout, QWidget

from napari_nucleidomain.contracts import ModelCard, NucleiError, load_card, methods

from .combos import Combo, add_item
from .folding import Fold
from .inline import Inline, WhyButton, row
from .newest import Newest
from .train_words import quality_words
from .wording import count, duration

if TYPE_CHECKING:
    from napari_nucleidomain.runs.store import ModelList

    from .session import Session

CLASSICAL = "otsu"
_CLASSICAL_LINE = "Otsu threshold and watershed: nothing to train, works on most images at once."
_SUFFIX = ".nucleidomain"


class ModelPicker(QWidget):
    """Combo of models with a line of the card, [Import] and [Share].

    Signals
    -------
    chosen(str)
        "otsu" or a model's folder.
    """

    chosen = Signal(str)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._background = Newest(self)
        self._cards: dict[str, ModelCard] = {}
        self._methods = methods()
        self._building = False
        self._theirs = False
        # What was chosen here for the person, and may be chosen otherwise for another image.
        self._preselected = ""
        self.combo = Combo()
        self.combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.combo.setMinimumContentsLength(14)
        self.line = QLabel()
        self.line.setWordWrap(True)
        self.verdict = Inline()
        self.card_fold = Fold("Model card")
        self.card = QLabel()
        self.card.setWordWrap(True)
        self.card.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.card_fold.add(self.card)
        self.take_in = WhyButton("Import …", "Bring in a model file that a colleague sent you.")
        self.share = WhyButton("Share …", "Write the model as one file to send to a colleague.")
        self.message = Inline()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("<b>Model</b>"))
        layout.addWidget(self.combo)
        layout.addWidget(self.line)
        layout.addWidget(self.verdict)
        layout.addLayout(row(self.take_in, self.share))
        layout.addWidget(self.card_fold)
        layout.addWidget(self.message)
        self.combo.currentIndexChanged.connect(self._picked)
        self.combo.activated.connect(self._person_chose)
        self.take_in.clicked.connect(self._ask_file)
        self.share.clicked.connect(self._ask_target)
        session.model_changed.connect(self.choose)
        session.project_changed.connect(self.refresh)
        session.read_only_changed.connect(self._show_locked)
        session.current_changed.connect(self._other_image)
        session.entry_changed.connect(self._understood)
        session.closing.connect(self._background.close)
        self._fill({})
        self._show_locked()

    def _show_locked(self) -> None:
        self.take_in.allow(self._session.locked)

    @property
    def model(self) -> str:
        """ "otsu" or the folder of the model chosen."""
        return str(self.combo.currentData() or CLASSICAL)

    @property
    def model_card(self) -> ModelCard | None:
        """Card of the model chosen; None for the classical method."""
        return self._cards.get(self.model)

    def why_not(self, card: ModelCard | None) -> str:
        """Why a model cannot be used on this computer; "" where it can."""
        if card is None or card.method in self._methods:
            return ""
        return f"The method {card.method} is not installed here. Install its package, or choose another model."

    def refresh(self, *_: Any) -> None:
        """Read the models anew, in the background."""
        try:
            project = self._session.project
        except NucleiError as error:
            self.message.say_error(error)
            return
        self._background.run("models", project.list_models, done=self._listed, failed=self.message.say_error)

    def choose(self, model: str) -> None:
        """Choose a model; one that is not in the list (of a training that still runs) is added."""
        if model != CLASSICAL and self.combo.findData(model) < 0:
            try:
                self._cards[model] = load_card(model)
            except NucleiError as error:
                self.message.say_error(error)
                return
            self._fill(self._cards)
        self.combo.setCurrentIndex(max(0, self.combo.findData(model)))

    def _listed(self, found: ModelList) -> None:
        cards = {str(model.folder): model.card for model in found.models}
        extra = {model: card for model, card in self._cards.items() if model not in cards and Path(model).exists()}
        self._fill({**cards, **extra})
        if found.problems:
            names = "\n".join(text for _, text in found.problems)
            self.message.say("warning", f"{count(len(found.problems), 'model')} cannot be used.", names)
        if self._session.model != self.model:
            self.choose(self._session.model)
        else:
            self._preselect()

    def unlike(self, card: ModelCard | None) -> str:
        """Why the model was trained on another kind of image than the current one; "" where nothing speaks so."""
        entry = self._session.current
        image = entry.image if entry is not None and not entry.problem else None
        if card is None or image is None:
            return ""
        from napari_nucleidomain.data.misfits import misfits

        try:
            return " ".join(misfits(card, image))
        except NucleiError:
            # Its pixels are gone or damaged, which the Images dock tells.
            return ""

    def _preselect(self) -> None:
        """Opened again on another day: the newest model of one's own that fits the image is what one wants."""
        entry = self._session.current
        if self._theirs or self.model not in (CLASSICAL, self._preselected) or entry is None or entry.image is None:
            return
        fits = (one for one, card in self._cards.items() if not self.why_not(card) and not self.unlike(card))
        self._preselected = next(fits, CLASSICAL)
        self._session.model = self._preselected

    def _other_image(self, *_: object) -> None:
        """Models stand in another order for an image of another kind."""
        self._fill(self._cards)
        self._preselect()

    def _understood(self, entry: Any, what: str) -> None:
        if what == "understanding" and entry is self._session.current:
            self._other_image()

    def _person_chose(self, *_: Any) -> None:
        self._theirs = True

    def _fill(self, cards: dict[str, ModelCard]) -> None:
        wanted = self._session.model
        self._building = True
        self._cards = cards
        self.combo.clear()
        self.combo.addItem("classical (no training)", CLASSICAL)
        unlike = {folder: self.unlike(card) for folder, card in cards.items()}
        # Those of another kind last; the order of the others, newest first, stays.
        for folder, card in sorted(cards.items(), key=lambda one: bool(unlike[one[0]])):
            name = Path(folder).name if Path(folder).name != "model" else card.name
            why, other = self.why_not(card), unlike[folder]
            mark = " (method not installed)" if why else " (other kind of image)" if other else ""
            add_item(self.combo, name + mark, folder, why, f"{other}\n{card.line()}" if other else card.line())
        self.combo.setCurrentIndex(max(0, self.combo.findData(wanted)))
        self._building = False
        self._show_card()

    def _picked(self) -> None:
        if not self._building:
            self._session.model = self.model
            self._show_card()
            self.chosen.emit(self.model)

    def _show_card(self) -> None:
        card = self.model_card
        self.line.setText(_CLASSICAL_LINE if card is None else card_line(card))
        self.card.setText("" if card is None else card_text(card))
        verdict = card.verdict() if card is not None else ""
        doubts = card.doubts() if card is not None else []
        if doubts and not verdict:
            self.verdict.say("warning", doubts[0], "\n".join(doubts[1:]))
        elif verdict:
            self.verdict.say("warning", verdict, Use_the_classical_method=lambda: self._take(CLASSICAL))
        else:
            self.verdict.clear()
        self.card_fold.setVisible(card is not None)
        self.share.allow("The classical method needs no file." if card is None else "")

    def _take(self, model: str) -> None:
        self._theirs = True
        self.choose(model)

    # ---- files

    def _ask_file(self) -> None:
        file, _ = QFileDialog.getOpenFileName(self, "A model file", "", f"Models (*{_SUFFIX});;All files (*)")
        if file:
            self.import_file(Path(file))

    def import_file(self, file: Path) -> None:
        """Bring a model file in and choose it."""

        def done(model: Any) -> None:
            self.message.say("ok", f"{model.name} is here.", model.card.line(), Close=self.message.clear)
            self._cards[str(model.folder)] = model.card
            self._fill(self._cards)
            self._session.model = str(model.folder)

        try:
            self._session.refuse_if_read_only()
        except NucleiError as error:
            self.message.say_error(error)
            return
        project = self._session.project
        self._background.run("import", project.import_model, file, done=done, failed=self._say_error)

    def _say_error(self, error: BaseException) -> None:
        self.message.say_error(error, Close=self.message.clear)

    def _ask_target(self) -> None:
        name = f"{Path(self.model).name}{_SUFFIX}"
        file, _ = QFileDialog.getSaveFileName(self, "Share the model as", name, f"Model (*{_SUFFIX})")
        if file:
            self.export_file(Path(file))

    def export_file(self, file: Path) -> None:
        """Write the model chosen as one file."""
        self._background.run(
            "export",
            self._session.project.export_model,
            self.model,
            file,
            done=lambda path: self.message.say("ok", f"Written: {path}", Close=self.message.clear),
            failed=self._say_error,
        )


def card_line(card: ModelCard) -> str:
    """One line: what for, at which scale, how good on what."""
    parts = [card.kind or count(card.channels, "channel")]
    if card.pixel_size_um:
        parts.append(f"{card.pixel_size_um:.3g} µm/px")
    if card.nucleus_diameter_px:
        parts.append(f"nuclei about {card.nucleus_diameter_px:.0f} px")
    if card.scores:
        score = card.scores[0]
        parts.append(f"{quality_words(score.name)} {score.value:.2f} on {score.on}")
    return " · ".join(parts)


def card_text(card: ModelCard) -> str:
    """The rest of the card, a fact a line."""
    facts = [
        ("Method", card.method + (f" ({card.preset})" if card.preset else "")),
        ("Made", card.created[:10]),
        ("Learned from", card.learned_from()),
        ("Training took", duration(card.seconds) if card.seconds else ""),
        ("Continued from", card.parent),
        ("Channels", ", ".join(card.channel_names) or str(card.channels)),
        ("Licence", card.licence),
    ]
    lines = [f"{name}: {value}" for name, value in facts if value]
    lines += [
        f"{quality_words(score.name)}: {score.value:.3f} on {score.on}"
        + (" (seen in training)" if score.seen_in_training else "")
        for score in card.scores
    ]
    lines += [f"Classical method, {quality_words(one.name)}: {one.value:.3f} on {one.on}" for one in card.classical]
    return "\n".join([*lines, *card.notes])
