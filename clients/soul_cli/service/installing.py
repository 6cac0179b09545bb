"""Put the service's definition in its place, or take it away; one installation a user."""

from __future__ import annotations

from soul_cli.service.manager import Manager
from soul_cli.service.spec import Installed, Service
from soul_client.errors import ServiceFailed


def installed(manager: Manager) -> Installed | None:
    """Return what the definition says; None if there is none.

    Raises:
        ServiceFailed: it cannot be read, or somebody else wrote it.
    """
    path = manager.definition
    try:
        found = manager.read(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as e:
        raise ServiceFailed(f"{path} cannot be read: {e.strerror}") from e
    if found is None:
        raise ServiceFailed(
            f"{path} was not written by 'soul service install'", "move it away first"
        )
    return found


def require_ours(found: Installed | None, service: Service) -> None:
    """Refuse to touch the service of another config.

    Raises:
        ServiceFailed: names both configs.
    """
    if found is not None and found.config != str(service.config):
        raise ServiceFailed(
            f"the service is installed for {found.config}, this is {service.config}",
            f"remove that one first: soul service uninstall --config '{found.config}'",
        )


def write(manager: Manager, service: Service) -> None:
    """Write the definition, whole or not at all.

    Raises:
        ServiceFailed: it cannot be written; what was there still is.
    """
    path, data = manager.definition, manager.render(service)
    draft = path.with_name(f"{path.name}.new")
    try:
        service.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as e:
        raise ServiceFailed(f"{path} cannot be written: {e.strerror}") from e


def remove(manager: Manager) -> None:
    """Remove the definition.

    Raises:
        ServiceFailed: it cannot be removed.
    """
    try:
        manager.definition.unlink(missing_ok=True)
    except OSError as e:
        raise ServiceFailed(f"{manager.definition} cannot be removed: {e.strerror}") from e
    manager.removed()
