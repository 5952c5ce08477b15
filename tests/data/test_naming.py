"""Names that must differ."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_nucleidomain.data.naming import unique_names


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["a", "A", "a-2", "a-2-2", "a-3", "b"]), max_size=12))
def test_names_differ_and_the_first_keeps_its_own(wished: list[str]) -> None:
    names = unique_names(wished)
    assert len({name.casefold() for name in names}) == len(wished)
    assert all(name == wish or name.startswith(f"{wish}-") for name, wish in zip(names, wished, strict=True))
    assert not wished or names[0] == wished[0]


def test_numbers_go_on_and_taken_names_are_left() -> None:
    assert unique_names(["a", "a", "A", "b"], taken=["A-2"]) == ["a", "a-3", "A-4", "b"]


def test_thousands_of_one_name_take_as_many_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    names = unique_names(["im"] * 20_000)
    assert names[-1] == "im-20000" and len(set(names)) == 20_000
