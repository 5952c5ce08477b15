"""The bundled samples, for *File > Open Sample* and for *Samples* in the Images dock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_nucleidomain.contracts import NucleiError

from .view import same_file

if TYPE_CHECKING:
    from .entry import ImageEntry
    from .session import Session

LayerData = tuple[Any, dict[str, Any], str]
# Where a layer of a sample tells its file, so that *Use open layers* finds it.
PATH_KEY = "nucleidomain_path"


def add_sample(session: Session, name: str, *, with_clicks: bool = False) -> ImageEntry:
    """List a sample, or find it in the list.

    Parameters
    ----------
    name : {"hne", "fluorescence", "volume", "ovule"}
    with_clicks : bool
        Also its clicks (added to those there are, as one step that can be undone) and outlines.

    Raises
    ------
    NucleiError
        The sample is missing from the installation, or the project can only be looked at.
    """
    from napari_nucleidomain.data.points import read_points
    from napari_nucleidomain.data.samples import SAMPLES, sample_example, sample_path

    path = sample_path(name)
    if not path.exists():
        raise NucleiError(f"The sample {SAMPLES[name].title} is missing.", "Install napari-nucleidomain again.")
    entry = next((one for one in session.images if one.path is not None and same_file(one.path, path)), None)
    if entry is None:
        entry = session.add_entry(SAMPLES[name].title.split(" (")[0], path=path)
    if with_clicks:
        session.refuse_if_read_only()
        example = sample_example(name)
        if example.points is not None and not len(entry.points):
            session.annotations.change(entry, points=read_points(example.points))
        session.touch(entry, "labels", labels=example.labels)
    return entry


def hne() -> list[LayerData]:
    """H&E tissue with outlines and clicks."""
    return _layers("hne")


def fluorescence() -> list[LayerData]:
    """Fluorescent nuclei with outlines and clicks."""
    return _layers("fluorescence")


def volume() -> list[LayerData]:
    """Nuclei in 3D with outlines and clicks."""
    return _layers("volume")


def ovule() -> list[LayerData]:
    """A confocal volume with its voxel size, outlines and clicks."""
    return _layers("ovule")


def _layers(name: str) -> list[LayerData]:
    from napari_nucleidomain.data.samples import load_sample, sample_example

    from .image_layers import image_geometry
    from .layers import CLICK_FACE, CLICK_RIM
    from .preferences import dot_size

    sample = load_sample(name)
    with sample_example(name).open() as image:
        place = image_geometry(image)
    title = sample.info.title.split(" (")[0]
    about = {"licence": sample.info.licence, "attribution": sample.info.attribution, PATH_KEY: str(sample.path)}
    size = dot_size()
    dots = {
        "size": 10,
        "face_color": CLICK_FACE,
        "border_color": CLICK_RIM,
        "border_width": 0.1,
        "canvas_size_limits": (size / 2, size),
        "visible": False,
    }
    return [
        (sample.image, {"name": title, "rgb": sample.rgb, "metadata": about, **place}, "image"),
        (sample.labels, {"name": f"{title} - outlines", "visible": False, **place}, "labels"),
        (sample.points, {"name": f"{title} - clicks", **dots, **place}, "points"),
    ]
