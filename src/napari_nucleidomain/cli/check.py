"""`nucleidomain check`: what this computer is and how fast it trains."""

from __future__ import annotations

import argparse
import json
import sys
import time

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.runs.checkup import Finding, look, meaning, report, speed_finding
from napari_nucleidomain.runs.execute import ExitCode
from napari_nucleidomain.runs.speed import Speed, SpeedTest, load_speed

_SIGNS = {"ok": "✓", "info": "i", "warning": "!", "error": "✗"}


def command(arguments: argparse.Namespace) -> int:
    """Look, measure, say what it means."""
    if arguments.speed_only:
        return _measure(arguments)
    found = look(arguments.project)
    if not arguments.json:
        for finding in found:
            _show(finding)
    speed = load_speed(arguments.device)
    if not arguments.no_speed:
        speed, finding = _test(arguments)
        found.append(finding)
        if not arguments.json:
            _show(finding)
    sentences = meaning(speed)
    if arguments.json:
        print(
            json.dumps(
                {
                    "findings": [finding.__dict__ for finding in found],
                    "speed": speed.model_dump(mode="json") if speed else None,
                    "meaning": sentences,
                    "report": report(found, sentences),
                }
            )
        )
    else:
        print()
        for sentence in sentences:
            print(sentence)
    return ExitCode.USER if any(finding.level == "error" for finding in found) else ExitCode.DONE


def _show(finding: Finding) -> None:
    print(f"{_SIGNS[finding.level]} {finding.subject + ':':<22} {finding.text}", flush=True)
    if finding.hint:
        print(f"  {'':<22} {finding.hint}", flush=True)


def _test(arguments: argparse.Namespace) -> tuple[Speed | None, Finding]:
    shown = sys.stderr.isatty() and not arguments.json

    def told(share: float) -> None:
        if shown:
            print(f"\rSpeed test: {100 * share:3.0f} %", end="", file=sys.stderr, flush=True)

    try:
        test = SpeedTest(arguments.device, arguments.seconds)
        try:
            speed = test.follow(told)
        except KeyboardInterrupt:
            test.cancel()
            raise
    except NucleiError as error:
        return None, Finding("Speed test", "error", error.message, error.hint)
    finally:
        if shown:
            print("\r                    \r", end="", file=sys.stderr, flush=True)
    return speed, speed_finding(speed)


def _measure(arguments: argparse.Namespace) -> int:
    """The child's part: one line of JSON for each thing to tell."""

    def say(**content: object) -> None:
        print(json.dumps(content), flush=True)

    say(share=0.0)
    began = time.monotonic()
    try:
        import torch

        from napari_nucleidomain.methods.spn_ien.speed import measure
        from napari_nucleidomain.training.device_name import name_device
        from napari_nucleidomain.training.start import default_threads, find_device
    except (ImportError, OSError) as error:
        say(
            message=f"PyTorch, which does the learning, cannot be loaded: {error}.",
            hint="Install torch and torchvision again, as a pair (see the install page).",
        )
        return ExitCode.USER
    loaded = time.monotonic() - began
    say(share=0.1)
    try:
        device = find_device(arguments.device)
        if device.type == "cpu":
            # As many as a training beside the viewer uses.
            torch.set_num_threads(default_threads(background=True))
        steps = measure(device, arguments.seconds, lambda share: say(share=0.1 + 0.9 * share))
    except NucleiError as error:
        say(message=error.message, hint=error.hint)
        return ExitCode.USER
    except RuntimeError as error:
        # A driver that is too old, a card in an exclusive mode: torch says it in its own words.
        say(
            message=f"{name_device(arguments.device)[1]} cannot be computed on: {error}".splitlines()[0],
            hint="Update its driver, or choose the processor (CPU) in Train and Predict.",
        )
        return ExitCode.USER
    cuda = device.type == "cuda"
    speed = Speed(
        device=str(device),
        words=torch.cuda.get_device_name(device) if cuda else name_device(arguments.device)[1],
        memory=torch.cuda.get_device_properties(device).total_memory if cuda else 0,
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        build=f"CUDA {torch.version.cuda}" if torch.version.cuda else "ROCm" if torch.version.hip else "CPU",
        import_seconds=round(loaded, 2),
        steps={name: round(seconds, 5) for name, seconds in steps.items()},
    )
    say(share=1.0, speed=speed.model_dump(mode="json"))
    return ExitCode.DONE
