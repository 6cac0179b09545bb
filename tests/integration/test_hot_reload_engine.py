"""A body is replaced under a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.fakes.daemon_process import DaemonProcess, Peer
from tests.fakes.tiny_body import write_tiny_body
from tests.fakes.tiny_home import CONTEXT, write_tiny_home

TIMEOUT_S = 60.0


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess(write_tiny_home(tmp_path), has_real_engine=True)
    yield daemon
    daemon.close()


@pytest.fixture
def peer(daemon: DaemonProcess) -> Iterator[Peer]:
    peer = Peer(daemon.await_ready())
    yield peer
    peer.close()


def greedy(peer: Peer) -> str:
    """Return what the body says to a greeting."""
    sampling = {"temperature": 0, "max_tokens": 12}
    said = peer.finish(peer.chat("hello", sampling=sampling), TIMEOUT_S)["text"]
    assert isinstance(said, str)
    return said


def test_a_body_is_written_over_and_the_next_one_computes_nonsense(
    daemon: DaemonProcess, peer: Peer
) -> None:
    """Greedy replies tell one body from the other; the third overflows and is never heard."""
    peer.await_status(lambda s: s.watched is not None and s.watched.models == "notices")
    first = greedy(peer)
    before = peer.status().body
    assert before is not None
    folder = daemon.config.parent / "models" / "tiny"
    write_tiny_body(folder, seed=1, max_position_embeddings=CONTEXT)
    status = peer.await_status(
        lambda s: s.body is not None and s.body.fingerprint != before.fingerprint, TIMEOUT_S
    )
    assert status.soul is not None and "soul reincarnate default" in status.soul.problem
    second = greedy(peer)
    assert first != second
    weights = load_file(folder / "model.safetensors")
    weights |= {name: np.full_like(w, 3e38) for name, w in weights.items() if "norm" in name}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    status = peer.await_status(
        lambda s: s.watched is not None and bool(s.watched.body_problem), TIMEOUT_S
    )
    assert status.watched is not None and "cannot answer" in status.watched.body_problem
    assert greedy(peer) == second
