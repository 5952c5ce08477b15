"""Methods of third parties: one that is broken is named and takes none of the others away."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from napari_nucleidomain.cli.main import main
from napari_nucleidomain.contracts import NucleiError, find_method, methods
from napari_nucleidomain.contracts import method as module


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that brings methods: one that works, one of each way to fail, and one under our name."""
    info = tmp_path / "foreign_methods-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-methods\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        f"[{module.GROUP}]\n"
        "works = foreign_methods:SPEC\n"
        "missing = foreign_methods.nowhere:SPEC\n"
        "absent = foreign_methods:OTHER\n"
        "wrong = foreign_methods:NUMBER\n"
        "fails = foreign_fails:SPEC\n"
        "otsu = foreign_methods:NUMBER\n",
        encoding="utf-8",
    )
    (tmp_path / "foreign_methods.py").write_text(
        "from dataclasses import replace\n"
        "from napari_nucleidomain.methods.otsu import SPEC as OTSU\n"
        "SPEC = replace(OTSU, name='works')\nNUMBER = 7\n",
        encoding="utf-8",
    )
    (tmp_path / "foreign_fails.py").write_text("raise RuntimeError('no licence')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(module, "_warned", set())
    return tmp_path


def test_a_broken_method_is_named_and_the_others_stay(package: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = methods()
        assert methods().keys() == found.keys()
    assert {"works", "otsu", "spn-ien"} <= found.keys()
    assert not {"missing", "absent", "wrong", "fails"} & found.keys()
    for name, why in (("missing", "nowhere"), ("absent", "OTHER"), ("wrong", "int"), ("fails", "no licence")):
        said = [one.getMessage() for one in caplog.records if repr(name) in one.getMessage()]
        assert len(said) == 1, "said once, however often methods are asked for"
        assert "foreign-methods" in said[0]
        assert why in said[0]


def test_a_broken_method_says_why_when_it_is_asked_for(package: Path) -> None:
    with pytest.raises(
        NucleiError, match=r"'fails', which comes with foreign-methods, cannot be used.*no licence"
    ) as e:
        find_method("fails")
    assert "Update foreign-methods or remove it" in e.value.hint
    assert find_method("works").name == "works"
    assert find_method("otsu").name == "otsu", "another package cannot take our names"
    with pytest.raises(NucleiError, match="There is no method 'magic'"):
        find_method("magic")


def test_the_command_line_says_it(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "--method" in capsys.readouterr().out
    assert main(["train", "--method", "fails", "--data", "x", "--out", "m"]) == 2
    assert "no licence" in capsys.readouterr().err
