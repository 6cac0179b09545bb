"""Which models there are: a body with a soul, called ``BODY@SOUL``. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from soul_client.wire import BodyEntry, SoulEntry, Status
from soul_openai.refusals import Refused

LATEST = ":latest"
"""What Ollama's clients add to a name that has no tag."""


class Model(Struct, frozen=True, kw_only=True):
    """A body and the soul it answers with; ``soul`` "" where the daemon has none."""

    body: str
    soul: str = ""

    @property
    def id(self) -> str:
        """Its name in the API."""
        return f"{self.body}@{self.soul}" if self.soul else self.body


class Known(Struct, frozen=True, kw_only=True):
    """A model that can be had, with what the daemon says of its body and soul."""

    model: Model
    body: BodyEntry
    soul: SoulEntry


def in_use(status: Status) -> Model:
    """Return the model that answers now, or will once its body is loaded."""
    body = status.body.name if status.body else status.body_configured
    return Model(body=body, soul=status.soul.name if status.soul else "")


def known(bodies: Sequence[BodyEntry], souls: Sequence[SoulEntry], current: Model) -> list[Known]:
    """Return the models there are, the one in use first: each soul on the body it was grown on,
    one that has learned nothing yet on every body. A soul that cannot be used is left out.
    """
    found = [
        Known(model=Model(body=body.name, soul=soul.name), body=body, soul=soul)
        for soul in souls
        for body in bodies
        if not soul.problem and fits(soul, body.name)
    ]
    return sorted(found, key=lambda one: (one.model != current, one.model.id))


def wanted(
    name: str, bodies: Sequence[BodyEntry], souls: Sequence[SoulEntry], current: Model
) -> Model:
    """Return the model that a name means: ``BODY@SOUL``, or ``BODY`` with the soul in use.

    Raises:
        Refused: there is no such body, or soul, or they do not fit.
    """
    short = name.removesuffix(LATEST)
    if short in (current.id, current.body):
        return current
    if any(body.name == short for body in bodies):
        return _fitting(name, Model(body=short, soul=current.soul), souls)
    body_name, _, soul_name = short.rpartition("@")
    if any(body.name == body_name for body in bodies):
        return _fitting(name, Model(body=body_name, soul=soul_name), souls)
    raise _unknown(name, "there is no such body")


def fits(soul: SoulEntry, body_name: str) -> bool:
    """Tell whether a soul can be put on a body: grown on it, or with nothing learned. Pure."""
    return soul.body_name in ("", body_name)


def _fitting(name: str, model: Model, souls: Sequence[SoulEntry]) -> Model:
    soul = next((soul for soul in souls if soul.name == model.soul), None)
    if soul is None:
        raise _unknown(name, f"there is no soul {model.soul!a}")
    if not fits(soul, model.body):
        raise _unknown(
            name,
            f"soul {soul.name!a} was grown on body {soul.body_name!a}; "
            f"'soul reincarnate {soul.name} --body {model.body}' makes one for this body",
        )
    return model


def _unknown(name: str, why: str) -> Refused:
    message = f"model {name!a}: {why}; GET /v1/models lists those there are"
    return Refused(404, message, code="model_not_found", param="model")
