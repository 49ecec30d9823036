"""The sandbox as Meta on a bad day: faults set at random for the next calls and the next webhooks."""

import random
import threading
from typing import Any

import requests

from tests.sandbox.process import SandboxProcess

PAUSE_S = (0.2, 0.9)
HOLD_S = 4  # longer than Desk waits
LIMITED_MINUTES = 0.05
# Faults of a kind and endpoint that wait for their calls. While the worker is away they would pile up, and then every
# call fail.
MOST_ALIKE = 2

#: How often each is chosen, and its parameters; a pair is a range.
FAULTS: list[tuple[int, str, dict[str, Any]]] = [
    (3, "http_500", {"endpoint": "messages", "count": (1, 2)}),
    (3, "timeout_before", {"endpoint": "messages", "hold_s": HOLD_S}),
    (4, "timeout_after", {"endpoint": "messages", "hold_s": HOLD_S}),
    (1, "rate_limit", {"endpoint": "messages", "minutes": LIMITED_MINUTES}),
    (4, "slow", {"endpoint": "messages", "count": (1, 4), "ms": (300, 1800)}),
    (1, "http_500", {"endpoint": "conversations"}),
    (1, "rate_limit", {"endpoint": "conversations", "minutes": LIMITED_MINUTES}),
    (2, "http_500", {"endpoint": "profile", "count": (1, 5)}),
    (1, "timeout_before", {"endpoint": "profile", "hold_s": HOLD_S}),
    (8, "webhook_duplicate", {"copies": (1, 2), "count": (1, 6)}),
    (6, "webhook_delay", {"ms": (300, 6000), "count": (1, 6)}),  # also late echoes
    (4, "webhook_reorder", {"size": (2, 6), "count": (1, 2)}),
]


class Troubles:
    """Set faults from `start` until `stop`. `number` is how many were set."""

    def __init__(self, sandbox: SandboxProcess, draw: random.Random) -> None:
        self.sandbox, self.draw, self.number = sandbox, draw, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop, and make the sandbox well again: no fault, one event in each webhook, all of them now."""
        self._stop.set()
        self._thread.join()
        self.sandbox.clear_faults()
        self.sandbox.configure(webhook_batch=1)
        self.sandbox.control("POST", "webhooks/retry")

    def _run(self) -> None:
        weights = [weight for weight, _kind, _params in FAULTS]
        while not self._stop.wait(self.draw.uniform(*PAUSE_S)):
            _weight, kind, params = self.draw.choices(FAULTS, weights)[0]
            chosen = {name: self._one_of(value) for name, value in params.items()}
            try:
                self.sandbox.configure(webhook_batch=self.draw.choice((1, 1, 2, 5, 20)))
                self._set(kind, chosen)
                if kind == "timeout_after":  # an echo that comes before the time-out would settle the reply
                    self._set("webhook_delay", {"ms": self.draw.randint(3000, 7000), "count": 4})
            except requests.RequestException:
                continue  # the sandbox was killed

    def _set(self, kind: str, params: dict[str, Any]) -> None:
        waiting = self.sandbox.control("GET", "faults")["data"]
        alike = [each for each in waiting if (each["kind"], each["endpoint"]) == (kind, params.get("endpoint", "any"))]
        if len(alike) < MOST_ALIKE:
            self.sandbox.fault(kind, **params)
            self.number += 1

    def _one_of(self, value: Any) -> Any:
        return self.draw.randint(*value) if isinstance(value, tuple) else value
