"""Is the port free? Asked before anything is started, so that the answer is a sentence and not a traceback."""

import socket
from collections.abc import Mapping

from launcher.sentences import CannotStart


def read_port(environment: Mapping[str, str], variable: str, default: int) -> int:
    """Return the port number that `variable` names. Raises CannotStart when it is none."""
    text = environment.get(variable) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise CannotStart(f"{variable} is {text!r}, but a port is a number from 1 to 65535.")
    return int(text)


def check_free(host: str, port: int, variable: str, goal: str) -> None:
    """Raise CannotStart when another program listens on the port; `variable` is how to choose another."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # as servers do: a port that was just given up is free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError as error:
            if port < 1024 and isinstance(error, PermissionError):
                raise CannotStart(
                    f"Port {port} belongs to the system. Choose one above 1023: make {goal} {variable}=8000"
                ) from None
            other = port + 1 if port < 65535 else 8000
            raise CannotStart(
                f"Port {port} cannot be used ({error.strerror}): another program may be listening there, or an earlier "
                f"Desk still runs. Choose another: make {goal} {variable}={other}"
            ) from None


def free_port() -> int:
    """Return a port of the loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
