"""Start several processes, and stop all of them with their children."""

import os
import shlex
import signal
import string
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from launcher.environment import ROOT
from launcher.errors import CannotStart, Stopped

GRACE_SECONDS = 12


def read_procfile(environment: Mapping[str, str], path: Path = ROOT / "Procfile") -> dict[str, list[str]]:
    """Return the commands of the Procfile by name, with $VARIABLES filled in from `environment`."""
    commands = {}
    for line in path.read_text().splitlines():
        name, colon, command = line.partition(":")
        if colon and not name.startswith("#"):
            commands[name.strip()] = shlex.split(string.Template(command).substitute(environment))
    return commands


class Processes:
    """Child processes with names. Their output goes to `out`, each line after the name of its process.

    Each is the leader of a process group: Ctrl-C reaches only the launcher, which then stops them in order.
    """

    def __init__(self, environment: Mapping[str, str], *, cwd: Path = ROOT, out: TextIO | None = None) -> None:
        self.environment = dict(environment)
        self.cwd = cwd
        self.out = out or sys.stdout
        self.stop_requested = threading.Event()
        self.running: dict[str, subprocess.Popen[str]] = {}
        self._readers: dict[str, threading.Thread] = {}
        self._writing = threading.Lock()
        self._guard: subprocess.Popen[str] | None = None

    def pause(self, seconds: float) -> None:
        """Sleep. Raise Stopped as soon as `stop_requested` is set.

        Nothing else reads it, so that a stop never comes between starting a process and recording it.
        """
        if self.stop_requested.wait(seconds):
            raise Stopped

    def say(self, text: str, name: str = "desk") -> None:
        """Print a line."""
        with self._writing:
            print(f"{name:>8} | {text}", file=self.out, flush=True)

    def start(self, name: str, command: list[str]) -> subprocess.Popen[str]:
        """Start a process as `name`. Raise CannotStart when the program does not exist."""
        try:
            process = subprocess.Popen(
                command,
                env=self.environment,
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise CannotStart(f"{name} cannot be started: {command[0]}: {error.strerror}.") from None
        self.running[name] = process
        self._notify_guard(f"+{process.pid}")
        reader = threading.Thread(target=self._read, args=(name, process), daemon=True)
        reader.start()
        self._readers[name] = reader
        return process

    def run(self, name: str, command: list[str]) -> None:
        """Run a command and wait for it. Raise CannotStart when it fails, Stopped when a stop is requested."""
        process = self.start(name, command)
        while (code := process.poll()) is None:
            self.pause(0.05)
        self._readers.pop(name).join(2)
        self._notify_guard(f"-{self.running.pop(name).pid}")
        if code != 0:
            raise CannotStart(f"{name} failed: {_reason(code)}. Its output is above.")

    def exited(self) -> str | None:
        """Return a sentence about a process that exited by itself, or None."""
        for name, process in self.running.items():
            code = process.poll()
            if code is not None:
                return f"{name} exited: {_reason(code)}."
        return None

    def kill(self, name: str) -> None:
        """Kill a process and its children with SIGKILL."""
        process = self.running.pop(name)
        _signal_group(process, signal.SIGKILL)
        process.wait()
        self._notify_guard(f"-{process.pid}")

    def stop_one(self, name: str) -> None:
        """Stop one process with SIGTERM."""
        self._stop({name: self.running.pop(name)})

    def stop(self) -> None:
        """Stop all processes, the last started first; after GRACE_SECONDS kill those that remain."""
        stopping, self.running = dict(reversed(self.running.items())), {}
        self._stop(stopping)
        if self._guard is not None:
            self._guard.communicate()
            self._guard = None

    def _stop(self, stopping: dict[str, subprocess.Popen[str]]) -> None:
        for process in stopping.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        try:
            for name, process in stopping.items():
                try:
                    process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    self.say(f"{name} did not stop in time; killing it.")
        finally:
            for process in stopping.values():
                # Children may remain after the leader has exited.
                _signal_group(process, signal.SIGKILL)
                process.wait()
                self._notify_guard(f"-{process.pid}")
            for name in stopping:
                self._readers.pop(name).join(2)

    def _notify_guard(self, line: str) -> None:
        """Tell the guard what runs, so that it can stop it if the launcher is killed. Start the guard if needed."""
        if self._guard is None:
            command = [sys.executable, str(ROOT / "launcher" / "guard.py")]
            self._guard = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)
        pipe = self._guard.stdin
        assert pipe is not None  # noqa: S101 - started with a pipe
        try:
            pipe.write(line + "\n")
            pipe.flush()
        except BrokenPipeError:
            return  # the guard was killed; the processes run without it

    def _read(self, name: str, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101 - started with a pipe
        with process.stdout as lines:
            for line in lines:
                self.say(line.rstrip("\n"), name)


def _signal_group(process: subprocess.Popen[str], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        return


def _reason(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
