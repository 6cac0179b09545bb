"""tcp: only with CURVE, only for listed keys."""

from __future__ import annotations

import asyncio
import socket
import stat
import sys
from pathlib import Path
from typing import Any

import zmq
import zmq.auth

from soul_client import codec, locate
from soul_client.wire import Header, Kind
from sould import config
from sould.supervisor.binding import Binding, EngineSpawner
from sould.supervisor.runtime import RuntimeDir
from tests.fakes.daemon_process import FAKE_ENGINE, DaemonProcess, Peer, running, write_config


def curve_socket(peer: Peer, kind: int, server: str, keys: tuple[bytes, bytes]) -> Any:
    made = peer.context.socket(kind)
    made.curve_serverkey = server.encode()
    made.curve_publickey, made.curve_secretkey = keys
    return made


def ping(client: Any, endpoint: str, timeout_ms: int) -> bool:
    client.connect(endpoint)
    client.send_multipart(codec.pack(Header(kind=Kind.PING, id="p")))
    answered = bool(client.poll(timeout_ms))
    client.close(linger=0)
    return answered


def test_tcp_takes_only_listed_keys(tmp_path: Path) -> None:
    with running(tmp_path, "wire: {listen: 'tcp://127.0.0.1:0'}") as (daemon, peer):
        connection = peer.connection
        owner = zmq.auth.load_certificate(locate.owner_key_file(tmp_path / "workspace"))
        assert owner[1] is not None
        keys = owner[0], owner[1]
        dealer = curve_socket(peer, zmq.DEALER, connection.server_key, keys)
        assert ping(dealer, connection.ctl, 5000)
        stranger = zmq.curve_keypair()
        dealer = curve_socket(peer, zmq.DEALER, connection.server_key, stranger)
        assert not ping(dealer, connection.ctl, 300)
        assert not ping(peer.context.socket(zmq.DEALER), connection.rpc, 300)
        zmq.auth.create_certificates(tmp_path, "friend")
        friend = zmq.auth.load_certificate(tmp_path / "friend.key_secret")
        assert friend[1] is not None
        clients = tmp_path / "workspace" / "keys" / "clients"
        (tmp_path / "friend.key").replace(clients / "friend.key")
        dealer = curve_socket(peer, zmq.DEALER, connection.server_key, (friend[0], friend[1]))
        assert ping(dealer, connection.rpc, 5000)
        for path in (tmp_path / "workspace" / "keys").rglob("*.key_secret"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "unknown key" in daemon.log()


def test_address_in_use_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = write_config(tmp_path, f"wire: {{listen: 'tcp://127.0.0.1:{port}'}}")
        daemon = DaemonProcess(settings)
        assert daemon.process.wait(10) == 78
        assert f"127.0.0.1:{port}" in daemon.stderr()
        daemon.close()


async def test_where_there_is_no_ipc_everything_is_tcp_with_keys(tmp_path: Path) -> None:
    settings = config.load(write_config(tmp_path))
    runtime = RuntimeDir(settings)
    binding = Binding(settings, runtime, has_ipc=False)
    endpoints = list(binding.endpoints.values())
    binding.close(0)
    assert binding.server_key
    assert all(endpoint.startswith("tcp://127.0.0.1:") for endpoint in endpoints), endpoints
    command = (sys.executable, str(FAKE_ENGINE))
    spawner = EngineSpawner(command, lambda: "info", runtime, has_ipc=False)
    said: asyncio.Queue[list[bytes]] = asyncio.Queue()
    ended: asyncio.Queue[int] = asyncio.Queue()
    engine = spawner.spawn(said.put_nowait, ended.put_nowait)
    header, _ = codec.unpack(await asyncio.wait_for(said.get(), 10))
    assert header.kind is Kind.WELCOME
    engine.send(Header(kind=Kind.REQ, id="m", method="memory"))
    header, _ = codec.unpack(await asyncio.wait_for(said.get(), 10))
    assert (header.kind, header.id) == (Kind.DONE, "m")
    engine.end()
    assert await asyncio.wait_for(ended.get(), 10) == 0
    spawner.close()
