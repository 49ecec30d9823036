"""Notice that Desk was down: by the time between two heartbeats of the web server, or of the worker.

While the web server is down, Meta's webhooks reach nobody. Apps register what they do about it in `AppConfig.ready()`.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import close_old_connections, connection, transaction
from django.utils import timezone

from desk.models import Heartbeat

logger = logging.getLogger(__name__)

WEB = "web"
EVERY_S = 5
#: A shorter interruption is bridged by Meta, which repeats its webhooks at once.
DOWN_AFTER = timedelta(seconds=45)

_registered: list[Callable[[datetime], object]] = []


def register(after_interruption: Callable[[datetime], object]) -> None:
    """Register what is done when Desk was down; it gets the time of the last heartbeat, and changes rows only."""
    if after_interruption not in _registered:
        _registered.append(after_interruption)


def beat(name: str) -> bool:
    """Record that the process `name` is alive now; return whether none of that name was for DOWN_AFTER.

    The heartbeat and what is done about the interruption are one transaction: neither exists without the other. Of
    several processes one acts.
    """
    now = timezone.now()
    with transaction.atomic():
        before = Heartbeat.objects.filter(name=name).values_list("beat_at", flat=True).first()
        if before is None:
            Heartbeat.objects.update_or_create(name=name, defaults={"beat_at": now})
            return False
        is_mine = Heartbeat.objects.filter(name=name, beat_at=before).update(beat_at=now)
        if not is_mine or now - before < DOWN_AFTER:
            return False
        logger.warning("No %s was running since %s", name, before.isoformat(timespec="seconds"))
        for act in _registered:
            act(before)
    return True


class WebHeartbeat:
    """Beat for the web server in a thread of this process, from `start` to `stop`."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="web heartbeat", daemon=True).start()  # English only: a name

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                close_old_connections()
                beat(WEB)
            except Exception:
                logger.warning("The heartbeat of the web server could not be stored", exc_info=True)
                connection.close()
            self._stop.wait(EVERY_S)
        connection.close()
