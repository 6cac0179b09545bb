"""How the reasons of an answer are shown: lines of text, for the command and for the chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soul_cli import output

if TYPE_CHECKING:
    from soul_cli.texts import Texts
    from soul_client.wire import GenerationRise, SoulReasons


def reason_lines(texts: Texts, found: SoulReasons) -> list[str]:
    """Return the answer, what each generation did for it, the greatest rise with a star, and
    which records explain it.
    """
    answer = output.for_terminal(found.answer)
    if not found.generations:
        return [answer, "", texts("provenance.nothing", name=found.soul)]
    now, best = found.generations[-1].log_p, max(one.rise for one in found.generations)
    numbers = {"bare": f"{found.bare:.2f}", "now": f"{now:.2f}"}
    rises = [
        ("* " if one.rise == best > 0 else "  ") + _generation(texts, one)
        for one in found.generations
    ]
    lines = [answer, texts("provenance.likelihood", **numbers), "", *rises, ""]
    return [*lines, *(_record_lines(texts, found) if best > 0 else [texts("provenance.own")])]


def _generation(texts: Texts, one: GenerationRise) -> str:
    why = texts.get(f"why.{one.why}") or output.for_terminal(one.why)
    saved = "provenance.night" if one.why == "sleep" else "provenance.saved"
    when = texts(saved, when=output.for_terminal(output.moment(one.saved)), why=why)
    key = "provenance.older" if one.older else "provenance.rise"
    return texts(key, when=when, rise=f"{one.rise:+.2f}", number=one.number, count=one.taught)


def _record_lines(texts: Texts, found: SoulReasons) -> list[str]:
    key = "provenance.records" if found.records else "provenance.no_record"
    lines = [texts(key, count=found.weighed)]
    lines += [
        f"  {output.moment(one.ts)}  {one.rise:+.2f}  {output.for_terminal(one.text)}"
        for one in found.records
    ]
    if found.gone:
        lines.append(texts("provenance.gone", count=len(found.gone)))
    return lines
