"""Where the config, the runtime dir and a running daemon are found.

Client and daemon both ask here, so that they always agree. Nothing is created.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from soul_client.errors import ConfigInvalid, ConfigNotFound, NotRunning, UnsafeFile, WireError
from soul_client.wire import PROTOCOL, Connection, ErrorCode

CONFIG_NAME = "config.yaml"
CONNECTION_NAME = "connection.json"
LOCAL_RUN_DIR = "run"
LOG_FILE = Path("logs", "sould.log")
STDERR_FILE = Path("logs", "stderr.log")
OWNER_KEY = Path("keys", "owner.key_secret")

_IS_OURS = re.compile(r"^bit_ttt\s*:", re.MULTILINE)
_MAX_SOCKET_PATH_BYTES = 103  # sun_path less the NUL: 107 on Linux, 103 on macOS and the BSDs
_LONGEST_SOCKET_NAME = "/engine-99999.sock"


def find_config(explicit: str | os.PathLike[str] | None = None) -> Path:
    """Find the config file; the result is absolute.

    The first of: ``explicit``; ``$BIT_TTT_CONFIG``; the nearest ``config.yaml`` with a
    top-level key ``bit_ttt``, from the working directory upwards;
    ``$XDG_CONFIG_HOME/bit-ttt/config.yaml`` (``~/.config`` without the variable).

    Raises:
        ConfigNotFound: none of these exists. A named file that is missing is an error,
            never a reason to take another.
    """
    named = explicit or os.environ.get("BIT_TTT_CONFIG")
    if named:
        path = Path(named).expanduser().absolute()
        if not path.is_file():
            asker = "--config" if explicit else "BIT_TTT_CONFIG"
            raise ConfigNotFound(f"{asker} names {path}, which is not a file")
        return path
    here = Path.cwd()
    for folder in (here, *here.parents):
        if _is_our_config(folder / CONFIG_NAME):
            return folder / CONFIG_NAME
    fallback = _user_config_dir() / "bit-ttt" / CONFIG_NAME
    if fallback.is_file():
        return fallback
    raise ConfigNotFound(
        f"no {CONFIG_NAME} with a key 'bit_ttt' in {here} or above it, nor {fallback}; "
        "pass --config or set BIT_TTT_CONFIG"
    )


def workspace_dir(config_path: Path, values: Mapping[str, Any] | None = None) -> Path:
    """Return the absolute workspace path, links resolved, so that one workspace has one name."""
    raw = _values(config_path, values).get("workspace", "workspace")
    return resolve(config_path, "workspace", raw).resolve()


def runtime_dir(config_path: Path, values: Mapping[str, Any] | None = None) -> Path:
    """Return the folder of sockets and ``connection.json``.

    The config key ``runtime_dir`` unless it is ``auto``; else
    ``$XDG_RUNTIME_DIR/bit-ttt/<workspace hash>``; else ``<workspace>/run``, or, where that
    is too long for the name of a socket, a private folder of the temp dir.
    ``values``: the config, already parsed (it is read from ``config_path`` otherwise).
    """
    values = _values(config_path, values)
    raw = values.get("runtime_dir", "auto")
    if raw != "auto":
        return resolve(config_path, "runtime_dir", raw)
    workspace = workspace_dir(config_path, values)
    digest = hashlib.sha256(os.fsencode(workspace)).hexdigest()[:12]
    if xdg := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(xdg, "bit-ttt", digest)
    local = workspace / LOCAL_RUN_DIR
    if len(os.fsencode(local)) + len(_LONGEST_SOCKET_NAME) <= _MAX_SOCKET_PATH_BYTES:
        return local
    return Path(tempfile.gettempdir(), f"bit-ttt-{_user_tag()}", digest)


def connection_files(config_path: Path) -> list[Path]:
    """Return where ``connection.json`` may be, best first.

    The daemon writes all of them: a client started without ``$XDG_RUNTIME_DIR`` (cron, su)
    still finds the daemon of the workspace.
    """
    values = _values(config_path, None)
    folders = [runtime_dir(config_path, values), workspace_dir(config_path, values) / LOCAL_RUN_DIR]
    return [folder / CONNECTION_NAME for folder in dict.fromkeys(folders)]


def read_connection(config_path: Path) -> Connection:
    """Read how to reach the daemon of this config.

    Raises:
        NotRunning: no ``connection.json``, or the process it names is gone.
        UnsafeFile: the file belongs to, or is open to, somebody else.
        WireError: ``protocol_mismatch``, the daemon speaks none of our versions.
    """
    files = connection_files(config_path)
    reason: NotRunning | None = None
    for path in [path for path in files if path.exists()] or files[:1]:
        try:
            return read_connection_file(path)
        except NotRunning as e:
            reason = reason or e
    assert reason is not None
    raise reason


def read_connection_file(path: Path) -> Connection:
    """Read one ``connection.json``; raises as ``read_connection``."""
    import msgspec

    try:
        data = path.read_bytes()
        require_private(path)
    except FileNotFoundError as e:  # it goes with the daemon, in between two looks too
        raise NotRunning(f"no daemon is running ({path} does not exist)") from e
    try:
        connection = msgspec.json.decode(data, type=Connection)
    except msgspec.MsgspecError as e:
        raise NotRunning(f"{path} is not a connection file: {e}") from e
    if not is_alive(connection.pid):
        raise NotRunning(f"no daemon is running (process {connection.pid} of {path} is gone)")
    if not connection.protocol_min <= PROTOCOL <= connection.protocol_max:
        raise WireError(
            ErrorCode.PROTOCOL_MISMATCH,
            f"the daemon speaks protocol {connection.protocol_min} to "
            f"{connection.protocol_max}, this client {PROTOCOL}",
            "bring client and daemon to the same release",
        )
    return connection


def owner_key_file(workspace: Path) -> Path:
    """Return where the CURVE key pair of the workspace's owner is kept (0600; tcp only).

    Both lines of ``zmq.auth``'s certificate format; the daemon makes it and allows it.
    """
    return workspace / OWNER_KEY


def log_file(config_path: Path) -> Path:
    """Return the log the daemon keeps."""
    return workspace_dir(config_path) / LOG_FILE


def require_private(path: Path) -> None:
    """Refuse a file that another user owns or may touch.

    Raises:
        UnsafeFile: with the owner or the mode.
    """
    if sys.platform == "win32":  # the profile folder's access list guards it there
        return
    stat = path.stat()
    if stat.st_uid != os.getuid():
        raise UnsafeFile(f"{path} belongs to user id {stat.st_uid}, not to you ({os.getuid()})")
    if stat.st_mode & 0o077:
        raise UnsafeFile(
            f"{path} has mode {stat.st_mode & 0o777:04o}, others can reach it; "
            f"make it private: chmod 600 '{path}'"
        )


def is_alive(pid: int) -> bool:
    """Tell whether a process runs. Always true on Windows: there, only a ping can tell.

    One that ended but was not reaped (in a container whose first process is no init) is gone.
    """
    if sys.platform == "win32":  # os.kill(pid, 0) would send it Ctrl-C
        return True
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Tell whether Linux says so; other systems reap at once, and have no such file."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[:1] == [b"Z"]  # a name may hold anything but the last )


def resolve(config_path: Path, key: str, raw: object) -> Path:
    """Make a path of the config absolute: it counts from the folder of the config file.

    Raises:
        ConfigInvalid: not a non-empty text.
    """
    if not isinstance(raw, str) or not raw:
        raise ConfigInvalid(f"{config_path}: {key} is {raw!r}, expected a path")
    path = config_path.absolute().parent / Path(raw).expanduser()
    return Path(os.path.normpath(path))


def read_values(config_path: Path) -> dict[str, Any]:
    """Parse a config file without checking its keys (``sould check-config`` does that).

    Raises:
        ConfigNotFound: the file is gone.
        ConfigInvalid: not readable, not YAML, or not a mapping.
    """
    import yaml

    try:
        values = yaml.load(
            config_path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )
    except FileNotFoundError as e:
        raise ConfigNotFound(f"{config_path} does not exist") from e
    except OSError as e:
        raise ConfigInvalid(f"{config_path} cannot be read: {e.strerror}") from e
    except yaml.YAMLError as e:
        raise ConfigInvalid(f"{config_path} is not valid YAML: {e}") from e
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigInvalid(f"{config_path} holds a {type(values).__name__}, expected keys")
    return values


def _values(config_path: Path, values: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return read_values(config_path) if values is None else values


def _is_our_config(path: Path) -> bool:
    try:
        return bool(_IS_OURS.search(path.read_text("utf-8", "replace")))
    except OSError:
        return False


def _user_config_dir() -> Path:
    if base := os.environ.get("XDG_CONFIG_HOME"):
        return Path(base)
    return Path("~/.config").expanduser()


def _user_tag() -> str:
    return os.environ.get("USERNAME", "user") if sys.platform == "win32" else str(os.getuid())
