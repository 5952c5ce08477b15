"""Run folders of somebody else: whatever their small files hold, threads, lists and other runs live on."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.events import Finished, Started, parse_event
from napari_nucleidomain.contracts.files import write_json
from napari_nucleidomain.runs.devices import Holder, holders, registry
from napari_nucleidomain.runs.event_log import EVENTS_FILE, EventWriter, last_event, read_events
from napari_nucleidomain.runs.execute import execute
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import ImageRef, PredictJob, load_job
from napari_nucleidomain.runs.ownership import Ownership, is_alive, read_owner
from napari_nucleidomain.runs.requests import Requests
from napari_nucleidomain.runs.store import Project
from napari_nucleidomain.runs.worker import Worker

DEEP = b"[" * 50_000
TEXTS = [
    DEEP,
    b"9" * 5000,
    b"null",
    b"[]",
    b"\xff\x00",
    b'{"time": NaN, "request": "stop"}',
    b'{"time": 1e999, "request": "pause", "paused": true}',
    b'{"time": ' + b"9" * 4000 + b', "request": "stop"}',
    b'{"time": [], "request": {}}',
]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", PredictJob(model="otsu", images=[]))


def test_the_requests_thread_outlives_all_of_them_and_still_hears(run: RunFolder) -> None:
    requests = Requests(run, EventWriter(run.path), Ownership(run.path))
    try:
        for name in ("control.json", "view.json", "answers.json"):
            for text in TEXTS:
                (run.path / name).write_bytes(text)
                requests._look()
                assert run.read_view() is None and run.state == "running"
        assert not requests.stopped and not requests.paused
        run.request("stop")
        end = time.monotonic() + 30
        while not requests.stopped and time.monotonic() < end:
            time.sleep(0.05)
        assert requests.stopped
    finally:
        requests.close()


def test_a_fault_of_ours_is_logged_once_and_the_thread_goes_on(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: RunFolder) -> None:
        raise RuntimeError("a fault")

    requests = Requests(run, EventWriter(run.path), Ownership(run.path))
    try:
        with monkeypatch.context() as patched:
            patched.setattr(RunFolder, "read_control", fails)
            time.sleep(0.7)
        assert requests._thread.is_alive() and caplog.text.count("a fault") <= 2
        run.request("pause")
        end = time.monotonic() + 30
        while not requests.paused and time.monotonic() < end:
            time.sleep(0.05)
        assert requests.paused
    finally:
        requests.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"process": -1}, {"process": 2**40}, {"process": "1"}, {"process": True}, {"process": 1.5}, {"token": None},
        {"process_started": float("nan")}, {"process_started": 1e300}, {"taken": []}, {"host": 5}, {"process_key": {}},
    ],
)  # fmt: skip
def test_an_owner_that_cannot_be_is_none(run: RunFolder, changes: dict[str, Any]) -> None:
    owner = {"host": socket.gethostname(), "process": 1, "process_started": 0, "token": "x", "taken": 0}
    write_json(run.path / "owner.json", {**owner, **changes})
    assert read_owner(run.path) is None and not is_alive(run.path)
    Ownership(run.path).release()


def test_records_of_other_jobs_never_stop_one(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Those of this computer are looked at by every other job.
    monkeypatch.setattr("platformdirs.user_state_dir", lambda *_, **__: str(tmp_path / "state"))
    me = Ownership(run.path).owner
    registry().mkdir(parents=True, exist_ok=True)
    good = Holder("cpu", "the processor", "train", "a", str(run.path), "", 0.0, me.process, me.process_started)
    write_json(registry() / "good.json", good.__dict__)
    for number, text in enumerate(TEXTS):
        (registry() / f"{number}.json").write_bytes(text)
    for number, changes in enumerate([{"process": -1}, {"since": "x"}, {"run": 5}, {"cpus": 3}, {"others": [1]}]):
        write_json(registry() / f"bad-{number}.json", {**good.__dict__, **changes})
    # Its requests are deep: whether it is paused must not be asked in vain.
    (run.path / "control.json").write_bytes(DEEP)
    assert [one.name for one in holders()] == ["a"] and holders()[0].computes


@pytest.mark.parametrize(
    "line",
    [
        '{"kind":"finished","summary":{"images":"x"}}',
        '{"kind":"finished","summary":{"images":[{"labels":5}]}}',
        '{"kind":"finished","summary":{"problems":[["a"]]}}',
        '{"kind":"finished","summary":{"rates":{"a":[]}}}',
        '{"kind":"started","time":NaN}',
        '{"kind":"started","time":1e300}',
        '{"kind":"preview","file":"a\\u0000b","image":"x","origin":[]}',
        '{"kind":"started","device":' + "[" * 9000 + "}",
    ],
)
def test_events_that_no_run_writes_are_passed_over(run: RunFolder, line: str) -> None:
    assert parse_event(line) is None and parse_event(line.encode()) is None
    EventWriter(run.path).write(Started())
    with open(run.path / EVENTS_FILE, "a") as file:
        file.write(line + "\n")
    assert isinstance(last_event(run.path), Started) and run.state == "interrupted"


def test_a_line_of_any_length_is_passed_over(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_nucleidomain.runs.event_log._LONGEST_LINE", 1000)
    (run.path / EVENTS_FILE).write_bytes(b"x" * 5500 + b"\n")
    EventWriter(run.path).write(Finished())
    events, end = read_events(run.path)
    assert [event.kind for event in events] == ["finished"] and end == (run.path / EVENTS_FILE).stat().st_size


def test_a_path_that_ends_in_its_middle_is_refused(run: RunFolder) -> None:
    text = (run.path / "run.json").read_text().replace('"images": []', '"images": [{"path": "a\\u0000b.tif"}]')
    (run.path / "run.json").write_text(text)
    with pytest.raises(NucleiError, match="NUL"):
        load_job(run.path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes among files")
@pytest.mark.parametrize("place", ["events.jsonl", "log.txt", "tiles/im/tile-0000000.npz", "result/im.json"])
def test_a_pipe_in_a_run_is_refused_and_not_waited_for(tmp_path: Path, run: RunFolder, place: str) -> None:
    (run.path / place).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(run.path / place)
    assert run.state in ("waiting", "interrupted")
    with pytest.raises(NucleiError, match="pipe"):
        execute(run.path)


def test_one_bad_run_or_model_hides_no_other(tmp_path: Path) -> None:
    project = Project.open(tmp_path)
    for name in ("a", "b"):
        run = project.new_run(PredictJob(model="otsu", name=name, images=[]))
        if name == "a":
            for file in ("run.json", "events.jsonl", "control.json", "owner.json", "answers.json"):
                (run.path / file).write_bytes(DEEP)
    for name in ("deep", "gone"):
        (project.models_folder / name).mkdir(parents=True)
    (project.models_folder / "deep/card.json").write_bytes(DEEP)
    if sys.platform != "win32":
        (project.models_folder / "gone/card.json").symlink_to(tmp_path / "nowhere")
    assert len([run.state for run in project.runs()]) == 2
    assert "levels" in {path.name: why for path, why in project.list_models().problems}["deep"]


def test_thousands_of_images_of_one_name_are_named_at_once(tmp_path: Path) -> None:
    from napari_nucleidomain.runs.predict import label_files, refuse_over_images

    refs = [ImageRef(path=str(tmp_path / f"{number}" / "im.tif")) for number in range(20_000)]
    job = PredictJob(model="otsu", images=refs, out=str(tmp_path))
    files = label_files(job)
    refuse_over_images(files, job)
    assert len({file.name for file in files}) == len(refs) == np.unique([file.name for file in files]).size


@pytest.mark.parametrize("name", ["queue/1.json", "warm.json", "queue/2.json/x"])
def test_the_worker_outlives_whatever_waits_for_it(tmp_path: Path, name: str) -> None:
    project = Project.open(tmp_path)
    for number, text in enumerate(
        [DEEP, b'{"run": 5}', b'{"run": "' + b"x" * 5000 + b'"}', b'{"model": [], "device": {}}']
    ):
        file = project.worker_folder / name.replace("1", f"1{number}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
    Worker(project, idle_seconds=0.1).serve()
    assert not (project.worker_folder / "warm.json").exists() and not list(project.worker_folder.glob("queue/1*.json"))
