"""Has the daemon use the model that a request names, one request after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from soul_client import AsyncClient
from soul_openai.models import LATEST, Known, Model, in_use, known, wanted
from soul_openai.refusals import Refused
from soul_openai.settings import Settings


class Chooser:
    """Knows the models, and switches between them if the settings let it."""

    def __init__(self, client: AsyncClient, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._switching = asyncio.Lock()

    async def list(self) -> list[Known]:
        """Return the models that can be asked for, the one in use first."""
        current = in_use(await self._client.status())
        bodies = (await self._client.body_list()).bodies
        souls = (await self._client.souls()).souls
        return [
            one for one in known(bodies, souls, current) if not self._forbids(current, one.model)
        ]

    async def find(self, name: str) -> Known:
        """Return the model of a name, without using it.

        Raises:
            Refused: there is none, or it cannot be asked for.
        """
        current = in_use(await self._client.status())
        bodies = (await self._client.body_list()).bodies
        souls = (await self._client.souls()).souls
        model = self._allowed(current, wanted(name, bodies, souls, current))
        body = next((one for one in bodies if one.name == model.body), None)
        soul = next((one for one in souls if one.name == model.soul), None)
        if body is None or soul is None:
            raise Refused(404, f"model {name!a}: its body is not there", code="model_not_found")
        return Known(model=model, body=body, soul=soul)

    @asynccontextmanager
    async def using(self, name: str) -> AsyncIterator[Model]:
        """Have a model used, and let nobody of ours switch meanwhile. A request that was sent
        before this is left is answered by it: the daemon takes those of a client in turn, and a
        switch waits for those before it.

        Raises:
            Refused: there is no such model, or the settings forbid to switch to it.
        """
        async with self._switching:
            yield await self._use(name)

    async def _use(self, name: str) -> Model:
        current = in_use(await self._client.status())
        if name.removesuffix(LATEST) in (current.id, current.body):
            return current
        bodies = (await self._client.body_list()).bodies
        souls = (await self._client.souls()).souls
        model = self._allowed(current, wanted(name, bodies, souls, current))
        await self._switch(current, model)
        return model

    async def _switch(self, current: Model, model: Model) -> None:
        if model.body == current.body:
            await self._client.soul_use(model.soul)
        elif model.soul == current.soul:
            await self._client.body_load(model.body)
        else:
            # No body in between: a soul that has learned nothing would be put on one that it is
            # not for, and belong to it from then on.
            await self._client.body_unload()
            await self._client.soul_use(model.soul)
            try:
                await self._client.body_load(model.body)
            except BaseException:
                await self._client.soul_use(current.soul)
                raise

    def _allowed(self, current: Model, model: Model) -> Model:
        if setting := self._forbids(current, model):
            message = f"model {model.id!a} is not in use, and {setting} is off; {current.id!a} is"
            raise Refused(404, message, code="model_not_found", param="model")
        return model

    def _forbids(self, current: Model, model: Model) -> str:
        """Return the setting that forbids a switch; "" if none does."""
        if model.body != current.body and not self._settings.switch_bodies:
            return "switch_bodies"
        if model.soul != current.soul and not self._settings.switch_souls:
            return "switch_souls"
        return ""
