"""Which layer tells questions apart."""

from __future__ import annotations

import torch

from sould.engine.soul.middle import WORDINGS, told_apart


def questions(apart: float, classes: int = 20, d: int = 64) -> torch.Tensor:
    """Return classes that lie so far apart, all of them with much of the same noise in them."""
    generator = torch.Generator().manual_seed(1)
    mean_C1D = apart * torch.randn(classes, 1, d, generator=generator)
    noise_CW1 = torch.randn(classes, WORDINGS, 1, generator=generator)
    loud_D = torch.randn(d, generator=generator)
    own_CWD = torch.randn(classes, WORDINGS, d, generator=generator)
    return mean_C1D + own_CWD + 20 * noise_CW1 * loud_D


def test_classes_that_lie_apart_are_told_apart_whatever_is_loud_in_all_of_them() -> None:
    shares = [told_apart(questions(apart)) for apart in (2.0, 0.4, 0.0)]
    assert shares[0] == 1.0 > shares[1] > 0.15 > shares[2], shares


def test_it_equals_the_discriminant_with_the_whole_variance() -> None:
    x_CWD = questions(0.3)
    right = 0
    for fold in range(3):
        held_out = torch.arange(WORDINGS) % 3 == fold
        mean_CD = x_CWD[:, ~held_out].mean(1)
        rest_RD = (x_CWD[:, ~held_out] - mean_CD[:, None]).flatten(0, 1)
        variance_DD = rest_RD.T @ rest_RD / len(rest_RD)
        variance_DD += 0.1 * variance_DD.diagonal().mean() * torch.eye(len(variance_DD))
        weights_DC = torch.linalg.solve(variance_DD, mean_CD.T)
        scores_CWC = x_CWD[:, held_out] @ weights_DC - (mean_CD.T * weights_DC).sum(0) / 2
        right += int((scores_CWC.argmax(-1) == torch.arange(len(x_CWD))[:, None]).sum())
    assert told_apart(x_CWD) == right / x_CWD.shape[:2].numel()
