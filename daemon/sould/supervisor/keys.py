"""CURVE keys: the daemon's own, its owner's, and the list of clients that may connect.

``<workspace>/keys``: ``server.key_secret``, ``owner.key_secret`` (what local clients use), and
``clients/*.key``, the public keys of all who may connect. The folder is read at every
handshake: adding or removing a file counts from the next connection on.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec
import zmq
import zmq.auth

from soul_client.locate import owner_key_file
from sould.errors import StorageError
from sould.supervisor.files import make_private_dir

log = logging.getLogger(__name__)


class KeyPair(msgspec.Struct, frozen=True):
    """A CURVE key pair, Z85."""

    public: bytes
    secret: bytes


class Keyring:
    """The keys of one workspace; made at the first start."""

    def __init__(self, workspace: Path) -> None:
        self._folder = owner_key_file(workspace).parent
        self._clients = self._folder / "clients"
        make_private_dir(self._folder)
        make_private_dir(self._clients)
        self.server = self._pair("server")
        self._pair(owner_key_file(workspace).stem)
        self._allow_owner(owner_key_file(workspace).stem)

    def callback(self, domain: str, key: bytes) -> bool:
        """Tell ``zmq.auth`` whether a client with this public key may connect."""
        for path in self._clients.glob("*.key"):
            try:
                public, _ = zmq.auth.load_certificate(path)
            except (OSError, ValueError) as e:
                log.warning("%s is no key file: %s", path, e)
                continue
            if public == key:
                return True
        log.warning("a client with the unknown key %s was refused", key.decode("ascii", "replace"))
        return False

    def _pair(self, name: str) -> KeyPair:
        path = self._folder / f"{name}.key_secret"
        try:
            if not path.exists():
                for made in zmq.auth.create_certificates(self._folder, name):
                    Path(made).chmod(0o600)
                log.info("new CURVE keys made: %s", path)
            public, secret = zmq.auth.load_certificate(path)
        except (OSError, ValueError) as e:
            raise StorageError(f"key file {path}: {e}", "remove it to have a new one made") from e
        if secret is None:
            raise StorageError(f"{path} holds no secret key", "remove it to have a new one made")
        return KeyPair(public, secret)

    def _allow_owner(self, name: str) -> None:
        """Move the owner's public key, when it is new, to those that may connect."""
        fresh = self._folder / f"{name}.key"
        if fresh.exists():
            fresh.replace(self._clients / fresh.name)


def start_authenticator(context: zmq.Context[Any], keyring: Keyring) -> Any:
    """Let only clients of the keyring into the CURVE sockets of a context; ``stop()`` it."""
    from zmq.auth.thread import ThreadAuthenticator

    authenticator = ThreadAuthenticator(context, log=logging.getLogger("zmq.auth"))
    authenticator.start()
    authenticator.configure_curve_callback(domain="*", credentials_provider=keyring)
    return authenticator
