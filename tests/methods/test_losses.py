"""The discriminative loss against loops over instances, and where it has nothing to do."""

from __future__ import annotations

import pytest
import torch

from napari_nucleidomain.methods.spn_ien.losses import discriminative_loss, partial_cross_entropy


def by_loops(
    x: torch.Tensor, ids: torch.Tensor, alpha: float, squared: bool, gamma: float, pull: float, push: float
) -> torch.Tensor:
    """Equation 1 as it is printed, one image and one instance at a time."""

    def hinge(v: torch.Tensor) -> torch.Tensor:
        v = v.clamp(min=0)
        return v * v if squared else v

    losses = []
    for vectors, labels in zip(x, ids, strict=True):
        present = [int(k) for k in labels.unique() if k >= 0]
        if not any(k > 0 for k in present):
            continue
        means = {k: vectors[:, labels == k].mean(1) for k in present}
        count = len(present)
        intra = sum(
            (alpha if k == 0 else 1.0) * hinge((vectors[:, labels == k] - means[k][:, None]).norm(dim=0) - pull).mean()
            for k in present
        )
        inter = torch.zeros(())
        for a in present:
            for b in present:
                if a != b:
                    inter = inter + (alpha if 0 in (a, b) else 1.0) * hinge(push - (means[a] - means[b]).norm())
        loss = intra / count + gamma / count * sum(m.norm() for m in means.values())
        losses.append(loss + (inter / (count * (count - 1)) if count > 1 else 0.0))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize("alpha", [1.0, 0.5, 0.0])
def test_equals_equation_1(squared: bool, alpha: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 5, 9, 8)
    ids = torch.randint(-1, 6, (3, 9, 8))
    ids[1][ids[1] == 0] = 3  # no background
    ids[2] = ids[2].clamp(max=0)  # no nucleus
    ids[0] = torch.where(ids[0] == 2, 4000, ids[0])  # ids need not follow one another
    got = discriminative_loss(
        x, ids, background_weight=alpha, squared=squared, regularisation=0.01, pull_margin=0.4, push_margin=2.0
    )
    assert got.item() == pytest.approx(by_loops(x, ids, alpha, squared, 0.01, 0.4, 2.0).item(), rel=1e-5)


def test_zero_where_nuclei_are_apart_and_tight() -> None:
    ids = torch.tensor([[0, 0, 1, 1, 2, 2]]).view(1, 1, 6)
    centres = torch.tensor([[0.0, 0.0], [3.1, 0.0], [0.0, 3.1]])
    x = centres[ids.view(-1)].T.reshape(1, 2, 1, 6).clone()
    x[0, 0] += torch.tensor([0.2, -0.2] * 3)
    assert discriminative_loss(x, ids, regularisation=0.0).item() == 0.0
    closer = (x * 0.5).requires_grad_()
    loss = discriminative_loss(closer, ids, regularisation=0.0)
    loss.backward()
    assert loss.item() > 0
    # Going down the gradient pushes the means apart.
    moved = closer.detach() - 0.1 * closer.grad
    assert discriminative_loss(moved, ids, regularisation=0.0).item() < loss.item()


@pytest.mark.parametrize("values", [[-1], [0], [1], [0, 1], [-1, 1], [-1, 0]])
def test_finite_whatever_is_there(values: list[int]) -> None:
    ids = torch.tensor(values).repeat(8)[:8].view(1, 2, 4)
    x = torch.zeros(1, 16, 2, 4, requires_grad=True)
    loss = discriminative_loss(x, ids)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(x.grad).all()
    if not any(v > 0 for v in values):
        assert loss.item() == 0.0


def test_cross_entropy_only_of_what_is_labelled() -> None:
    logits = torch.randn(2, 2, 4, 4, requires_grad=True)
    labels = torch.full((2, 4, 4), 2)
    nothing = partial_cross_entropy(logits, labels)
    nothing.backward()
    assert nothing.item() == 0.0
    assert not logits.grad.any()
    labels[0, 0, 0], labels[1, 2, 3] = 1, 0
    expected = -(logits.log_softmax(1)[0, 1, 0, 0] + logits.log_softmax(1)[1, 0, 2, 3]) / 2
    assert partial_cross_entropy(logits, labels).item() == pytest.approx(expected.item(), rel=1e-5)
