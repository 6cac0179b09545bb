"""``body.train``, ``body.evaluate`` and ``body.export``, in child processes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from soul_client import codec
from soul_client.wire import (
    BodyEvaluate,
    BodyEvaluated,
    BodyExport,
    BodyExported,
    BodyTrain,
    BodyTrained,
    Progress,
)
from sould.config import Config
from sould.errors import Busy
from sould.supervisor.bodies import CHILD_COMMAND
from sould.supervisor.children import run_child
from sould.supervisor.events import Events
from sould.supervisor.request import Request

LAST_STEP_S = 120.0  # a training that is stopped may take to end its step and to save


class Workshop:
    """Handlers. All work beside any chat; one training at a time."""

    def __init__(
        self,
        config: Config,
        events: Events,
        child_command: Sequence[str] = CHILD_COMMAND,
    ) -> None:
        self._config = config
        self._events = events
        self._child_command = child_command
        self._training = asyncio.Lock()

    async def train(self, request: Request, params: BodyTrain) -> BodyTrained:
        """Train a body. Stopped, it saves what it has; asked again, it goes on.

        Raises:
            Busy: a training goes on.
        """
        request.ack()
        if self._training.locked():
            raise Busy("a body is being trained", "wait for its end, or stop it: 'soul stop'")
        options = ["--preset", params.preset, "--steps", str(params.steps)]
        options += ["--seed", str(params.seed), "--", params.name, params.texts]
        async with self._training:
            done = await self._run_child(request, ["train", *options])
        self._events.publish("train", {"id": request.id, "done": done})
        return codec.convert(done, BodyTrained)

    async def evaluate(self, request: Request, params: BodyEvaluate) -> BodyEvaluated:
        """Measure a body on text; it is loaded beside the one that is in use."""
        request.ack()
        options = ["--window", str(params.window), "--", params.name, params.texts]
        done = await self._run_child(request, ["evaluate-body", *options])
        return codec.convert(done, BodyEvaluated)

    async def export(self, request: Request, params: BodyExport) -> BodyExported:
        """Write a native body to a file or folder of the user's."""
        request.ack()
        options = ["--format", params.format, "--", params.name, params.path]
        return codec.convert(
            await self._run_child(request, ["export-body", *options]), BodyExported
        )

    async def _run_child(self, request: Request, argv: Sequence[str]) -> dict[str, Any]:
        def report(progress: Progress) -> None:
            request.progress(progress)
            if request.method == "body.train":
                data = {"id": request.id, "progress": msgspec.to_builtins(progress)}
                self._events.publish("train", data)

        verb, *rest = argv
        command = [*self._child_command, verb, "--config", str(self._config.path), *rest]
        return await request.race(run_child(command, report, kill_after_s=LAST_STEP_S))
