"""What is the same in every step, computed once: it is kept for as long as there is room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from sould.engine.soul.forward import Run, shared

T = TypeVar("T")
Text = tuple[tuple[int, ...], tuple[int, ...]]  # a prefix and what follows it


class Below:
    """What the layers under ``first`` make of prefixes and rows, for as long as they stay as
    they are: of a soul's part that has no share there. Kept are ``most_bytes``, the newest.
    """

    def __init__(self, first: int, most_bytes: int = 1 << 26) -> None:
        self.first = first
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Text, Tensor] = OrderedDict()

    def stream(self, run: Run, prefix: tuple[int, ...], texts: Sequence[tuple[int, ...]]) -> Tensor:
        """Return the residual stream before layer ``first``, (T, D): the prefix, then the texts."""
        keys = [(prefix, ()), *((prefix, text) for text in texts)]
        unknown = dict.fromkeys(text for _, text in keys if (prefix, text) not in self._kept)
        if unknown:
            self._compute(run, prefix, [text for text in unknown if text])
        for key in keys:
            self._kept.move_to_end(key)
        x_TD = torch.cat([self._kept[key] for key in keys])
        _forget(self._kept, self._most_bytes, lambda x_TD: x_TD.nbytes)
        return x_TD

    @torch.no_grad()
    def _compute(self, run: Run, prefix: tuple[int, ...], texts: list[tuple[int, ...]]) -> None:
        layout = shared(run.decoder, prefix, texts)
        x_TD = run.layers(run.embedded(prefix, texts), layout, range(self.first))
        parts = torch.split(x_TD, [len(prefix), *map(len, texts)])
        for text, part in zip([(), *texts], parts, strict=True):
            self._kept[prefix, text] = part.clone()


class Asked:
    """What the body makes of what comes before replies, as no soul is open to it: keys and values
    of the layers from ``below.first`` up, in 16 bits, for as long as the layers under it stay as
    they are. Kept are ``most_bytes``, the newest.
    """

    def __init__(self, below: Below, most_bytes: int = 1 << 28) -> None:
        self._below = below
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Text, list[Tensor]] = OrderedDict()

    @property
    def first(self) -> int:
        """The first layer that is learned."""
        return self._below.first

    def before(
        self,
        run: Run,
        prefix: tuple[int, ...],
        texts: Sequence[tuple[int, ...]],
        cuts: Sequence[int],
    ) -> tuple[Tensor, list[list[Tensor]]]:
        """Return the residual stream before layer ``first`` from the cut of each text on, (T, D);
        and for each layer from there up what every text has before its cut, (2, L, K, E).
        """
        x_TD = self._below.stream(run, prefix, texts)
        x_PD, *rows = torch.split(x_TD, [len(prefix), *map(len, texts)])
        cut_texts = [text[:cut] for text, cut in zip(texts, cuts, strict=True)]
        begun = {text: x[: len(text)] for text, x in zip(cut_texts, rows, strict=True) if text}
        unknown = [text for text in begun if (prefix, text) not in self._kept]
        if unknown or (prefix, ()) not in self._kept:
            x_TD = torch.cat([x_PD, *(begun[text] for text in unknown)])
            self._compute(run, prefix, unknown, x_TD)
        first, pasts = self._kept[prefix, ()], []
        for text in cut_texts:
            own = self._kept[prefix, text] if text else [x[:, :0] for x in first]
            pasts.append([torch.cat(pair, 1).float() for pair in zip(first, own, strict=True)])
        for text in ((), *begun):
            self._kept.move_to_end((prefix, text))
        _forget(self._kept, self._most_bytes, lambda layers: sum(x.nbytes for x in layers))
        spoken = [x[len(text) :] for text, x in zip(cut_texts, rows, strict=True)]
        return torch.cat(spoken), [list(layer) for layer in zip(*pasts, strict=True)]

    @torch.no_grad()
    def _compute(
        self, run: Run, prefix: tuple[int, ...], texts: list[tuple[int, ...]], x_TD: Tensor
    ) -> None:
        layout = shared(run.decoder, prefix, texts)
        layout.kept = []
        run.bare().layers(x_TD, layout, range(self.first, len(run.decoder.layers)))
        for n, text in enumerate([(), *texts]):
            self._kept[prefix, text] = [torch.stack((k[n], v[n])).half() for k, v in layout.kept]


def _forget(kept: OrderedDict[Text, T], most_bytes: int, size: Callable[[T], int]) -> None:
    """Leave out the oldest until what is kept is no larger than that."""
    total = sum(map(size, kept.values()))
    while total > most_bytes:
        total -= size(kept.popitem(last=False)[1])
