"""Several devices for one training: how they are written, and who can use them. No torch."""

from __future__ import annotations

from napari_nucleidomain.contracts import MethodConfig, MethodSpec, NucleiError, find_method

from .job import TrainJob

_FOR_EXAMPLE = "For example: cuda:0,cuda:1 or, shorter, cuda:0,1."


def split_devices(wish: str) -> tuple[str, ...]:
    """The devices of a wish, in its order.

    Parameters
    ----------
    wish : str
        One device in any writing, or several: "cuda:0,cuda:1", "cuda:0,1", "cpu,cpu".

    Raises
    ------
    NucleiError
        Several are named that cannot work together, or one of them twice.
    """
    parts = [part.strip().lower() for part in wish.split(",")]
    if len(parts) == 1:
        return (wish,)
    kind = parts[0].partition(":")[0]
    kind = "cuda" if kind == "gpu" else kind
    found = []
    for part in parts:
        name, _, number = (f"{kind}:{part}" if part.isdigit() else part).partition(":")
        name = "cuda" if name == "gpu" else name
        if name not in ("cuda", "cpu") or not (number or "0").isdecimal():
            raise NucleiError(f"Several devices cannot be {wish!r}.", _FOR_EXAMPLE)
        found.append(f"cuda:{int(number or 0)}" if name == "cuda" else "cpu")
    if len({one.partition(":")[0] for one in found}) > 1:
        raise NucleiError(
            f"The processor and graphics cards cannot train together ({wish}): all would wait for the processor.",
            _FOR_EXAMPLE,
        )
    twice = [one for one in found if found.count(one) > 1 and one != "cpu"]
    if twice:
        raise NucleiError(f"{twice[0]} is named twice in {wish!r}.", _FOR_EXAMPLE)
    return tuple(found)


def check_team(spec: MethodSpec, config: MethodConfig, devices: tuple[str, ...]) -> None:
    """Refuse what several devices cannot do.

    Raises
    ------
    NucleiError
        The method uses one device, or its batch cannot be divided evenly.
    """
    count = len(devices)
    if count == 1:
        return
    if not spec.several_devices:
        raise NucleiError(
            f"{spec.name} trains on one device, not on {count} ({', '.join(devices)}).",
            f"Choose one of them, for example {devices[0]}.",
        )
    batch = int(getattr(config, "batch", count))
    if batch % count:
        less, more = batch // count * count, -(-batch // count) * count
        will_do = f"{less} or {more}" if less else str(more)
        raise NucleiError(
            f"A batch of {batch} cannot be shared out evenly to {count} devices.",
            f"Take a batch of {will_do} (--set batch={more}; in Train under Advanced), or fewer devices.",
        )


def check_job_team(job: TrainJob, device: str) -> None:
    """`check_team` for a training that is there already, on other devices.

    Raises
    ------
    NucleiError
        As `split_devices` and `check_team`.
    """
    spec = find_method(job.method)
    preset = spec.preset(job.preset or next(iter(spec.presets)))
    check_team(spec, spec.config.build(preset.values, job.config), split_devices(device))


def several_words(words: list[str]) -> str:
    """ "a", "a and b", "a, b and c"; the same one several times only once."""
    once = list(dict.fromkeys(words))
    return once[0] if len(once) == 1 else f"{', '.join(once[:-1])} and {once[-1]}"
