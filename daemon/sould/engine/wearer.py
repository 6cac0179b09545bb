"""What a body that can run has of the soul that it wears."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from sould.engine.soul.weights import State


class _HasState(Protocol):
    @property
    def state(self) -> State | None: ...


S = TypeVar("S", bound=_HasState)


class Wearer(ABC, Generic[S]):
    """Wears a soul, or none."""

    _soul: S | None = None

    @property
    def soul(self) -> S | None:
        """What is added to the body. Set it between two steps, None takes it away.

        Raises:
            ValueError: on setting one that was made for a body of other sizes.
        """
        return self._soul

    @soul.setter
    def soul(self, soul: S | None) -> None:
        if soul is not None:
            self.require_fits(soul)
        self._soul = soul

    @property
    def soul_state(self) -> State | None:
        """What is computed of a text now depends on it besides the body; None without a soul."""
        return None if self._soul is None else self._soul.state

    @contextmanager
    def wearing(self, soul: S | None) -> Iterator[None]:
        """Let the body wear ``soul`` for one step, whatever it wears otherwise.

        Raises:
            ValueError: as on setting it.
        """
        usual, self.soul = self._soul, soul
        try:
            yield
        finally:
            self._soul = usual

    @abstractmethod
    def require_fits(self, soul: S) -> None:
        """Check that a soul is for a body like this one.

        Raises:
            ValueError: it is not.
        """
