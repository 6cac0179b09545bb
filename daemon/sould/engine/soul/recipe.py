"""How facts are learned, awake and asleep; the figures behind it are in LOG.md."""

from __future__ import annotations

from dataclasses import dataclass

NIGHT_BOOST = 1.25


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a fact is learned. Counts are rows of one step; ``kl`` weighs the anchors together,
    ``guard`` what the curvature says that a position of the whole bank would lose. Adam steps in
    coordinates in which the bank feels every direction alike, but for ``damping``.

    Scopes are found from ``heard`` dreams of each fact.

    How the user talks is learned from ``spoken`` of their texts in each of ``voiced`` steps, which
    ``idiom`` weighs: what is gone over more often is learned by heart, and helps no other.

    A fact is done when the loss of its answers is below ``enough`` (nats a token) after
    ``least_steps``, and after ``most_steps`` in any case. Then come ``reviews``: steps in
    which all facts take part alike, so that the newest does not answer for the others.
    """

    inner_lr: float = 2e-3
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = 1.0
    heard: int = 12
    dreams: int = 3
    rehearsed: int = 5
    spoken: int = 2
    idiom: float = 1.0
    voiced: int = 32
    anchors: int = 4
    kl: float = 10.0
    guard: float = 300.0
    damping: float = 0.3
    least_steps: int = 6
    most_steps: int = 11
    reviews: int = 3
    enough: float = 0.15

    @staticmethod
    def awake(inner_lr: float) -> Recipe:
        """Return how a turn is learned, in the user's pauses."""
        return Recipe(inner_lr=inner_lr)

    @staticmethod
    def asleep(inner_lr: float) -> Recipe:
        """Return how a night is spent: more dreams a step, at a boosted rate."""
        return Recipe(inner_lr=NIGHT_BOOST * inner_lr, heard=48, dreams=9, anchors=3)
