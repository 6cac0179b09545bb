"""Sums of ternary matrices: packed, written, read again, and found."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from sould.converting.fit import Fitted, fit
from sould.engine import bases
from sould.engine.formats.bases import GROUP, LARGEST_BYTE, packed_shape, row_bytes, scales_shape
from sould.errors import BadRequest, Cancelled

SIZES = [(3, 1), (1, 5), (2, 63), (4, 64), (3, 65), (5, 130)]


def random_bases(n: int, rows: int, cols: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(n + rows + cols)
    codes = torch.randint(0, 3, (n, rows, cols), generator=generator, dtype=torch.uint8)
    return codes, torch.rand(scales_shape(n, rows, cols), generator=generator).half()


def said_plainly(codes: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    wide = scales.float().repeat_interleave(GROUP, dim=2)[..., : codes.shape[2]]
    return ((codes.float() - 1) * wide).sum(0)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize(("rows", "cols"), SIZES)
def test_what_is_packed_is_there(n: int, rows: int, cols: int) -> None:
    codes, scales = random_bases(n, rows, cols)
    data = bases.pack(codes, scales)
    assert data.shape == (rows, row_bytes(n, cols))
    assert torch.equal(bases.codes(data, n, cols), codes)
    assert torch.equal(bases.scales(data, n), scales)
    torch.testing.assert_close(bases.dense(data, n, cols), said_plainly(codes, scales))


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize(("rows", "cols"), SIZES)
def test_five_weights_to_a_byte_and_back(n: int, rows: int, cols: int) -> None:
    codes, scales = random_bases(n, rows, cols)
    digits = bases.to_digits(codes)
    assert digits.shape == packed_shape(n, rows, cols) and int(digits.max()) <= LARGEST_BYTE
    data = bases.from_digits(digits.flatten().numpy(), n, rows, cols)
    assert data is not None and not bases.scales(data, n).any()
    bases.rescale(data, scales)
    assert torch.equal(data, bases.pack(codes, scales))


@pytest.mark.parametrize("byte", [LARGEST_BYTE + 1, 255])
def test_a_byte_that_is_no_five_weights_is_none(byte: int) -> None:
    digits = bases.to_digits(random_bases(2, 3, 65)[0]).flatten()
    digits[-1] = byte
    assert bases.from_digits(digits.numpy(), 2, 3, 65) is None


def correlated(cols: int) -> torch.Tensor:
    """Return second moments of inputs that go together, some larger than others."""
    generator = torch.Generator().manual_seed(0)
    mixed = torch.eye(cols) + torch.randn(cols, cols, generator=generator) * cols**-0.5
    x_TC = torch.randn(4 * cols, cols, generator=generator) @ mixed
    x_TC *= torch.rand(cols, generator=generator) + 0.2
    moments_CC: torch.Tensor = x_TC.T @ x_TC
    return moments_CC


def error(w_RC: torch.Tensor, fitted: Fitted, moments_CC: torch.Tensor) -> float:
    """Return how much of what comes out is off."""
    off_RC = said_plainly(fitted.codes, fitted.scales) - w_RC
    total = ((w_RC @ moments_CC) * w_RC).sum()
    return float(((off_RC @ moments_CC) * off_RC).sum() / total)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_a_sum_of_ternary_matrices_is_found_again(n: int) -> None:
    """One whose levels are evenly apart, and the largest of them taken in every group."""
    codes, _ = random_bases(n, 6, 128)
    codes[:, :, ::GROUP] = 2
    scales = 0.5 / 3.0 ** torch.arange(n)[:, None, None].expand(n, 6, 2)
    wanted = said_plainly(codes, scales)
    for feedback in (False, True):
        fitted = fit(wanted, correlated(128), n, feedback=feedback)
        found = said_plainly(fitted.codes, fitted.scales)
        torch.testing.assert_close(found, wanted, atol=2e-3, rtol=0)


def test_more_bases_and_feedback_come_nearer() -> None:
    w_RC = torch.randn(40, 200, generator=torch.Generator().manual_seed(1))
    moments_CC = correlated(200)
    plain = [error(w_RC, fit(w_RC, moments_CC, n, feedback=False), moments_CC) for n in range(1, 5)]
    held = [error(w_RC, fit(w_RC, moments_CC, n), moments_CC) for n in range(1, 5)]
    assert all(b < 0.8 * a for a, b in zip(plain, held, strict=True))
    assert all(b < 0.4 * a for a, b in pairwise(held))


def test_nothing_to_go_by_is_no_trouble() -> None:
    """A matrix of zeros, inputs that never come, rows of one weight."""
    zeros = fit(torch.zeros(2, 70), torch.zeros(70, 70), 2)
    assert not said_plainly(zeros.codes, zeros.scales).any()
    w_RC = torch.randn(3, 70, generator=torch.Generator().manual_seed(2))
    silent = correlated(70)
    silent[:, 5] = silent[5] = 0.0
    fitted = fit(w_RC, silent, 3)
    assert said_plainly(fitted.codes, fitted.scales).isfinite().all()
    assert error(w_RC, fitted, silent) < 0.02


def test_moments_that_rounding_spoilt_are_damped_more(caplog: pytest.LogCaptureFixture) -> None:
    """Two inputs that go together more than they can: one eigenvalue is -0.1."""
    w_RC = torch.randn(3, 70, generator=torch.Generator().manual_seed(2))
    spoilt = torch.eye(70)
    spoilt[0, 1] = spoilt[1, 0] = 1.1
    fitted = fit(w_RC, spoilt, 3)
    torch.testing.assert_close(said_plainly(fitted.codes, fitted.scales), w_RC, atol=0.3, rtol=0)
    (line,) = caplog.messages
    assert "columns=70 damping=0.03" in line


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_what_is_no_moments_is_an_error(value: float) -> None:
    moments_CC = torch.full((70, 70), value)
    with pytest.raises(BadRequest, match="of 70 columns cannot be fitted to"):
        fit(torch.ones(2, 70), moments_CC, 2)


def test_it_stops_when_it_is_told_to() -> None:
    def check() -> None:
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        fit(torch.ones(2, 70), torch.eye(70), 2, check=check)
