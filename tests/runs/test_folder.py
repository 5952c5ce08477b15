"""Folders that are half-written, owned, stale, or of a later version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from napari_nucleidomain.contracts import ModelCard, NucleiError, save_card
from napari_nucleidomain.contracts.events import Finished, Started, Warned
from napari_nucleidomain.runs.event_log import EventWriter, last_event, read_events
from napari_nucleidomain.runs.folder import RunFolder
from napari_nucleidomain.runs.job import PredictJob, TrainJob, load_job
from napari_nucleidomain.runs.launch import running_training
from napari_nucleidomain.runs.ownership import Ownership, is_alive, process_key, read_owner
from napari_nucleidomain.runs.store import Project, file_name

_TAKE = """
import pathlib, sys
from napari_nucleidomain.runs.ownership import Ownership
Ownership(pathlib.Path(sys.argv[1]))
"""


def test_half_written_last_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path)
    writer.write(Started())
    line = Warned(message="é").model_dump_json().encode()
    with open(tmp_path / "events.jsonl", "ab") as handle:
        handle.write(line[:10])
    events, offset = read_events(tmp_path)
    assert [event.kind for event in events] == ["started"]
    with open(tmp_path / "events.jsonl", "ab") as handle:
        handle.write(line[10:] + b"\n")
    more, _ = read_events(tmp_path, offset)
    assert [event.kind for event in more] == ["warning"]


def test_writer_starts_a_clean_line_after_a_kill(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(b'{"kind":"progr')
    EventWriter(tmp_path).write(Finished())
    events, _ = read_events(tmp_path)
    assert [event.kind for event in events] == ["finished"]
    assert isinstance(last_event(tmp_path), Finished)


def test_last_event_of_a_prediction_of_many_images_is_found(tmp_path: Path) -> None:
    images = [{"name": f"image-{n:03d}", "labels": f"results/{'x' * 200}-{n}.tif", "nuclei": n} for n in range(200)]
    run = RunFolder.create(tmp_path / "run", PredictJob(model="otsu", images=[]))
    writer = EventWriter(run.path)
    writer.write(Started())
    writer.write(Finished(summary={"images": images, "problems": []}))
    assert (run.path / "events.jsonl").stat().st_size > 3 * 16_384
    assert RunFolder(run.path).state == "finished"
    assert len(RunFolder(run.path).summary()["images"]) == 200
    with open(run.path / "events.jsonl", "ab") as handle:
        handle.write(b'{"kind":"progr' + b"x" * 20_000)
    assert isinstance(last_event(run.path), Finished), "what is half-written is no event yet"


def test_unknown_events_of_a_newer_program_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text('{"kind":"teleported"}\n{"kind":"started","new_field":1}\n')
    assert [event.kind for event in read_events(tmp_path)[0]] == ["started"]


def test_owned_run_is_refused_and_a_dead_owner_is_replaced(tmp_path: Path) -> None:
    first = Ownership(tmp_path)
    with pytest.raises(NucleiError, match="being worked on by process"):
        Ownership(tmp_path)
    first.release()
    assert not is_alive(tmp_path)
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            _TAKE,
            str(tmp_path),
        ],
        check=True,
    )
    assert child.returncode == 0
    assert read_owner(tmp_path) is not None
    assert not is_alive(tmp_path), "the process is gone though its file is there"
    Ownership(tmp_path).release()


def test_owner_on_another_machine_lives_by_its_heartbeat(tmp_path: Path) -> None:
    owner = {"host": "elsewhere", "process": 1, "process_started": 0.0, "token": "t", "taken": 0.0}
    (tmp_path / "owner.json").write_text(json.dumps(owner))
    assert is_alive(tmp_path)
    os.utime(tmp_path / "owner.json", (1, 1))
    assert not is_alive(tmp_path)


def test_reused_process_number_is_not_the_owner(tmp_path: Path) -> None:
    import socket

    owner = {"host": socket.gethostname(), "process": os.getpid(), "process_started": 1.0, "token": "t", "taken": 0.0}
    (tmp_path / "owner.json").write_text(json.dumps(owner))
    assert not is_alive(tmp_path)


def test_a_step_of_the_clock_kills_no_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Ownership(tmp_path)
    real = psutil.Process.create_time
    # What the system says of a process that began before its clock was set.
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: real(self) + 300)
    assert is_alive(tmp_path)
    with pytest.raises(NucleiError, match="being worked on"):
        Ownership(tmp_path)
    monkeypatch.setattr("napari_nucleidomain.runs.ownership._BOOT_FILE", tmp_path / "none")
    assert is_alive(tmp_path), "where there is no key, by its heartbeat"
    os.utime(tmp_path / "owner.json", (1, 1))
    assert not is_alive(tmp_path)
    mine.release()


@pytest.mark.skipif(not process_key(os.getpid()), reason="the system does not say it")
def test_processes_of_one_number_are_told_apart_by_their_key(tmp_path: Path) -> None:
    mine = Ownership(tmp_path)
    content = {**mine.owner.__dict__, "process_key": process_key(os.getpid()) + "1"}
    (tmp_path / "owner.json").write_text(json.dumps(content))
    assert not is_alive(tmp_path), "its number, time and heartbeat are right"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not a run folder"),
        ("{", "damaged"),
        ('{"kind": "train"}', "damaged"),
        ('{"kind": "train", "schema_version": 99}', "later version"),
        ('{"kind": "train", "schema_version": null}', "damaged"),
        ('{"kind": "train", "schema_version": "x"}', "damaged"),
        ('{"kind": "train", "schema_version": [1]}', "damaged"),
        ('{"kind": "predict", "model": "otsu", "images": []}', "does not say which version"),
        ("[]", "damaged"),
    ],
)
def test_unusable_run_folders_say_what_is_wrong(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(NucleiError, match=message):
        load_job(tmp_path)


def test_names_are_free_in_a_moved_project(tmp_path: Path) -> None:
    project = Project.open(tmp_path / "here")
    run = project.new_run(
        TrainJob(method="m", data="d", name="liver: 1/2", publish=str(project.models_folder / "liver"))
    )
    assert "/" not in run.name
    assert project.free_model_name("liver") == "liver-2"
    (tmp_path / "here").rename(tmp_path / "there")
    moved = Project.open(tmp_path / "there")
    assert [found.job.name for found in moved.runs()] == ["liver: 1/2"]
    assert file_name('a<b>:"c') == "a-b-c"
    assert file_name("...") == "unnamed"


@pytest.mark.parametrize("version", [None, "x", [1], True, ...])
def test_a_damaged_card_or_run_hides_no_other(tmp_path: Path, version: Any) -> None:
    project = Project.open(tmp_path)
    publish = str(project.models_folder / "liver")
    runs = [project.new_run(TrainJob(method="m", data="d", name=name, publish=publish)) for name in "ab"]
    for name in ("bad", "good"):
        save_card(ModelCard(name=name, method="m"), project.models_folder / name)
    for file in (runs[0].path / "run.json", project.models_folder / "bad" / "card.json"):
        content = json.loads(file.read_text(encoding="utf-8"))
        del content["schema_version"]
        file.write_text(json.dumps(content if version is ... else {**content, "schema_version": version}))
    found = project.list_models()
    assert [model.name for model in found.models] == ["good"]
    assert [(folder.name, "damaged" in message) for folder, message in found.problems] == [("bad", True)]
    assert project.free_model_name("liver") == "liver-2"
    assert running_training(project) is None
    with pytest.raises(NucleiError, match="damaged"):
        load_job(runs[0].path)


@pytest.mark.parametrize("content", ['{"schema_version": null}', '{"schema_version": "x"}', "{}", "[]", "{"])
def test_damaged_project_file_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "project.json").write_text(content)
    with pytest.raises(NucleiError, match="damaged"):
        Project.open(tmp_path)


def test_name_that_differs_in_capitals_is_not_free(tmp_path: Path) -> None:
    project = Project.open(tmp_path)
    (project.models_folder / "Liver").mkdir(parents=True)
    project.new_run(TrainJob(method="m", data="d", publish=str(project.models_folder / "LIVER-2")))
    assert project.free_model_name("liver") == "liver-3", "one folder to Windows and to a Mac"


@pytest.mark.parametrize(
    ("taken", "wish", "free"),
    [
        ([], "patient-12", "patient-12"),
        (["patient-12"], "patient-12", "patient-12-2"),
        (["patient-12", "patient-12-2"], "patient-12-2", "patient-12-3"),
        (["patient-1", "patient-2"], "patient-2", "patient-2-2"),
        (["patient", "patient-12"], "patient-12", "patient-12-2"),
        (["liver", "liver-2"], "liver-2", "liver-3"),
        (["liver", "liver-2", "liver-3"], "liver-2", "liver-4"),
        (["2024-11-21"], "2024-11-21", "2024-11-21-2"),
        (["liver-02"], "liver-02", "liver-02-2"),
        (["a", "a-99999999999999999999"], "a-99999999999999999999", "a-99999999999999999999-2"),
    ],
)
def test_only_numbers_of_this_program_are_versions(tmp_path: Path, taken: list[str], wish: str, free: str) -> None:
    project = Project.open(tmp_path)
    for name in taken:
        (project.models_folder / name).mkdir(parents=True)
    assert project.free_model_name(wish) == free


def test_two_runs_in_one_second_have_two_folders(tmp_path: Path) -> None:
    project = Project.open(tmp_path)
    job = PredictJob(model="otsu", images=[])
    assert project.new_run(job).path != project.new_run(job).path


def test_project_of_a_later_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "project.json").write_text('{"schema_version": 99}')
    with pytest.raises(NucleiError, match="later version"):
        Project.open(tmp_path)


def test_run_state_of_an_empty_folder(tmp_path: Path) -> None:
    run: Any = RunFolder(tmp_path)
    assert run.state == "waiting"
    assert run.model_folder is None
    assert run.summary() == {}


def test_process_that_died_before_its_first_word_is_not_waited_for(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.log.write_text("ImportError: something is not installed")
    assert run.state == "waiting", "it was started a moment ago"
    os.utime(run.log, (1, 1))
    assert run.state == "interrupted"


def _elsewhere(folder: Path, seconds: float) -> Path:
    owner = {"host": "elsewhere", "process": 1, "process_started": 0.0, "token": "t", "taken": 0.0}
    file = folder / "owner.json"
    file.write_text(json.dumps(owner))
    os.utime(file, (time.time() + seconds, time.time() + seconds))
    return file


def test_an_owner_dated_in_the_future_lives_only_while_its_heart_is_seen_to_beat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_nucleidomain.runs.ownership.WATCHED_SECONDS", 0.3)
    monkeypatch.setattr("napari_nucleidomain.runs.ownership._AGAIN_SECONDS", 0.05)
    file = _elsewhere(tmp_path, 5 * 3600)
    assert is_alive(tmp_path), "not known yet"
    time.sleep(0.35)
    assert not is_alive(tmp_path)
    later = file.stat().st_mtime + 2
    os.utime(file, (later, later))
    assert is_alive(tmp_path), "its clock is wrong, but it beats"
    with pytest.raises(NucleiError, match="being worked on"):
        Ownership(tmp_path, patient=True)


@pytest.mark.parametrize("hours", [5.0, -5.0])
def test_a_dead_owner_with_another_clock_is_replaced_and_a_live_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: float
) -> None:
    monkeypatch.setattr("napari_nucleidomain.runs.ownership.WATCHED_SECONDS", 0.6)
    monkeypatch.setattr("napari_nucleidomain.runs.ownership._AGAIN_SECONDS", 0.05)
    file = _elsewhere(tmp_path, hours * 3600)
    before = file.stat().st_mtime
    beating = threading.Timer(0.2, lambda: os.utime(file, (before + 2, before + 2)))
    beating.start()
    with pytest.raises(NucleiError, match="being worked on"):
        Ownership(tmp_path, patient=True)
    beating.join()
    dead = tmp_path / "dead"
    dead.mkdir()
    _elsewhere(dead, hours * 3600)
    Ownership(dead, patient=True).release()


def test_an_unreadable_owner_dated_in_the_future_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "owner.json").write_text('{"host": "else')
    os.utime(tmp_path / "owner.json", (time.time() + 9e4, time.time() + 9e4))
    assert not is_alive(tmp_path)
