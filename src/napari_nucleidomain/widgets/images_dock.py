"""The Images dock: what to work on, and what was understood of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QFileDialog, QFormLayout, QLabel, QWidget

from napari_nucleidomain.contracts import NucleiError

from .background import in_background
from .combos import Combo
from .dock import Dock, open_dock
from .entry import ImageEntry
from .folding import Fold
from .images_attach_box import AttachMenu
from .images_borrow import borrow, borrow_channels, free_layers, settle
from .images_correct import correct
from .images_details import Details
from .images_disk import DiskUseFold
from .images_groups import set_use
from .images_list import TICK_HELP, ImageList
from .images_open import Opened, Opener, words
from .images_pairing import candidates
from .images_trouble import Trouble
from .images_understood import Understood, similar
from .inline import Inline, WhyButton, row
from .menus import menu_button, plain_text
from .sizes_typed import size_text
from .train_images_only import images_alone
from .wording import count

_EMPTY = (
    "Drop images here, use the layers you already have open, or start with a sample. "
    "Nothing is uploaded; your files are never changed."
)
_LAYERS_TIP = "Images that are in the viewer already"
_SAMPLES_TIP = "Images that came with this program"
_USE_TIP = "Whether a training learns from this image. The tick in the list has no part in it."
_USES = {"train": "train and check", "check": "check only", "predict": "predict only"}


class ImagesDock(Dock):
    """Open, list, understand, attach, and on to clicking or to a ready model."""

    which = "images"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.setAcceptDrops(True)
        self._folders: list[Path] = []
        self.opener = Opener(self.session)
        self.opener.finished.connect(self._opened)
        self._build_openers()
        self.told = Inline()
        self.body.addWidget(self.told)
        self.empty = QLabel(_EMPTY)
        self.empty.setWordWrap(True)
        self.body.addWidget(self.empty)
        self.list = ImageList(self.session)
        self.body.addWidget(self.list)
        self.tick_words = QLabel(TICK_HELP)
        self.tick_words.setWordWrap(True)
        self.body.addWidget(self.tick_words)
        self.trouble = Trouble(self.session)
        self.body.addWidget(self.trouble)
        self._build_one()
        self.body.addStretch(1)
        self.click = WhyButton("Next: click nuclei →", "Click inside nuclei of this image, to train on them")
        self.click.clicked.connect(self._go_click)
        self.skip = WhyButton(
            "Skip: try a ready model →", "Find nuclei now, with the classical method or a model you have"
        )
        self.skip.clicked.connect(lambda: open_dock(self.session, "predict"))
        self.bare = WhyButton(
            "Or train without clicks →", "All images are fluorescence: they can be learned from alone"
        )
        self.bare.clicked.connect(self._train_bare)
        for button in (self.click, self.bare, self.skip):
            self.footer.addWidget(button)
        self.session.images_changed.connect(self.refresh)
        self.session.current_changed.connect(self.refresh)
        self.session.entry_changed.connect(self._entry_changed)
        self.session.project_changed.connect(self._project_opened)
        self.session.read_only_changed.connect(self._show_locked)
        self._project_opened()
        self.refresh()
        self._show_locked()

    def _show_locked(self) -> None:
        """What is listed, attached or said of an image is kept in the project: nothing where nothing may be changed."""
        locked = self.session.locked
        for button in (self.open_files, self.open_folder):
            button.allow(locked)
        for menu, tip in ((self.layers, _LAYERS_TIP), (self.samples, _SAMPLES_TIP)):
            menu.setEnabled(not locked)
            menu.setToolTip(locked or tip)
        self.use.setEnabled(not locked)
        self.use.setToolTip(locked or _USE_TIP)

    # Building --------------------------------------------------------------------------------------------------

    def _build_openers(self) -> None:
        self.open_files = WhyButton("Open files…", "TIFF, OME-TIFF, slides (SVS), OME-Zarr, PNG, JPEG, NPY")
        self.open_files.clicked.connect(self._choose_files)
        self.open_folder = WhyButton("Open folder…", "All images in a folder, or an OME-Zarr")
        self.open_folder.clicked.connect(self._choose_folder)
        self.layers, self.layers_menu = menu_button("Use open layers", _LAYERS_TIP)
        self.layers_menu.aboutToShow.connect(self._fill_layers)
        self.samples, self.samples_menu = menu_button("Samples", _SAMPLES_TIP)
        self._fill_samples()
        self.body.addLayout(_halves(self.open_files, self.open_folder))
        self.body.addLayout(_halves(self.layers, self.samples))

    def _build_one(self) -> None:
        self.one = QWidget()
        self.understood = Understood()
        self.understood.corrected.connect(self._corrected)
        self.understood.apply_to_similar.connect(self._apply_to_similar)
        understood = Fold("What I understood", "images/understood-closed")
        understood.add(self.understood)
        understood.open(True)
        self.fold = understood
        self.body.addWidget(understood)
        self.use = Combo()
        for value, text in _USES.items():
            self.use.addItem(text, value)
        self.use.setToolTip(_USE_TIP)
        self.use.activated.connect(lambda _=0: self._set_use(self.use.currentData()))
        self.attach = AttachMenu(self.session)
        form = QFormLayout(self.one)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Use", self.use)
        form.addRow("Attach", self.attach.button)
        self.body.addWidget(self.one)
        self.body.addWidget(self.attach.told)
        self.details = Details(self.session)
        self.details.grouped.connect(self._say_of_group)
        self.body.addWidget(self.details)
        self.disk = DiskUseFold(self.session)
        self.body.addWidget(self.disk)

    # Opening ---------------------------------------------------------------------------------------------------

    def _project_opened(self, *_: object) -> None:
        self.opener.read_again(self.session.images)

    def _choose_files(self) -> None:
        from napari_nucleidomain.data.readers import IMAGE_SUFFIXES

        kinds = " ".join(f"*{one}" for one in IMAGE_SUFFIXES if one != ".zarr")
        paths, _ = QFileDialog.getOpenFileNames(self, "Images", "", f"Images ({kinds});;All files (*)")
        self.open_paths([Path(one) for one in paths])

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "A folder of images")
        if folder:
            self.open_paths([Path(folder)])

    def open_paths(self, paths: list[Path]) -> None:
        """List files and folders; what cannot be read is listed with its fault. Outlines and clicks are paired."""
        from napari_nucleidomain.data.pairing import no_image

        to_pair = [one for one in paths if no_image(one)]
        paths = [one for one in paths if one not in to_pair]
        if to_pair:
            self._pair_soon(to_pair)
        if not paths:
            return
        self._folders = [one for one in paths if one.is_dir()]
        try:
            self.opener.open_paths(paths)
        except (OSError, NucleiError) as error:
            self.told.say_error(words(error))

    def _pair_soon(self, paths: list[Path]) -> None:
        """Open the table of files for images once the images that came with them are open."""
        if not self.session.images and not self.opener.under_way:
            self.told.say("info", "These are outlines or clicks: open their images first, then add them again.")
            return
        self.attach.pair(paths)

    def _opened(self, opened: Opened) -> None:
        if opened.bad:
            bad = next((one for one in self.session.images if one.problem), None)
            show = (
                {"Show": lambda: self.list.scrollToItem(self.list.item(self.session.images.index(bad)))} if bad else {}
            )
            self.told.say("warning", opened.sentence(), **show, Close=self.told.clear)
        elif not opened.good:
            self.told.say("info", opened.sentence(), Close=self.told.clear)
        else:
            self.told.clear()
        if not self._offer_masks(opened):
            self._offer_files(opened)

    def _offer_masks(self, opened: Opened) -> bool:
        """`a_mask.tif` that was opened together with `a.tif` is listed as an image, and what it may be is said."""
        from napari_nucleidomain.data.pairing import named_after

        entries = {one.path: one for one in self.session.images if one.path is not None and not one.problem}
        files = named_after([path for path, one in entries.items() if one in opened.entries], list(entries))
        if opened.bad or not opened.good or not files:
            return False

        def attach() -> None:
            self.told.clear()
            for file in files:
                self.session.remove_entry(entries[file])
            if self.session.read_only is None:
                self.attach.pair(files)

        which = files[0].name + (f" and {len(files) - 1} more" if len(files) > 1 else "")
        said = f"{opened.sentence()} By the name, {which} may be outlines of the image beside it rather than an image."
        self.told.say("info", said, Attach_as_outlines=attach, Keep_as_image=self.told.clear)
        return True

    def _offer_files(self, opened: Opened) -> None:
        """Outlines and clicks that lie in a folder that was opened are offered, never taken unasked."""
        folders, self._folders = self._folders, []
        if opened.bad or not opened.good or not folders:
            return
        try:
            files = candidates(folders, [one.path for one in self.session.images])
        except OSError:
            # A folder that went away: its images are told to be unreadable.
            return
        if files:
            said = f"{opened.sentence()} {count(len(files), 'file')} of outlines or clicks may belong to them."
            self.told.say("info", said, Attach_them=lambda: self.attach.pair(files), Close=self.told.clear)

    def _fill_layers(self) -> None:
        self.layers_menu.clear()
        found = free_layers(self.session)
        for layer in found:
            self.layers_menu.addAction(plain_text(layer.name), lambda layer=layer: self.use_layer(layer))
        if len(found) > 1:
            self.layers_menu.addSeparator()
            self.layers_menu.addAction(f"All {len(found)} as images", lambda: [self.use_layer(one) for one in found])
            self.layers_menu.addAction(f"All {len(found)} as channels of one image", lambda: self.use_channels(found))
        if not found:
            nothing = self.layers_menu.addAction("No image layer is open that is not listed")
            nothing.setEnabled(False)

    def use_layer(self, layer: Any) -> ImageEntry | None:
        """List an image layer of the viewer; its file is found, or its pixels are copied into the project."""
        try:
            return self._take_over(borrow(self.session, layer))
        except NucleiError as error:
            self.told.say_error(error)
            return None

    def use_channels(self, layers: list[Any]) -> ImageEntry | None:
        """List several layers as the channels of one image."""
        try:
            return self._take_over(borrow_channels(self.session, layers))
        except NucleiError as error:
            self.told.say_error(error)
            return None

    def _take_over(self, entry: ImageEntry) -> ImageEntry:
        folder = Path(self.session.project.data)

        def done(found: tuple[Path, Any]) -> None:
            entry.path, entry.image = found
            entry.reading = False
            self.session.opened(entry, "understanding")
            if self.session.current is None or self.session.current.problem:
                self.session.set_current(entry)

        def failed(error: BaseException) -> None:
            entry.reading, entry.problem = False, words(error)
            self.session.opened(entry, "problem")

        # Told through the entry: the dock may be closed by then.
        in_background(self.session, lambda: settle(entry, folder), done, failed)
        return entry

    def _fill_samples(self) -> None:
        from napari_nucleidomain.data.samples import SAMPLES

        for name, info in SAMPLES.items():
            self.samples_menu.addAction(plain_text(info.title), lambda name=name: self.open_sample(name))
        self.samples_menu.addSeparator()
        for name, info in SAMPLES.items():
            title = f"{info.title.split(' (')[0]}, with clicks and outlines"
            self.samples_menu.addAction(plain_text(title), lambda name=name: self.open_sample(name, with_clicks=True))

    def open_sample(self, name: str, *, with_clicks: bool = False) -> None:
        """List a sample, bare or with its clicks and outlines, and show it."""
        from .samples import add_sample

        try:
            entry = add_sample(self.session, name, with_clicks=with_clicks)
        except NucleiError as error:
            self.told.say_error(error)
            return
        self.opener.read_again([entry])
        self.session.set_current(entry)

    # The current image -----------------------------------------------------------------------------------------

    def refresh(self, *_: object) -> None:
        """Show the list's state and the current image's."""
        entry, some = self.session.current, bool(self.session.images)
        self.empty.setVisible(not some)
        self.list.setVisible(some)
        self.tick_words.setVisible(len(self.session.images) > 1)
        good = entry is not None and not entry.problem
        for widget in (self.fold, self.one, self.details):
            widget.setVisible(good)
        self.click.allow("" if good else "Choose an image first." if some else "Open an image or a sample first.")
        self.skip.allow("" if some else "Open an image or a sample first.")
        self.bare.setVisible(images_alone(self.session.images))
        if entry is not None and good:
            self.understood.show_entry(entry, self._corrected)
            others = sum(similar(entry, one) for one in self.session.images)
            self.understood.similar.allow(
                "" if others and entry.understanding else "No other image is like this one." if not others
                else "Nothing was corrected here."
            )  # fmt: skip
            self.use.setCurrentIndex(self.use.findData(entry.use))
        self.attach.show_entry(entry if good else None)

    def _entry_changed(self, entry: ImageEntry, what: str) -> None:
        self.bare.setVisible(images_alone(self.session.images))
        if entry is self.session.current and what not in ("points", "regions"):
            self.refresh()

    def _set_use(self, use: str) -> None:
        entry = self.session.current
        if entry is not None:
            self._say_of_group(set_use(self.session, entry, use))

    def _say_of_group(self, words: str | None) -> None:
        """What was changed beside the image; None where nothing may be changed."""
        if words is None:
            self.told.say_error(self.session.read_only)
            self.refresh()
        elif words:
            self.told.say("info", words, Close=self.told.clear)

    def _corrected(self, changes: dict[str, Any]) -> None:
        entry = self.session.current
        if entry is None:
            return
        trouble = self.understood.trouble
        trouble.clear()

        def go() -> None:
            trouble.clear()
            correct(self, self.session, entry, changes, lambda error: self._not_corrected(entry, changes, error))

        if "pixel_size_um" in changes and (len(entry.layers) > 1 or entry.borrowed):
            size = size_text(changes["pixel_size_um"])
            asked = f"Give {size} µm per pixel to all layers of this image ({len(entry.layers)})?"
            trouble.say("info", asked, Change=go, Leave=lambda: (trouble.clear(), self.refresh()))
        else:
            go()

    def _not_corrected(self, entry: ImageEntry, changes: dict[str, Any], error: BaseException) -> None:
        if entry is self.session.current:
            self.refresh()
            self.understood.refuse(changes, error)

    def _apply_to_similar(self) -> None:
        entry = self.session.current
        if entry is None:
            return
        if self.session.read_only is not None:
            self.told.say_error(self.session.read_only)
            return
        others = [one for one in self.session.images if similar(entry, one)]
        for one in others:
            correct(self, self.session, one, dict(entry.understanding), self.told.say_error)
        self.told.say("ok", f"Applied to {len(others)} more.", Close=self.told.clear)

    def _train_bare(self) -> None:
        """Open Train with the method that needs nothing clicked, whatever was chosen there before."""
        dock: Any = open_dock(self.session, "train")
        if dock is not None:
            dock.choices.choose_needs("nothing")

    def _go_click(self) -> None:
        open_dock(self.session, "points")
        entry = self.session.current
        if entry is not None and not entry.problem:
            self.session.stage.when_ready(entry, lambda: self.session.annotations.use("click"))

    # Dropping --------------------------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Qt's hook: files may be dropped on the dock."""
        mime = event.mimeData() if event is not None else None
        if event is not None and mime is not None and mime.hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Qt's hook: files were dropped."""
        mime = event.mimeData() if event is not None else None
        if event is None or mime is None:
            return
        self.open_paths([Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()])
        event.acceptProposedAction()


def _halves(left: QWidget, right: QWidget) -> Any:
    line = row(left, right)
    line.setStretch(0, 1)
    line.setStretch(1, 1)
    return line
