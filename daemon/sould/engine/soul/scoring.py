"""How likely tokens are to a body, with its soul or without.

Legend: P positions scored, C of them in one chunk, D d_model, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from sould.engine.decoder import Decoder
from sould.engine.soul.batch import Row, hidden
from sould.engine.soul.chatform import Line
from sould.engine.soul.forward import Worn
from sould.engine.soul.products import Products, in_parts
from sould.engine.soul.targets import Target, chunk_size, loss_into_slope
from sould.engine.soul.weights import Soul
from sould.engine.weights import CPU

ROWS = 16  # scored at a time; what is interrupted is done again, fewer at a time


class Scorer:
    """Scores lines that share a prefix; with a ``soul``, or as the bare body.

    ``should_yield`` is asked before every product; then ``Interrupted`` is raised.
    """

    def __init__(
        self,
        decoder: Decoder,
        soul: Soul | None = None,
        *,
        should_yield: Callable[[], bool] = lambda: False,
    ) -> None:
        self._decoder = decoder
        self._products = Products(decoder, should_yield)
        self._share = Worn(decoder.spec, soul)

    def log_p(self, prefix: Sequence[int], lines: Sequence[Line]) -> list[float]:
        """Return Σ ln p over the positions of each line.

        Raises:
            Interrupted: ``should_yield`` said so.
        """
        wanted = torch.tensor([i for line in lines for i in line.answer])
        parts, at = [], 0
        for logits_CV in self._logits(prefix, lines):
            ids_C = wanted[at : at + len(logits_CV)].to(logits_CV.device)
            parts.append(logits_CV.gather(-1, ids_C[:, None])[:, 0] - logits_CV.logsumexp(-1))
            at += len(logits_CV)
        counts = [len(line.positions) for line in lines]
        return [float(part.sum()) for part in torch.split(torch.cat(parts), counts)]

    def log_p_in_steps(
        self, prefix: Sequence[int], lines: Sequence[Line]
    ) -> Generator[None, None, list[float]]:
        """Return what :meth:`log_p` does, interrupted or not; yields after some lines."""
        return (yield from in_parts(partial(self.log_p, prefix), lines, ROWS))

    def teach(self, prefix: Sequence[int], lines: Sequence[Line], k: int) -> list[Target]:
        """Return what the body expects at the positions of each line, its ``k`` likeliest tokens.

        Raises:
            Interrupted: ``should_yield`` said so.
        """
        parts = [
            Target.teacher(logits_CV.log_softmax(-1), k).to(CPU)
            for logits_CV in self._logits(prefix, lines)
        ]
        whole, at, targets = Target.joined(parts), 0, []
        for line in lines:
            targets.append(whole.part(slice(at, at + len(line.positions))))
            at += len(line.positions)
        return targets

    def says(self, prefix: Sequence[int], lines: Sequence[Line]) -> list[bool]:
        """Tell of each line whether it is what a greedy reply would say, token by token.

        Raises:
            Interrupted: ``should_yield`` said so.
        """
        wanted = torch.tensor([i for line in lines for i in line.answer])
        likeliest = torch.cat([x.argmax(-1).cpu() for x in self._logits(prefix, lines)])
        counts = [len(line.positions) for line in lines]
        return [bool(part.all()) for part in torch.split(likeliest == wanted, counts)]

    def divergence(
        self, prefix: Sequence[int], lines: Sequence[Line], targets: Sequence[Target]
    ) -> list[float]:
        """Return the mean KL(target ‖ what is said) over the positions of each line, in nats.

        Raises:
            Interrupted: ``should_yield`` said so.
        """
        target, at, losses = Target.joined(targets), 0, []
        for logits_CV in self._logits(prefix, lines):
            rows = slice(at, at + len(logits_CV))
            losses.append(loss_into_slope(logits_CV.float().cpu(), target.part(rows)))
            at = rows.stop
        counts = [len(line.positions) for line in lines]
        return [float(part.mean()) for part in torch.split(torch.cat(losses), counts)]

    @torch.no_grad()
    def _logits(self, prefix: Sequence[int], lines: Sequence[Line]) -> Iterator[Tensor]:
        rows = [
            Row(ids=line.ids, positions=line.positions, target=Target.tokens(line.answer))
            for line in lines
        ]
        x_PD = hidden(self._decoder, self._share, self._products, prefix, rows)
        step = chunk_size(self._decoder.head.rows)
        for start in range(0, len(x_PD), step):
            yield self._products.forward(x_PD[start : start + step], self._decoder.head)
