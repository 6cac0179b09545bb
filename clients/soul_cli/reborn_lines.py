"""How a rebirth is shown: the old soul against the reborn one, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soul_cli import output

if TYPE_CHECKING:
    from soul_cli.texts import Texts
    from soul_client.wire import Reincarnated


def card_lines(texts: Texts, card: Reincarnated) -> list[str]:
    """Return how a rebirth ended: what was learned, and what both souls say."""
    lines = [
        texts("reborn.accepted", name=card.soul, kept=card.kept_as)
        if card.accepted
        else texts(
            "reborn.done",
            name=card.soul,
            body=card.body,
            reborn=card.reborn,
            nights=card.nights,
            duration=output.duration(card.seconds),
        ),
        texts("reborn.records", records=card.records, learned=card.learned),
    ]
    if card.left:
        lines.append(texts("reborn.left", count=card.left))
    if card.silent:
        lines.append(texts("reborn.silent", count=card.silent))
    if card.gone:
        lines.append(texts("reborn.gone", count=card.gone))
    if card.problem:
        problem = output.for_terminal(card.problem)
        lines.append(texts("reborn.not_asked", problem=problem))
    return [*lines, *_recall_lines(texts, card)]


def _recall_lines(texts: Texts, card: Reincarnated) -> list[str]:
    asked = [
        (name, one)
        for name, one in (
            (texts("reborn.old", body=card.old_body), card.before),
            (texts("reborn.new", body=card.body), card.after),
            (texts("reborn.never"), card.never),
        )
        if one is not None
    ]
    if not asked:
        return [texts("reborn.no_fact")]
    says = [texts("reborn.of", count=one.recalled, facts=one.facts) for _, one in asked]
    log_p = [f"{one.log_p:.1f}" for _, one in asked]
    rows = [(texts("reborn.says"), *says), (texts("reborn.log_p"), *log_p)]
    return output.columns(rows, ["", *(name for name, _ in asked)])
