"""Whether a body that was loaded anew can speak, asked before anybody hears it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from soul_client.wire import ChatMessage, Sampling
from sould.bridge import Generate, Generated
from sould.errors import BodyInvalid, Relayed

TEXTS = ("Hello! Who are you?", "What is the capital of France?")
TOKENS = 8
TIMEOUT_S = 120.0
"""For a large body on a slow machine."""


async def check(generate: Callable[[Generate], Awaitable[Generated]]) -> None:
    """Let a body answer, without a soul. A reply in which a number is not finite is an error of
    the engine's.

    Raises:
        BodyInvalid: it says nothing, or cannot.
        EngineDied: its process ended.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            for order in orders():
                if (await generate(order)).text:
                    return
    except TimeoutError as e:
        raise BodyInvalid(f"it has said nothing within {TIMEOUT_S:g} s") from e
    except Relayed as e:
        raise BodyInvalid(f"it cannot answer: {e.message}") from e
    raise BodyInvalid("it has nothing to say")


def orders() -> list[Generate]:
    """Return what is asked: the next only if nothing was said before. Pure."""
    sampling = Sampling(max_tokens=TOKENS, temperature=0)
    return [
        Generate(messages=[ChatMessage(role="user", text=text)], sampling=sampling, bare=True)
        for text in TEXTS
    ]
