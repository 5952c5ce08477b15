"""What a person corrected about an image: kept beside the image's path, applied when it is opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from napari_nucleidomain.contracts import NucleiError

ImageKind = Literal["h&e", "fluorescence", "other"]
ThirdAxis = Literal["channels", "volume", "planes", "plane", "time"]


class Understanding(BaseModel):
    """Corrections to what was read from an image file. Every field left at None keeps what the file says.

    Attributes
    ----------
    axes : str
        One letter (T, Z, Y, X, C) per axis of the array in the file, slowest first.
    series : int
        Which image of a file that holds several.
    third_axis : {"channels", "volume", "planes", "plane", "time"}
        What the axis beside rows and columns is: channels of one picture; planes of one volume, segmented in 3D; planes
        segmented each for itself; only one plane (`plane`); moments of a film.
    plane : int
        The plane or moment to use, from 0.
    channels : tuple of int
        Which channels to use, in this order, from 0.
    channel_names : tuple of str
        Names of all channels of the file.
    nuclei_channel : int
        The channel that shows nuclei, counted among all channels of the file, from 0.
    rgb : bool
        Whether the channels are the colours of one picture.
    pixel_size_um : float or tuple of float
        Side of a pixel in micrometres: one number for rows and columns, or one per spatial axis (z, y, x).
    cubic : bool
        Whether to go on without the voxel size of a volume: its voxels are taken as deep as they are wide.
    kind : {"h&e", "fluorescence", "other"}
        What the image shows.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    axes: str | None = Field(None, description="letters of the axes in the file, slowest first")
    series: int | None = Field(None, ge=0, description="which image of a file with several")
    third_axis: ThirdAxis | None = Field(None, description="what the axis beside rows and columns is")
    plane: int | None = Field(None, ge=0, description="plane or moment to use")
    channels: tuple[int, ...] | None = Field(None, description="channels to use")
    channel_names: tuple[str, ...] | None = Field(None, description="names of all channels")
    nuclei_channel: int | None = Field(None, ge=0, description="channel that shows nuclei")
    rgb: bool | None = Field(None, description="channels are the colours of one picture")
    pixel_size_um: float | tuple[float, ...] | None = Field(None, description="side of a pixel in µm")
    cubic: bool | None = Field(None, description="a volume's voxels are taken as cubes, their size is not known")
    kind: ImageKind | None = Field(None, description="what the image shows")

    @field_validator("pixel_size_um")
    @classmethod
    def _positive(cls, value: float | tuple[float, ...] | None) -> float | tuple[float, ...] | None:
        sizes = value if isinstance(value, tuple) else (value,)
        if any(s is not None and not 0 < s < 1e6 for s in sizes):
            raise ValueError("a pixel size must be a positive number of µm")
        return value

    @field_validator("channels")
    @classmethod
    def _some_channel(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and (not value or min(value) < 0 or len(set(value)) != len(value)):
            raise ValueError("channels are counted from 0, each at most once, and there must be one")
        return value

    @classmethod
    def from_json(cls, content: Any) -> Understanding:
        """Make one from a JSON object.

        Raises
        ------
        NucleiError
            An unknown field or an impossible value.
        """
        if isinstance(content, Understanding):
            return content
        try:
            return cls.model_validate(content or {})
        except ValidationError as error:
            parts = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise NucleiError(
                f"What was noted about an image is not valid ({parts}).", "Correct or remove it."
            ) from error

    def to_json(self) -> dict[str, Any]:
        """Only what was set, as plain JSON types."""
        return self.model_dump(mode="json", exclude_none=True)

    def changed(self, **changes: Any) -> Understanding:
        """A copy with some fields changed, checked like a new one."""
        return Understanding.from_json({**self.model_dump(exclude_none=True), **changes})


@dataclass(frozen=True)
class Question:
    """Something the file does not say and a person can answer.

    Attributes
    ----------
    topic : str
        ``"axes"``, ``"rgb"``, ``"pixel_size"``, ``"series"`` or ``"nuclei_channel"``.
    text : str
        The question, one sentence.
    options : dict of str to dict
        Words of each answer, and the fields of `Understanding` it sets.
    assumed : str
        The answer taken until then.
    """

    topic: str
    text: str
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    assumed: str = ""

    def __str__(self) -> str:
        return self.text
