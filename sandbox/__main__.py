"""``python -m sandbox``: run the stand-in for Meta."""

import os
import socket
import sys
from pathlib import Path
from types import FrameType

import uvicorn

from sandbox.app import build
from sandbox.repair import repair
from sandbox.world import World


class Server(uvicorn.Server):
    """End the event streams of open windows first, so that stopping does not wait for them."""

    world: World

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.world.closing = True
        super().handle_exit(sig, frame)


def main() -> int:
    """Serve until interrupted, and return the exit status: 1, with a sentence on stderr, when the port is in use."""
    host = os.environ.get("SANDBOX_HOST") or "127.0.0.1"
    port = int(os.environ.get("SANDBOX_PORT") or 8090)
    directory = os.environ.get("SANDBOX_STATE_DIR", "var/sandbox")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            sys.stderr.write(f"The sandbox cannot listen on {host}:{port} ({error.strerror}). Set SANDBOX_PORT.\n")
            return 1
    for sentence in repair(Path(directory)) if directory else ():
        sys.stdout.write(f"{sentence}\n")
    world = World(Path(directory) if directory else None)
    sys.stdout.write(f"Sandbox (plays Meta) on {world.config.public_url}/\n")
    sys.stdout.flush()
    # The access log would write the tokens of query strings; GET /_sandbox/calls lists the calls without them.
    config = uvicorn.Config(
        build(world),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=60,
    )
    server = Server(config)
    server.world = world
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
