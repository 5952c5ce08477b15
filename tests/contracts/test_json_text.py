"""JSON from anybody: bounded, and read as far as it means anything."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.contracts.files import (
    GEOMETRY,
    SMALL,
    JsonLimits,
    JsonTextError,
    parse_json,
    read_json,
    write_json,
)

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(PLAIN, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_what_the_library_reads_is_read_alike(value: Any, encoding: str) -> None:
    import json

    text = json.dumps(value, ensure_ascii=False)
    # Written out in a list (str of one), a NUL is four letters.
    if "\\u0000" not in text:
        assert parse_json(text.encode(encoding)) == json.loads(text)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=60) | st.text(alphabet='[]{}",:\\0123456789eE.-unlNaInfity ', max_size=60).map(str.encode))
def test_nothing_but_a_value_or_the_one_error(content: bytes) -> None:
    try:
        parse_json(content)
    except JsonTextError as error:
        assert "damaged" in str(error)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100 + b"]" * 100,
        b"[" * 200_000,
        b'{"a":' * 50_000,
        b"[" + b"1," * 150_000 + b"1]",
        b" " * (SMALL.most_bytes + 1),
        b'{"a": "\\u0000"}',
        b"\xff\xfe\x00",
        b"",
    ],
    ids=["deep", "deeper", "objects", "values", "bytes", "NUL", "encoding", "empty"],
)
def test_beyond_the_limits_is_an_error_in_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(NucleiError, match="damaged"):
        read_json(tmp_path / "a.json", SMALL)


def test_long_numbers_are_floats_and_halves_of_characters_are_replaced() -> None:
    assert parse_json("9" * 20_000) == math.inf
    assert parse_json("1" + "0" * 25) == 1e25 and isinstance(parse_json("123"), int)
    # Those that stand for bytes of a file's name stay.
    assert parse_json(r'["a\ud800b", "\udcff", "\ud83d\ude00", "\\ud800"]') == ["a\ufffdb", "\udcff", "😀", r"\ud800"]
    assert parse_json(r'["\\u0000"]') == [r"\u0000"] and parse_json(r'["\u0000"]', GEOMETRY) == ["\x00"]


def test_depth_is_what_is_said() -> None:
    assert parse_json("[" * 5 + "]" * 5, JsonLimits(100, depth=5)) == [[[[[]]]]]
    with pytest.raises(JsonTextError, match="more than 5 levels"):
        parse_json("[" * 6 + "]" * 6, JsonLimits(100, depth=5))


def test_names_in_an_unknown_encoding_are_written_and_read(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"path": "sch\udce4fer.tif"})
    assert read_json(tmp_path / "a.json", SMALL) == {"path": "sch\udce4fer.tif"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes among files")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(NucleiError, match="pipe"):
        read_json(tmp_path / "a.json", SMALL)
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    with pytest.raises(NucleiError, match="device"):
        read_json(tmp_path / "zero.json", SMALL)
