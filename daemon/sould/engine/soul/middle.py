"""Which layer of a body scopes read: the one in its middle that tells questions apart best.

What a question is about is not equally plain everywhere. Qwen2.5-Coder-0.5B knows the topic of 36 %
of the bank's questions, by other wordings of the same, in its layers 7 to 13, and of 51 % in layer
14; SmolLM2-135M of most in layer 15, half way (LOG.md). Layers below the one that is read do not
learn, so that later ones than two thirds of the way are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial

import torch
from torch import Tensor

from sould.engine.decoder import Decoder
from sould.engine.soul.batch import Row, inputs_of_layers
from sould.engine.soul.chatform import ChatForm
from sould.engine.soul.products import Products, in_parts
from sould.engine.soul.targets import Target
from sould.engine.soul.topics import Topic
from sould.engine.soul.weights import middle_of

TOPICS, WORDINGS, FOLDS = 64, 6, 3
ROWS = 16  # read at a time
RIDGE = 0.1  # of the mean variance
BETTER = 0.05  # share of questions that a layer must know more of than the one half way


def layer_to_read(
    decoder: Decoder,
    form: ChatForm,
    topics: Sequence[Topic],
    should_yield: Callable[[], bool],
) -> Generator[None, None, int]:
    """Return the layer of a bare body whose MLP's input tells questions of one topic from those of
    others best, where a reply begins. Yields after small pieces of work.
    """
    half = middle_of(decoder.spec)
    layers = range(half, max(half, 2 * decoder.spec.n_layers // 3) + 1)
    some = [topic for topic in topics if len(topic.questions) >= WORDINGS][:TOPICS]
    if len(layers) == 1 or not some:
        return half
    lines = [form.said(question, [0]) for topic in some for question in topic.questions[:WORDINGS]]
    rows = [
        Row(ids=one.ids, positions=one.positions, target=Target.tokens(one.answer)) for one in lines
    ]
    products = Products(decoder, should_yield)
    read = partial(inputs_of_layers, decoder, products, form.prefix, layers=layers)
    x_QND = torch.stack((yield from in_parts(read, rows, ROWS)))
    shares = []
    for x_QD in x_QND.unbind(1):
        shares.append(told_apart(x_QD.view(len(some), WORDINGS, -1)))
        yield
    best = max(range(len(layers)), key=shares.__getitem__)
    return layers[best] if shares[best] >= shares[0] + BETTER else half


def told_apart(x_CWD: Tensor) -> float:
    """Return of which share of questions the class is known by the others of it: C classes of W
    questions each, by the nearest mean, distances as by the variance within classes. Pure.
    """
    classes, wordings, _ = x_CWD.shape
    right = 0
    for fold in range(FOLDS):
        held_out = torch.arange(wordings) % FOLDS == fold
        mean_CD = x_CWD[:, ~held_out].mean(1)
        rest_RD = (x_CWD[:, ~held_out] - mean_CD[:, None]).flatten(0, 1)
        asked_QD = x_CWD[:, held_out].flatten(0, 1)
        # With V = RᵀR / n + λ: a·V⁻¹·b = (a·b - aRᵀ (nλ + RRᵀ)⁻¹ Rb) / λ, which needs no D × D.
        ridge = RIDGE * float(rest_RD.square().mean())
        inner_RR = rest_RD @ rest_RD.T + len(rest_RD) * ridge * torch.eye(len(rest_RD))
        onto_RC = torch.linalg.solve(inner_RR, rest_RD @ mean_CD.T)
        whitened_DC = mean_CD.T - rest_RD.T @ onto_RC
        size_C = (mean_CD.T * whitened_DC).sum(0)
        likeliest_Q = (asked_QD @ whitened_DC - size_C / 2).argmax(1)
        is_of_Q = torch.arange(classes).repeat_interleave(int(held_out.sum()))
        right += int((likeliest_Q == is_of_Q).sum())
    return right / (classes * wordings)
