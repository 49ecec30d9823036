"""Call functions in a process with a Desk's own settings: one process for many calls, each of which takes milliseconds.

The process of the tests cannot run them: it has the settings of the test run, and Django refuses database queries
while Playwright's event loop runs.
"""

import importlib
import json
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from launcher.environment import ROOT


class FunctionProcess:
    """A process that runs functions one after the other and writes its output to the file `log`."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._one_call = threading.Lock()
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
        """Call a module's function in the process and return its result. Raises AssertionError with its traceback."""
        call = {"module": function.__module__, "name": function.__name__, "arguments": arguments, "named": named}
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with self._one_call:  # tests call from many threads, and each must read its own answer
            stdin.write(json.dumps(call) + "\n")
            stdin.flush()
            line = stdout.readline()
        assert line, f"the process ended during {function.__name__}"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def stop(self) -> None:
        """Stop the process."""
        self._process.communicate()


def serve() -> None:
    """Read a call from each line of standard input and answer with a line, until the input ends."""
    import django
    from django.db import connections

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a function prints goes to the log
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
