"""How a reply is sampled, from the words of either API. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from soul_client.wire import SamplingOverrides
from soul_openai.answers import wrong_field
from soul_openai.refusals import unsupported


def sampling(values: Mapping[str, Any], stop: str | list[str] | None) -> SamplingOverrides:
    """Return what a request wants different; None keeps what the config says. An empty stop text
    stops nothing.

    Raises:
        Refused: a value is out of range.
    """
    texts = [stop] if isinstance(stop, str) else stop or []
    stops = [text for text in texts if text]
    try:
        return msgspec.convert({**values, "stop": stops or None}, SamplingOverrides)
    except msgspec.ValidationError as e:
        raise wrong_field(e) from e


def refuse_penalties(presence: float | None, frequency: float | None) -> None:
    """Refuse what the daemon has no counterpart for.

    Raises:
        Refused: one of them is not zero.
    """
    for name, value in (("presence_penalty", presence), ("frequency_penalty", frequency)):
        if value:
            raise unsupported(name, "only 0; repetition_penalty is what there is")
