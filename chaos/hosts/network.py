"""Network namespaces as hosts: a bridge, and two hosts whose cables can be pulled.

All of it is inside a namespace of its own (see `enter`), so nothing of the machine's network is touched, nothing can be
reached from outside, and everything is gone when the process ends.
"""

import os
import subprocess
import sys

BRIDGE = "deskbridge"
SHARED = "10.77.0.1"  # databases, files, proxy and sandbox
ADDRESSES = {"a": "10.77.0.11", "b": "10.77.0.12"}
INSIDE = "CHAOS_HOSTS_INSIDE"


def enter() -> None:
    """Start this program again in a network of its own, unless it is there already."""
    if os.environ.get(INSIDE):
        return
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.environ[INSIDE] = "1"
    os.execvp(command[0], [*command, sys.executable, "-m", "chaos.hosts", *sys.argv[1:]])  # noqa: S606 - no shell is wanted


def build() -> None:
    """Make the bridge and the hosts."""
    _run("mount", "-t", "tmpfs", "none", "/run/netns") if os.path.isdir("/run/netns") else None
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", BRIDGE, "type", "bridge")
    _run("ip", "addr", "add", f"{SHARED}/24", "dev", BRIDGE)
    _run("ip", "link", "set", BRIDGE, "up")
    for host, address in ADDRESSES.items():
        _run("ip", "netns", "add", host)
        _run("ip", "link", "add", _cable(host), "type", "veth", "peer", "name", "eth0", "netns", host)
        _run("ip", "link", "set", _cable(host), "master", BRIDGE, "up")
        for arguments in (["addr", "add", f"{address}/24", "dev", "eth0"], ["link", "set", "eth0", "up"]):
            _run("ip", "-n", host, *arguments)
        _run("ip", "-n", host, "link", "set", "lo", "up")


def on(host: str, command: list[str]) -> list[str]:
    """Return the command that runs `command` on a host."""
    return ["ip", "netns", "exec", host, *command]


def cut_off(host: str) -> None:
    """Pull the cable of a host: no packet goes in or out, and no connection is told."""
    _run("ip", "link", "set", _cable(host), "down")


def connect(host: str) -> None:
    """Plug the cable in again."""
    _run("ip", "link", "set", _cable(host), "up")


def _cable(host: str) -> str:
    return f"cable-{host}"


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
