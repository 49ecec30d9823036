"""Call functions in a process with a Desk's own settings: one process for many calls, each of which takes milliseconds.

The tests' own process has the settings of the test run, and its Django refuses the database beside Playwright's loop.
"""

import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from launcher.environment import ROOT


class FunctionProcess:
    """A process that runs functions one after the other; what it prints goes to the file `log`."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        with log.open("a") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.functions"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Return what a function of a module returns there. Raises AssertionError with its traceback."""
        call = {"module": function.__module__, "name": function.__name__, "arguments": arguments, "named": named}
        self._process.stdin.write(json.dumps(call) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the process ended during {function.__name__}"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()


def serve() -> None:
    """Read a call from each line of standard input and answer with a line, until the input ends."""
    import django
    from django.db import connections

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a function prints is no answer
    django.setup()
    for line in sys.stdin:
        call = json.loads(line)
        try:
            function = getattr(importlib.import_module(call["module"]), call["name"])
            answer = {"result": function(*call["arguments"], **call["named"])}
        except Exception:
            answer = {"error": traceback.format_exc()}
        finally:
            connections.close_all()
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve()
