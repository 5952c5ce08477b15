"""What is not finite changes no weight: skipped, told of once, and after ten in a row the training ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from napari_nucleidomain.contracts import NucleiError
from napari_nucleidomain.training.diverging import MOST_IN_A_ROW, Guard

GOOD, BAD = torch.tensor(1.0), torch.tensor(float("nan"))


def network(gradient: float = 3.0) -> nn.Module:
    net = nn.Linear(4, 1, bias=False)
    net.weight.grad = torch.full((1, 4), gradient)
    return net


def test_bad_steps_are_skipped_and_told_of_once() -> None:
    told: list[tuple[str, str]] = []
    guard = Guard(lambda *said: told.append(said), "ien_rate")
    assert guard.takes(network(), [GOOD], 0.0) and not told
    assert not guard.takes(network(), [GOOD, BAD], 0.0)
    assert not guard.takes(network(np.inf), [GOOD], 5.0)
    assert not guard.takes(network(np.nan), [GOOD], 0.0)
    assert len(told) == 1 and "skipped" in told[0][0] and "lower ien_rate" in told[0][1]
    for _ in range(2):
        assert guard.takes(network(), [GOOD], 0.0)
        for _ in range(MOST_IN_A_ROW - 1):
            assert not guard.takes(network(), [BAD], 0.0)
    with pytest.raises(NucleiError, match=f"diverged: the last {MOST_IN_A_ROW} steps") as caught:
        guard.takes(network(), [BAD], 0.0)
    assert "(ien_rate)" in caught.value.hint


def test_a_training_too_short_for_ten_is_refused_at_its_end() -> None:
    guard = Guard(lambda *_: None, "rate")
    guard.takes(network(), [GOOD], 0.0)
    guard.finish()
    guard.takes(network(), [BAD], 0.0)
    with pytest.raises(NucleiError, match="diverged"):
        guard.finish()


@pytest.mark.parametrize(("limit", "length"), [(0.0, 6.0), (5.0, 5.0), (7.0, 6.0)])
def test_gradients_are_shortened_to_the_limit_and_no_further(limit: float, length: float) -> None:
    net = network()
    before = net.weight.grad.clone()
    assert Guard(lambda *_: None, "rate").takes(net, [GOOD], limit)
    assert float(net.weight.grad.norm()) == pytest.approx(length, rel=1e-5)
    assert torch.equal(net.weight.grad, before) == (length == 6.0)
