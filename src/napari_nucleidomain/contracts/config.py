"""What a method can be told: pydantic models from which flags, forms and reference pages are all made."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from .errors import NucleiError


def setting(
    default: Any,
    help: str,  # noqa: A002 - the field's own word
    *,
    unit: str = "",
    source: str = "",
    advanced: bool = True,
    **limits: Any,
) -> Any:
    """One setting of a method.

    Parameters
    ----------
    default : Any
        Default value.
    help : str
        One line for a biologist.
    unit : str
        Unit of the number ("px", "µm", "1/step"), shown in the form and in `--help`.
    source : str
        Where the paper states it (section or table), for the reference page.
    advanced : bool
        Whether it belongs in the folded part of the form.
    **limits
        `ge`, `gt`, `le`, `lt` and the like, as in `pydantic.Field`.
    """
    return Field(
        default=default,
        description=help,
        json_schema_extra={"unit": unit, "source": source, "advanced": advanced},
        **limits,
    )


class MethodConfig(BaseModel):
    """Base of every method's configuration: flat, JSON-able, refuses unknown names."""

    model_config = ConfigDict(
        extra="forbid", validate_assignment=True, frozen=False, allow_inf_nan=False, str_max_length=4096
    )

    @classmethod
    def settings(cls) -> dict[str, FieldInfo]:
        """Name -> pydantic field, in the order of declaration."""
        return dict(cls.model_fields)

    @classmethod
    def build(cls, preset: dict[str, Any], changes: dict[str, Any] | None = None) -> MethodConfig:
        """Make a configuration from a preset's values and the user's changes.

        Raises
        ------
        NucleiError
            A name is unknown or a value out of range; the message names it and what is allowed.
        """
        try:
            return cls.model_validate({**preset, **(changes or {})})
        except ValidationError as error:
            raise NucleiError(_plain(cls, error), "See `nucleidomain train --help` or the reference page.") from error

    def unlike(self, other: MethodConfig) -> str:
        """Why a model made with `other` cannot be continued with this; "" where it can. Methods override it.

        Returns
        -------
        str
            The setting with both values: "network = small, here resnet34".
        """
        return ""


def _plain(model: type[MethodConfig], error: ValidationError) -> str:
    """Say in one sentence what pydantic found wrong."""
    parts = []
    for item in error.errors():
        name = ".".join(str(place) for place in item["loc"])
        if item["type"] == "extra_forbidden":
            parts.append(f"There is no setting {name!r}; there are: {', '.join(model.model_fields)}")
        else:
            parts.append(f"{name} = {item.get('input')!r}: {item['msg'].lower()}")
    return "; ".join(parts) + "."
