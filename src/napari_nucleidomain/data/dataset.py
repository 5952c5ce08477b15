"""A dataset: examples with splits, described by one small file that can be moved with its folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import LISTS, read_json, refuse_special, write_json

from .example import ATTACHED, SPLITS, Example, Split
from .images import Image
from .labels_io import labels_shape, mismatch, says_no_size
from .lost import Lost, from_entry, from_folder
from .plainfolder import examples_in
from .points import check_points, read_points

FILE_NAME = "dataset.json"
KIND = "nucleidomain-dataset"
SCHEMA = 1
_MEND_CLICKS = {
    "other-image": "Give each image its own clicks (a.csv for a.tif).",
    "dimension": "Save clicks with as many coordinates as the image has axes: axis-0 and axis-1 for a flat image.",
}


@dataclass
class Dataset:
    """Examples and what is wrong with those that had to be left out.

    Attributes
    ----------
    path : Path
        The dataset file, or the plain folder.
    all : list of Example
        Usable examples of every split.
    problems : list of (Path, str)
        Files that were skipped, and why.
    name : str
    lost : list of Lost
        Those of the problems that cost training images their clicks, outlines or corrections.
    """

    path: Path
    all: list[Example] = field(default_factory=list)
    problems: list[tuple[Path, str]] = field(default_factory=list)
    name: str = ""
    lost: list[Lost] = field(default_factory=list)

    def examples(
        self, split: str | None = None, has: str | Iterable[str] | None = None, domain: str | None = None
    ) -> list[Example]:
        """Choose examples.

        Parameters
        ----------
        split : {"train", "val", "test"}, optional
        has : str or iterable of str, optional
            "points", "labels", "regions", "corrected": those that have all of these.
        domain : {"source", "target"}, optional

        Returns
        -------
        list of Example
            In the order of the file.
        """
        wanted = [has] if isinstance(has, str) else list(has or [])
        return [
            e
            for e in self.all
            if (split is None or e.split == split)
            and (domain is None or e.domain == domain)
            and all(e.has(w) for w in wanted)
        ]

    def __len__(self) -> int:
        return len(self.all)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.all)

    def save(self, path: Path | str | None = None, home: Path | None = None) -> Path:
        """Write the dataset file.

        Parameters
        ----------
        path : Path or str, optional
            File, or folder for ``dataset.json``; by default where it came from.
        home : Path, optional
            The folder that is moved as a whole; files outside it are named by absolute paths. By default every file
            is named relative to the dataset file.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        NucleiError
            It cannot be written.
        """
        path = Path(path or self.path)
        if path.suffix.lower() != ".json":
            path = path / FILE_NAME
        entries = [e.to_json(path.parent, home) for e in self.all]
        content = {"kind": KIND, "schema": SCHEMA, "name": self.name, "examples": entries}
        return write_json(path, content)

    def digest(self) -> str:
        """A hash of everything a training can depend on: pixels, clicks, outlines, regions, splits; not of paths.

        Raises
        ------
        NucleiError
            A file has become unreadable.
        """
        # Sorted: the order of files in a folder is no property of the data.
        parts = sorted(_content(example) for example in self.all)
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()

    def in_order_of_content(self) -> Dataset:
        """The same examples in an order that their files' names have no part in, so that neither has what is drawn.

        Raises
        ------
        NucleiError
            A file has become unreadable.
        """
        if len(self.all) < 2:
            return self
        return replace(self, all=sorted(self.all, key=_content))

    def divided_groups(self) -> dict[str, list[str]]:
        """Groups that lie in more than one split, with those splits: scores on the others are too good."""
        found: dict[str, set[str]] = {}
        for example in self.all:
            if example.group:
                found.setdefault(example.group, set()).add(example.split)
        return {group: sorted(splits) for group, splits in found.items() if len(splits) > 1}

    def split_by_group(self, shares: Mapping[str, float] | None = None, seed: int = 0) -> Dataset:
        """A copy with splits drawn anew so that no group lies in two of them.

        Parameters
        ----------
        shares : mapping of split to share, optional
            By default 70 % train, 15 % val, 15 % test.
        seed : int
            Same seed, same splits.

        Returns
        -------
        Dataset
            Groups in random order, each given to the split that is furthest below its share; an example
            without a group is one of its own.
        """
        shares = dict(shares or {"train": 0.7, "val": 0.15, "test": 0.15})
        unknown = set(shares) - set(SPLITS)
        if unknown or min(shares.values()) < 0 or sum(shares.values()) <= 0:
            raise ValueError(f"shares must be positive, for {SPLITS}: {shares}")
        groups: dict[str, list[int]] = {}
        for k, example in enumerate(self.all):
            groups.setdefault(example.group or f"\0{k}", []).append(k)
        names = list(groups)
        order = np.random.default_rng(seed).permutation(len(names))
        total, whole = sum(shares.values()), len(self.all)
        held = dict.fromkeys(shares, 0)
        chosen: dict[int, Split] = {}
        for name in (names[k] for k in order):
            lacking = {s: shares[s] / total * whole - held[s] for s in shares}
            split: Any = max(lacking, key=lambda s: lacking[s])
            held[split] += len(groups[name])
            chosen |= dict.fromkeys(groups[name], split)
        examples = [e.changed(split=chosen[k]) for k, e in enumerate(self.all)]
        return Dataset(self.path, examples, list(self.problems), self.name, list(self.lost))


def open_dataset(path: Path | str, check: bool = True, was: Path | None = None) -> Dataset:
    """Open a dataset.

    Parameters
    ----------
    path : Path or str
        A dataset file; a folder that holds ``dataset.json``; a plain folder with
        ``{train,val,test}/{images,labels,points, regions}`` or only ``{images,labels,points,regions}`` (all
        train), files belonging together by name; or a folder of images.
    check : bool
        Open every file's header, clicks included, and skip what cannot be used; see `Dataset.problems`.
    was : Path, optional
        Folder in which the dataset file was written, where it was moved without what it names outside that folder.

    Returns
    -------
    Dataset

    Raises
    ------
    NucleiError
        The path is absent, the file is damaged or was made by a later version, or nothing in it can be used.
    """
    path = Path(path)
    if not path.exists():
        raise NucleiError(f"{path} is not there.", "Check the path of the training images.")
    if path.is_file() and path.suffix.lower() != ".json":
        raise NucleiError(
            f"{path} is no dataset.", "Give a folder with images/ and points/ in it, or the dataset file (.json)."
        )
    if path.is_dir() and (path / FILE_NAME).is_file():
        path = path / FILE_NAME
    dataset = _from_folder(path) if path.is_dir() else _from_file(path, was)
    if check:
        _check(dataset)
    if not dataset.all:
        why = f" The first problem: {dataset.problems[0][1]}" if dataset.problems else ""
        raise NucleiError(
            f"{path} holds no images that can be used.{why}",
            "A folder of training images looks like images/, points/ and labels/, or train/, val/ and test/ of these.",
        )
    return dataset


def _from_folder(path: Path) -> Dataset:
    examples, problems = examples_in(path)
    return Dataset(path, examples, problems, path.name, from_folder(problems))


def _from_file(path: Path, was: Path | None = None) -> Dataset:
    content = read_json(path, LISTS)
    if not isinstance(content, dict) or content.get("kind") != KIND or not isinstance(content.get("examples"), list):
        raise NucleiError(f"{path.name} is no dataset file.", "Choose dataset.json, or a folder of images.")
    schema = content.get("schema")
    if not isinstance(schema, int) or schema < 1:
        raise NucleiError(f"{path.name} is damaged: it does not say its format.", "Restore it, or make it anew.")
    if schema > SCHEMA:
        raise NucleiError(
            f"{path.name} was made by a later version of this program: its format is {schema}, known is {SCHEMA}.",
            "Update napari-nucleidomain.",
        )
    dataset = Dataset(path, name=str(content.get("name", "")))
    for entry in content["examples"]:
        try:
            dataset.all.append(Example.from_json(entry, path.parent, was))
        except NucleiError as error:
            named = entry.get("image") if isinstance(entry, dict) else None
            dataset.problems.append((path.parent / str(named or path.name), str(error)))
            dataset.lost += from_entry(entry, error)
    return dataset


def _check(dataset: Dataset) -> None:
    """Drop what cannot be used: an image, or only its clicks, outlines or regions; and note why."""
    kept = []
    for example in dataset.all:
        try:
            with example.open() as image:
                kept.append(_checked(example, image, dataset))
        except NucleiError as error:
            dataset.problems.append((example.image, str(error)))
            _lose(dataset, example, tuple(key for key in ATTACHED if example.has(key)), example.image, error)
    dataset.all = kept


def _lose(dataset: Dataset, example: Example, kinds: tuple[str, ...], path: Path, error: NucleiError) -> None:
    if kinds and example.split == "train":
        dataset.lost.append(Lost(kinds, path.name, error.message, error.hint))


def _checked(example: Example, image: Image, dataset: Dataset) -> Example:
    """The example without the files that do not fit its image."""
    problems = dataset.problems
    checks = {"points": _points_problem, "labels": _labels_problem, "regions": _regions_problem}
    for key, check in checks.items():
        path = getattr(example, key)
        if path is None:
            continue
        wrong: NucleiError | None
        try:
            wrong = check(example, image)
        except NucleiError as error:
            wrong = error
        if wrong:
            problems.append((path, str(wrong)))
            _lose(dataset, example, (key,), path, wrong)
            example = example.changed(**{key: None})
    try:
        example.load_corrections(image)
    except NucleiError as error:
        path = example.corrected or example.corrected_in or example.image
        problems.append((path, str(error)))
        _lose(dataset, example, ("corrected",), path, error)
        example = example.changed(corrected=None, corrected_in=None)
    return example


def _points_problem(example: Example, image: Image) -> NucleiError | None:
    points = read_points(
        example.points or "",
        image.ndim + len(image.plane_axes),
        channels=image.file_channels,
        pixel_size_um=image.pixel_size_um,
    )
    deep = points.shape[1] > image.ndim
    shape: Sequence[int] = (*image.plane_shape, *image.spatial_shape) if deep else image.spatial_shape
    errors = [f for f in check_points(points, shape) if f.severity == "error"]
    return NucleiError(errors[0].message, _MEND_CLICKS[errors[0].kind]) if errors else None


def _labels_problem(example: Example, image: Image) -> NucleiError | None:
    path = example.labels or Path()
    if says_no_size(path):
        example.load_labels(image)
        return None
    wrong = mismatch(labels_shape(path), image)
    return NucleiError(wrong, "Attach the outlines of this very image.") if wrong else None


def _regions_problem(example: Example, image: Image) -> NucleiError | None:
    regions = example.load_regions(image)
    if regions and not any(r.mask(image.spatial_shape[-2:]).any() for r in (_flat(r) for r in regions)):
        return NucleiError("All its regions lie outside the image. They probably belong to another image.")
    return None


def _flat(region: Any) -> Any:
    return type(region)(region.vertices, region.holes)


def _content(example: Example) -> str:
    """All of an example that a training can depend on, in one line."""
    facts = example.to_json(Path())
    facts = {k: v for k, v in facts.items() if k not in ("image", *ATTACHED)}
    with example.open() as image:
        facts["pixels"] = image.digest()
    for key in ATTACHED:
        path = getattr(example, key)
        if path is None and key.startswith("corrected"):
            # As it was before there were any, so that older runs go on.
            continue
        facts[key] = None if path is None else file_digest(path)
    return json.dumps(facts, sort_keys=True)


def file_digest(path: Path) -> str:
    """Hash of a file's bytes, or of all files of a folder.

    Raises
    ------
    NucleiError
        It cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    refuse_special(path)
    try:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            if path.is_dir():
                digest.update(file.relative_to(path).as_posix().encode())
            with open(file, "rb") as handle:
                while block := handle.read(1 << 20):
                    digest.update(block)
    except OSError as error:
        raise NucleiError(f"{path} cannot be read: {error.strerror or error}.", "Check the disk.") from error
    return digest.hexdigest()
