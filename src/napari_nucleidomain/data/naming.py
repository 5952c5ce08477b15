"""Names of things that must not have the same: the second Liver is Liver-2."""

from __future__ import annotations

from collections.abc import Iterable


def unique_names(wished: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Each name as it is, or numbered from 2 on where it is taken; to Windows and Macs Liver and liver are one.

    Parameters
    ----------
    wished : iterable of str
    taken : iterable of str
        Names that others have.

    Returns
    -------
    list of str
        In the order of `wished`. The time grows with their number and not with its square: a name goes on with the
        number it stopped at.
    """
    used = {name.casefold() for name in taken}
    following: dict[str, int] = {}
    names = []
    for base in wished:
        name, key = base, base.casefold()
        number = following.get(key, 2)
        while name.casefold() in used:
            name, number = f"{base}-{number}", number + 1
        following[key] = number
        used.add(name.casefold())
        names.append(name)
    return names
