"""What a card says in words."""

from __future__ import annotations

from typing import Any

import pytest

from napari_nucleidomain.contracts import ModelCard


@pytest.mark.parametrize(
    ("trained_on", "words"),
    [
        ({}, ""),
        ({"images": ["a"], "clicks": 1, "kept_back": 0, "pixels": 10**6, "digest": "f"}, "1 image (a), 1 click"),
        (
            {"images": list("abcde"), "clicks": 1200, "corrected": 3, "kept_back": 9, "kept_back_in": [["a", 0, 1]]},
            "5 images (a, b, c and 2 more), 1,200 clicks, 3 corrected outlines, 9 kept back for checking",
        ),
        ({"images": ["a", "b"], "outlines": 40, "corrected": 4}, "2 images (a, b), 40 outlines, 4 of them corrected"),
        (
            {"images": ["1135"], "labels": 0, "sizes": "nuclei of about 23 px", "state_after_steps": 1039},
            "1 image (1135), no annotation; it looks for nuclei of about 23 px; the state after 1,039 steps was chosen",
        ),
        ({"images": "damaged", "clicks": "many"}, ""),
    ],
)
def test_what_it_learned_from_is_said_in_words(trained_on: dict[str, Any], words: str) -> None:
    assert ModelCard(name="m", method="adgan", trained_on=trained_on).learned_from() == words


@pytest.mark.parametrize("images", [2, ["secret-patient", "b"]])
def test_of_a_paper_images_are_counted_and_not_named(images: Any) -> None:
    card = ModelCard(name="m", method="spn-ien", trained_on={"images": images, "clicks": 40})
    assert card.learned_from(names=False) == "2 images, 40 clicks"
