"""`manage.py worker`: the queue's cluster, and beside it a look for rows that wait without a nudge."""

import logging
import os
import threading
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections, connection
from django_q.cluster import Cluster

from desk import background, health, sweeper

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0


class Command(BaseCommand):
    help = "Takes in what Meta delivered, sends replies, fetches files and profiles. Ends on SIGTERM or Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        os.register_at_fork(after_in_child=_die_with_parent)
        cluster = Cluster()  # from here on SIGTERM and SIGINT stop it, and it finishes what it has begun
        connection.close()  # no process inherits another's connection
        cluster.start()
        if cluster.has_stopped:
            return
        logger.info("The worker runs")
        ticker = Ticker()
        while not cluster.has_stopped:
            if not cluster.sentinel.is_alive():
                raise CommandError("The queue's cluster ended by itself; the log says why.")
            ticker.tick()
            time.sleep(LOOK_EVERY_S)
        logger.info("The worker has ended")


class Ticker:
    """What the worker does by the clock: sign of life, look for due rows, sweep for what dead workers had claimed."""

    def __init__(self) -> None:
        self._beat_at = self._swept_at = float("-inf")

    def tick(self) -> None:
        """Do whatever is due now; a database that is away is tried again at the next tick."""
        close_old_connections()
        now = time.monotonic()
        try:
            if now - self._beat_at >= health.BEAT_EVERY_S:
                health.beat()
                self._beat_at = now
            if now - self._swept_at >= settings.DESK_SWEEP_SECONDS:
                sweeper.reclaim()
                self._swept_at = now
            sweeper.enqueue_due()
            background.start_due()
        except Exception:
            logger.exception("The worker could not look for what is due")
            connection.close()


def _die_with_parent() -> None:
    """Run in every process of the cluster: end when the process that started it was killed. None is orphaned."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, name="die-with-parent", daemon=True).start()
