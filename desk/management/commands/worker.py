"""`manage.py worker`: run the queue's cluster, and enqueue rows that wait without a queued task."""

import logging
import os
import signal
import threading
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections, connection
from django_q.cluster import Cluster

from desk import background, health, planned_times, queue, sweeper

logger = logging.getLogger(__name__)

TICK_EVERY_S = 1.0
FINISH_S = 30


class Command(BaseCommand):
    help = "Processes deliveries from Meta, sends replies, fetches files and profiles. Stops on SIGTERM or Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        os.register_at_fork(after_in_child=_die_with_parent)
        ticker = Ticker()
        cluster = self._start_cluster(ticker)
        if cluster is None or cluster.has_stopped:
            return
        logger.info("The worker has started")
        while not cluster.has_stopped:
            if not cluster.sentinel.is_alive():
                raise CommandError("The queue's cluster stopped unexpectedly. See the log for the reason.")
            ticker.tick()
            time.sleep(TICK_EVERY_S)
        logger.info("The worker has stopped")

    def _start_cluster(self, ticker: "Ticker") -> Cluster | None:
        """Start the cluster and return it; None when a signal came first.

        It does not start without Redis. Until that answers, this process runs what is due (desk.sweeper).
        """
        while True:
            if not _work_until_the_queue_answers(ticker):
                return None
            cluster = Cluster()  # from here on SIGTERM and SIGINT stop it; it finishes the running tasks
            connection.close()  # so that no forked process inherits it
            try:
                cluster.start()
            except RuntimeError:
                if queue.answers():
                    raise
                continue
            return cluster


def _work_until_the_queue_answers(ticker: "Ticker") -> bool:
    """Run what is due while Redis is away; return False when a signal asks to stop."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not queue.answers():
        if stop.is_set():
            return False
        ticker.tick()
        stop.wait(TICK_EVERY_S)
    sweeper.wait_for_own_tasks(FINISH_S)  # a process that forks must have no threads at work
    return not stop.is_set()


class Ticker:
    """Do the worker's timed work: heartbeat, enqueue due rows, reclaim the rows of dead workers."""

    def __init__(self) -> None:
        self._heartbeat_at = self._reclaimed_at = float("-inf")

    def tick(self) -> None:
        """Do what is due now. When the database is away, the next tick tries again."""
        close_old_connections()
        now = time.monotonic()
        try:
            if now - self._heartbeat_at >= health.HEARTBEAT_EVERY_S:
                health.record_heartbeat()
                self._heartbeat_at = now
            if now - self._reclaimed_at >= settings.DESK_SWEEP_SECONDS:
                planned_times.pull_back()
                sweeper.reclaim()
                self._reclaimed_at = now
            sweeper.enqueue_due()
            background.start_due()
        except Exception:
            logger.exception("The worker could not do its timed work")
            connection.close()


def _die_with_parent() -> None:
    """End this process of the cluster when the process that started it was killed, so that none is orphaned."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, name="die-with-parent", daemon=True).start()
