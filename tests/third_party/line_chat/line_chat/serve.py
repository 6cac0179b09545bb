"""The frontend: answers each line with one line. A connection is a conversation.

A line that begins with ``! `` is an error.
"""

from __future__ import annotations

import os
import socketserver
import sys
from pathlib import Path
from typing import TypedDict

from soul_client import Client, SoulError
from sould.plugin import frontend_settings


class Told(TypedDict):
    """What the plugin declared."""

    socket: str
    port: int
    prompt: str


class Conversation(socketserver.StreamRequestHandler):
    """One connection, on a thread of its own, with a client of its own."""

    session: str | None = None

    def handle(self) -> None:
        """Answer until the other side leaves."""
        with Client(name="line-chat") as client:
            for raw in self.rfile:
                if text := raw.decode("utf-8", "replace").strip():
                    self.wfile.write(self.answer(client, text).encode("utf-8") + b"\n")

    def answer(self, client: Client, text: str) -> str:
        """Say one thing and return the reply, as one line."""
        try:
            done = client.ask(text, session=self.session, system=frontend_settings(Told)["prompt"])
        except SoulError as e:
            return f"! {e}".replace("\n", " ")
        self.session = done.session
        return " ".join(done.text.split())


def main() -> None:
    """Serve until the daemon ends us."""
    told = frontend_settings(Told)
    if sys.platform == "win32":
        with socketserver.ThreadingTCPServer(("127.0.0.1", told["port"]), Conversation) as server:
            server.serve_forever()
    path = Path(told["socket"])
    path.unlink(missing_ok=True)
    os.umask(0o077)
    with socketserver.ThreadingUnixStreamServer(str(path), Conversation) as server:
        server.daemon_threads = True
        server.serve_forever()


if __name__ == "__main__":
    main()
