"""``body.train``, ``evaluate``, ``export`` and ``convert``, in child processes."""

from __future__ import annotations

import asyncio

from soul_client import codec
from soul_client.wire import (
    BodyConvert,
    BodyConverted,
    BodyEvaluate,
    BodyEvaluated,
    BodyExport,
    BodyExported,
    BodyTrain,
    BodyTrained,
)
from sould.errors import Busy, Cancelled
from sould.supervisor.children import Children
from sould.supervisor.events import Events
from sould.supervisor.request import Request, Stopped, StopReason

LAST_MATRIX_S = 30.0  # a conversion that is stopped may take to notice
LAST_STEP_S = 120.0  # a training that is stopped may take to end its step and to save


class Workshop:
    """Handlers. All work beside any chat; one training at a time."""

    def __init__(self, children: Children, events: Events) -> None:
        self._children = children
        self._events = events
        self._training = asyncio.Lock()
        self._converting = asyncio.Lock()

    async def train(self, request: Request, params: BodyTrain) -> BodyTrained:
        """Train a body. Stopped, it saves what it has; asked again, it goes on.

        Raises:
            Busy: a training goes on.
            Cancelled: it was stopped.
        """
        request.ack()
        if self._training.locked():
            raise Busy("a body is being trained", "wait for its end, or stop it: 'soul stop'")
        options = ["--preset", params.preset, "--steps", str(params.steps)]
        options += ["--seed", str(params.seed), *(["--diary"] if params.diary else [])]
        order = ["train", *options, "--", params.name, *([params.texts] if params.texts else [])]
        async with self._training:
            try:
                done = await self._children.run(
                    request, order, told_as="train", kill_after_s=LAST_STEP_S
                )
            except Stopped as e:
                if e.reason is not StopReason.CANCELLED:
                    raise
                hint = "the same command goes on with it"
                raise Cancelled("stopped; what was learned so far is kept", hint) from e
        self._events.publish("train", {"id": request.id, "done": done})
        return codec.convert(done, BodyTrained)

    async def evaluate(self, request: Request, params: BodyEvaluate) -> BodyEvaluated:
        """Measure a body on text; it is loaded beside the one that is in use."""
        request.ack()
        options = ["--window", str(params.window), "--", params.name, params.texts]
        done = await self._children.run(request, ["evaluate-body", *options])
        return codec.convert(done, BodyEvaluated)

    async def export(self, request: Request, params: BodyExport) -> BodyExported:
        """Write a native body to a file or folder of the user's."""
        request.ack()
        options = ["--format", params.format, "--", params.name, params.path]
        done = await self._children.run(request, ["export-body", *options])
        return codec.convert(done, BodyExported)

    async def convert(self, request: Request, params: BodyConvert) -> BodyConverted:
        """Make bodies of ternary weights of another one; stopped, it leaves nothing half made.

        Raises:
            Busy: another conversion goes on.
        """
        request.ack()
        if self._converting.locked():
            raise Busy("a body is being converted", "wait for its end, or stop it: 'soul stop'")
        options = [f"--bases={n}" for n in params.bases]
        options += [f"--as={params.target}", f"--texts={params.texts}"]
        options += [f"--distill={params.distill}"]
        options += ["--dry-run"] if params.dry_run else []
        async with self._converting:
            done = await self._children.run(
                request,
                ["convert-body", *options, "--", params.name],
                kill_after_s=LAST_MATRIX_S,
            )
        return codec.convert(done, BodyConverted)
