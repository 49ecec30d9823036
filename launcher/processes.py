"""Several processes as one: started together, ended together, nothing left running."""

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
from launcher.sentences import CannotStart, Ended

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
    """Child processes, each leader of a group of its own: a Ctrl-C reaches only us, and we end them in order.

    Their output goes to `out`, each line with the name of its process before it.
    """

    def __init__(self, environment: Mapping[str, str], *, cwd: Path = ROOT, out: TextIO | None = None) -> None:
        self.environment = dict(environment)
        self.cwd = cwd
        self.out = out or sys.stdout
        self.end_wanted = threading.Event()
        self.running: dict[str, subprocess.Popen] = {}
        self._readers: dict[str, threading.Thread] = {}
        self._writing = threading.Lock()
        self._guard: subprocess.Popen | None = None

    def pause(self, seconds: float) -> None:
        """Sleep. Raises Ended as soon as `end_wanted` is set: the one place where an end is noticed, so that it
        never comes between starting a process and remembering it.
        """
        if self.end_wanted.wait(seconds):
            raise Ended

    def say(self, text: str, name: str = "desk") -> None:
        """Print a line."""
        with self._writing:
            print(f"{name:>8} | {text}", file=self.out, flush=True)

    def start(self, name: str, command: list[str]) -> subprocess.Popen:
        """Start a process under `name`. Raises CannotStart when the program is not there."""
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
        self._tell_guard(f"+{process.pid}")
        reader = threading.Thread(target=self._read, args=(name, process), daemon=True)
        reader.start()
        self._readers[name] = reader
        return process

    def run(self, name: str, command: list[str]) -> None:
        """Run a command to its end. Raises CannotStart when it fails, Ended when someone does not want to wait."""
        process = self.start(name, command)
        while (code := process.poll()) is None:
            self.pause(0.05)
        self._readers.pop(name).join(2)
        self._tell_guard(f"-{self.running.pop(name).pid}")
        if code != 0:
            raise CannotStart(f"{name} failed: {_ending(code)}. Its own words stand above.")

    def ended(self) -> str | None:
        """Return a sentence about a process that has ended by itself, or None."""
        for name, process in self.running.items():
            code = process.poll()
            if code is not None:
                return f"{name} has ended: {_ending(code)}."
        return None

    def kill(self, name: str) -> None:
        """Kill a process and all its children at once, as a power cut would."""
        process = self.running.pop(name)
        _signal_group(process, signal.SIGKILL)
        process.wait()
        self._tell_guard(f"-{process.pid}")

    def stop_one(self, name: str) -> None:
        """End one process in good order."""
        self._stop({name: self.running.pop(name)})

    def stop(self) -> None:
        """End all, the last started first in line; who does not end within the grace is killed with its children."""
        ending, self.running = dict(reversed(self.running.items())), {}
        self._stop(ending)
        if self._guard is not None:
            self._guard.communicate()
            self._guard = None

    def _stop(self, ending: dict[str, subprocess.Popen]) -> None:
        for process in ending.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        try:
            for name, process in ending.items():
                try:
                    process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    self.say(f"{name} does not end; it is killed.")
        finally:
            for process in ending.values():
                # also the children of a leader that has gone
                _signal_group(process, signal.SIGKILL)
                process.wait()
                self._tell_guard(f"-{process.pid}")
            for name in ending:
                self._readers.pop(name).join(2)

    def _tell_guard(self, line: str) -> None:
        """Keep the guard informed, who ends what we leave when we are killed ourselves; started when first needed."""
        if self._guard is None:
            command = [sys.executable, str(ROOT / "launcher" / "guard.py")]
            self._guard = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)
        try:
            self._guard.stdin.write(line + "\n")
            self._guard.stdin.flush()
        except BrokenPipeError:
            return  # somebody killed the guard: the processes run all the same

    def _read(self, name: str, process: subprocess.Popen) -> None:
        with process.stdout as lines:
            for line in lines:
                self.say(line.rstrip("\n"), name)


def _signal_group(process: subprocess.Popen, number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        return


def _ending(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
