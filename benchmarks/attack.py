"""Hostile files against the real command line: what is touched, what ends in a traceback, what hangs, what memory.

`python benchmarks/attack.py [--seed 0] [--only KIND] [--cli 60]`: several hundred drawn cases (`attack_cases.py`), some
minutes. Every case has a folder of its own beside a home with documents, whose digest is taken after it. Most cases of
a kind go through `cli.main` of one watched child process, so that not each of them waits for torch; `--cli` many,
spread over all kinds, through a fresh `python -m napari_nucleidomain.cli`.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import psutil
from attack_cases import Case, all_cases
from attack_material import digest_of, write_canary, write_material
from common import print_table, write_results

# Of processor time for one case; of wall time where the case waits for something instead.
HANG_CPU, HANG_WALL = 10.0, 120.0
# In a child process: a line of JSON in, a line of JSON out; files of models are brought in as the viewer does it.
CHILD = """
import contextlib, io, json, os, sys, time, traceback
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
from napari_nucleidomain.cli import main
from napari_nucleidomain.contracts import NucleiError
def one(arguments):
    if arguments[0] != "import":
        return main(arguments)
    from napari_nucleidomain.runs.store import Project
    try:
        Project("p").import_model(arguments[1])
    except NucleiError as error:
        print(f"nucleidomain: {error}", file=sys.stderr)
        return 2
    return 0
def serve(line):
    case = json.loads(line)
    os.chdir(case["folder"])
    said, began = io.StringIO(), time.process_time()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = one(case["command"])
        except SystemExit as end:
            code = end.code
        except BaseException:
            traceback.print_exc()
            code = 1
    answer = {"code": int(code or 0), "said": said.getvalue(), "cpu": time.process_time() - began}
    print(json.dumps(answer), file=answers, flush=True)
if len(sys.argv) > 1:
    sys.exit(one(sys.argv[1:]))
import torch
print("{}", file=answers, flush=True)
for line in sys.stdin:
    serve(line)
"""


class Child:
    """The process in which the cases of a kind are tried, and the most memory it has had."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._process: subprocess.Popen[str] | None = None
        self.peak = 0

    def try_one(self, case: Case, folder: Path) -> dict[str, Any]:
        """Code, text and processor seconds; "hang" where it did not end."""
        if self._process is None:
            self._start()
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps({"folder": str(folder), "command": case.command}) + "\n")
        self._process.stdin.flush()
        answer = self._answer(HANG_WALL, HANG_CPU)
        if answer.get("hang") or answer.get("died"):
            self.close()
        return answer

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=self._environment,
        )  # fmt: skip
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_pass_on, args=(self._process.stdout, self._lines), daemon=True).start()
        self._answer(600.0, 600.0)

    def _answer(self, wall: float, cpu: float) -> dict[str, Any]:
        assert self._process is not None
        watched = psutil.Process(self._process.pid)
        began, worked = time.monotonic(), _worked(watched)
        while True:
            try:
                line = self._lines.get(timeout=0.02)
                return json.loads(line) if line else {"died": True, "said": "", "code": self._process.wait()}
            except queue.Empty:
                self.peak = max(self.peak, _memory(watched))
                if time.monotonic() - began > wall or _worked(watched) - worked > cpu + 2:
                    return {"hang": True, "said": "", "code": None}

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _pass_on(source: Any, lines: queue.Queue[str]) -> None:
    for line in source:
        lines.put(line)
    lines.put("")


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _worked(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
        return float(times.user + times.system)
    except psutil.Error:
        return 0.0


def try_alone(case: Case, folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    """The same through the true command line."""
    command = [sys.executable, "-m", "napari_nucleidomain.cli", *case.command]
    if case.command[0] == "import":
        command = [sys.executable, "-c", CHILD, *case.command]
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        process = psutil.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        began, peak, worked = time.monotonic(), 0, 0.0
        while process.poll() is None:
            peak, worked = max(peak, _memory(process)), max(worked, _worked(process))
            # To start and to load torch takes some seconds of its own.
            if time.monotonic() - began > HANG_WALL or worked > HANG_CPU + 20:
                process.kill()
                process.wait()
                return {"hang": True, "said": "", "code": None, "peak": peak}
            time.sleep(0.02)
        said.seek(0)
        return {"code": process.returncode, "said": said.read(), "peak": peak}


def judged(answer: dict[str, Any], folder: Path, untouched: bool) -> list[str]:
    """What a case came to; several where it went wrong in several ways."""
    found = [] if untouched else ["touched outside"]
    if answer.get("hang"):
        return [*found, "hang"]
    text = answer["said"] + "".join(log.read_text(errors="replace") for log in folder.rglob("log.txt") if log.is_file())
    if answer.get("died") or answer["code"] in (1, None) or answer["code"] < 0 or "Traceback" in text:
        return [*found, "traceback"]
    if re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", answer["said"]):
        found.append("raw control character")
    return [*found, "refused" if answer["code"] in (2, 3) else "ran"]


def main() -> None:
    """Draw, try, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="kinds whose name begins so")
    parser.add_argument("--cli", type=int, default=60, help="cases that go through a process of their own")
    parser.add_argument("--keep", type=Path, help="folder for the cases, kept (default: a temporary one)")
    given = parser.parse_args()
    place = given.keep or Path(tempfile.mkdtemp(prefix="attack-"))
    material, canary = place / "material", place / "home"
    write_material(material)
    write_canary(canary)
    before = digest_of(canary), digest_of(material)
    environment = {
        **os.environ, "HOME": str(canary), "USERPROFILE": str(canary), "XDG_STATE_HOME": str(place / "state"),
        "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1",
    }  # fmt: skip
    cases = [case for case in all_cases(random.Random(given.seed)) if case.kind.startswith(given.only or "")]
    alone = set(random.Random(given.seed).sample(range(len(cases)), min(given.cli, len(cases))))
    rows: dict[str, dict[str, Any]] = defaultdict(lambda: defaultdict(int))
    bad: list[dict[str, Any]] = []
    child = Child(environment)
    last = ""
    for number, case in enumerate(cases):
        if case.kind.partition(":")[0] != last.partition(":")[0]:
            child.close()
            child.peak = 0
        last = case.kind
        folder = place / "cases" / f"{number:04d}"
        folder.mkdir(parents=True)
        case.prepare(folder, material, canary)
        answer = try_alone(case, folder, environment) if number in alone else child.try_one(case, folder)
        untouched = (digest_of(canary), digest_of(material)) == before
        verdict = judged(answer, folder, untouched)
        row = rows[case.kind]
        row["cases"] += 1
        row["alone"] += number in alone
        row["peak_mib"] = max(row["peak_mib"], round(max(answer.get("peak", 0), child.peak) / 2**20))
        row["longest_s"] = max(row["longest_s"], round(answer.get("cpu", 0.0), 1))
        for one in verdict:
            row[one] += 1
        if not set(verdict) <= {"refused", "ran"}:
            bad.append({"kind": case.kind, "name": case.name, "verdict": verdict, "said": answer["said"][-1500:]})
            print(f"! {case.kind}: {case.name[:60]!r}: {', '.join(verdict)} ({folder.name})", flush=True)
        if not untouched:
            shutil.rmtree(canary)
            write_canary(canary)
    child.close()
    columns = [
        "kind",
        "cases",
        "alone",
        "refused",
        "ran",
        "touched outside",
        "traceback",
        "hang",
        "raw control character",
    ]
    columns += ["longest_s", "peak_mib"]
    table = [{"kind": kind, **{name: row.get(name, 0) for name in columns[1:]}} for kind, row in rows.items()]
    whole = {name: sum(row[name] for row in table) for name in columns[1:-2]}
    table.append({"kind": "all", **whole, **{name: max(row[name] for row in table) for name in columns[-2:]}})
    print_table(table, columns)
    if not given.only:
        write_results("attack", {"seed": given.seed, "table": table, "bad": bad})
    if given.keep is None:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
