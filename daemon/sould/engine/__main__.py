"""Start an engine process: ``python -m sould.engine ENDPOINT [LEVEL]``.

stdin is the life line: when it ends, whoever started us is gone, and so are we. For a tcp
endpoint its first line holds the CURVE keys ``SERVER_PUBLIC OUR_PUBLIC OUR_SECRET`` (Z85).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import NoReturn

from sould.engine.link import Curve, Link

NICENESS = 5
# GNU OpenMP's workers spin for milliseconds when their work is done. On a machine that is busy
# with something else, they then keep each other off the cores (reading a body: 3 s in place of
# 0.1 s). A thousand rounds, some microseconds, cost nothing on a quiet one.
SPIN_ROUNDS = 1000

log = logging.getLogger("sould.engine")


def main() -> NoReturn:
    """Set up the process, then serve until it is ended from outside."""
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python -m sould.engine ENDPOINT [LEVEL]; `sould` starts it")
    endpoint, level = sys.argv[1], (sys.argv[2:] or ["INFO"])[0]
    logging.basicConfig(level=level.upper(), format="%(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is the supervisor's
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _give_way()
    link = Link(endpoint, _read_keys() if endpoint.startswith("tcp://") else None)
    link.start()
    threading.Thread(target=_end_with_stdin, name="stdin", daemon=True).start()
    from sould.engine.process import Engine  # torch takes a second; the link works meanwhile

    Engine(link).run()


def _give_way() -> None:
    """Lower our priority and spin less, so that the machine stays responsive at our side."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPIN_ROUNDS))
    if hasattr(os, "nice"):
        log.info("niceness %d", os.nice(NICENESS))
    else:
        log.info("niceness unchanged: this system has none")


def _read_keys() -> Curve:
    keys = os.fsdecode(_read_line()).split()
    if len(keys) != 3:
        sys.exit(f"expected three CURVE keys on the first line of stdin, found {len(keys)}")
    return Curve(*keys)


def _read_line() -> bytes:
    """Read up to the newline and not a byte further: what follows is the other thread's."""
    line = b""
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
