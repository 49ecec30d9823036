"""Check ports before anything starts, so that a problem is one sentence and not a traceback."""

import socket
from collections.abc import Mapping

from launcher.errors import CannotStart


def read_port(environment: Mapping[str, str], variable: str, default: int) -> int:
    """Return the port number in `variable`. Raise CannotStart when it is not one."""
    text = environment.get(variable) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise CannotStart(f"{variable} is {text!r}, but it must be a port number from 1 to 65535.")
    return int(text)


def check_free(host: str, port: int, variable: str, target: str) -> None:
    """Raise CannotStart when the port cannot be used; `variable` is the setting that chooses another."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port that was released a moment ago counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError as error:
            if port < 1024 and isinstance(error, PermissionError):
                raise CannotStart(
                    f"Port {port} is reserved for root. Choose one above 1023: make {target} {variable}=8000"
                ) from None
            other = port + 1 if port < 65535 else 8000
            raise CannotStart(
                f"Port {port} cannot be used ({error.strerror}): another program may use it, or an earlier "
                f"Desk may still run. Choose another: make {target} {variable}={other}"
            ) from None


def free_port() -> int:
    """Return a loopback port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
