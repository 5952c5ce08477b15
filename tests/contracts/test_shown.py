"""Texts of others as they are shown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_nucleidomain.contracts import ModelCard, NucleiError
from napari_nucleidomain.contracts.events import Failed, Warned
from napari_nucleidomain.contracts.shown import shown


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text())
def test_nothing_that_commands_is_left_and_twice_is_once(text: str) -> None:
    once = shown(text)
    assert shown(once) == once
    assert not any(ord(one) < 32 or 127 <= ord(one) < 160 or 0x202A <= ord(one) <= 0x202E for one in once)
    once.encode("utf-8")


@pytest.mark.parametrize("text", ["Leber 3 µm/px · é", "肝臓", "‏שלום"[1:], "नमस्ते", "👩‍🔬", "C:\\new\\table.tif"])
def test_what_people_write_stays(text: str) -> None:
    assert shown(text) == text


def test_messages_events_and_cards_are_shown() -> None:
    evil = "a\x1b[2J\nb"
    assert NucleiError(evil, evil).message == NucleiError(evil, evil).hint == "a\\x1b[2J\\nb"
    assert Warned(message=evil).message == Failed(message="", hint=evil).hint == "a\\x1b[2J\\nb"
    card = ModelCard(name=evil, method="adgan", notes=[evil], trained_on={"images": [evil]})
    assert "\x1b" not in card.name + card.notes[0] + card.learned_from() + card.line()
