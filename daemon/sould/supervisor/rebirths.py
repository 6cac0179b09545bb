"""Rebirths that were begun: a file beside each reborn soul, with ids and numbers and no text.

``workspace/souls/REBORN/rebirth.json``. Which nights are done, the soul itself says: what it was
taught. Blocking: call it from a thread.
"""

from __future__ import annotations

import logging

import msgspec
from msgspec import Struct

from soul_client.wire import Reincarnated
from sould.bridge import Mark
from sould.errors import BadRequest, StorageError
from sould.soulfile.home import SoulFolder
from sould.supervisor.files import write_private
from sould.supervisor.rebirth_plan import free_name

log = logging.getLogger(__name__)

FILE = "rebirth.json"


class Rebirth(Struct, frozen=True, kw_only=True):
    """How far the rebirth of soul ``of`` on ``body`` is.

    ``old_body``: fingerprint of the one that ``before`` was measured on. ``asked``: records both
    are examined in. ``before``: the old soul's marks by record, None if it was not asked yet, or
    could not be, and why: ``problem``. ``left``: records of nights that were rolled
    back twice, or ended early without them. ``card``: how it ended; None: it did not yet.
    """

    of: str
    body: str
    old_body: str = ""
    asked: list[str] = []
    before: dict[str, Mark] | None = None
    problem: str = ""
    left: list[str] = []
    seconds: float = 0.0
    card: Reincarnated | None = None


class Rebirths:
    """Those of a folder of souls."""

    def __init__(self, souls: SoulFolder) -> None:
        self._souls = souls

    def of(self, soul: str) -> dict[str, Rebirth]:
        """Return the rebirths of a soul that were begun, by the names of the reborn souls."""
        found = {name: self._read(name) for name in self._souls.names() if name != soul}
        return {name: one for name, one in found.items() if one is not None and one.of == soul}

    def find(self, soul: str, body: str) -> str | None:
        """Return the soul reborn on ``body``, None if there is none; "" is any body.

        Raises:
            BadRequest: any body, and there is none, or more than one.
        """
        begun = self.of(soul)
        names = [name for name, one in begun.items() if body in ("", one.body)]
        if body or len(names) == 1:
            return names[0] if names else None
        if not names:
            raise BadRequest(
                f"soul '{soul}' is not being reborn yet",
                "say on which body: --body BODY; 'soul body list' shows which there are",
            )
        bodies = ", ".join(one.body for one in begun.values())
        raise BadRequest(f"soul '{soul}' is being reborn on {bodies}", "say on which: --body BODY")

    def begin(self, soul: str, body: str) -> str:
        """Make the soul that is to be ``soul`` reborn, still without a generation; return its name.

        Raises:
            StorageError: there is none then.
        """
        name = free_name(soul, body, self._souls.names())
        first = msgspec.json.encode(Rebirth(of=soul, body=body))
        self._souls.new(name, beside={FILE: first})
        return name

    def get(self, name: str) -> Rebirth:
        """Return how far a rebirth is.

        Raises:
            StorageError: it cannot be read, or is gone.
        """
        found = self._read(name)
        if found is None:
            path = self._souls.folder / name / FILE
            raise StorageError(f"{path} is gone or damaged", "ask again to begin anew")
        return found

    def put(self, name: str, rebirth: Rebirth) -> None:
        """Note how far a rebirth is.

        Raises:
            StorageError: the former is still noted.
        """
        write_private(self._souls.folder / name / FILE, msgspec.json.encode(rebirth))

    def _read(self, name: str) -> Rebirth | None:
        path = self._souls.folder / name / FILE
        try:
            return msgspec.json.decode(path.read_bytes(), type=Rebirth)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as e:
            log.warning("%s cannot be read: %s", path, type(e).__name__)
            return None
