"""`manage.py worker`: run the loops and the queue's cluster, and enqueue rows that wait without a queued task."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections, connection
from django_q.cluster import Cluster

from desk import health, planned_times, queue, sweeper, uptime
from desk.loop_processes import LoopProcesses, die_with_parent

logger = logging.getLogger(__name__)

TICK_EVERY_S = 1.0
FINISH_S = 30


class Command(BaseCommand):
    help = "Processes deliveries from Meta, sends replies, fetches files and profiles. Stops on SIGTERM or Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        die_with_parent()
        loops = LoopProcesses()
        loops.start()
        try:
            self._run_queue(loops)
        finally:
            loops.stop()

    def _run_queue(self, loops: LoopProcesses) -> None:
        ticker = Ticker()
        cluster = self._start_cluster(ticker)
        if cluster is None or cluster.has_stopped:
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _both(loops.request_stop, signal.getsignal(number)))
        logger.info("The worker has started")
        while not cluster.has_stopped:
            if not cluster.sentinel.is_alive():
                raise CommandError("The queue's cluster stopped unexpectedly. See the log for the reason.")
            if not loops.is_alive():
                cluster.stop()  # else the end of this process would wait for it without end
                raise CommandError("The worker's loops stopped unexpectedly. See the log for the reason.")
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
                uptime.beat(health.WORKER)
                self._heartbeat_at = now
            if now - self._reclaimed_at >= settings.DESK_SWEEP_SECONDS:
                planned_times.pull_back()
                sweeper.reclaim()
                self._reclaimed_at = now
            sweeper.enqueue_due()
        except Exception:
            logger.exception("The worker could not do its timed work")
            connection.close()


def _both(request_stop: Callable[[], None], stop_cluster: Any) -> Callable[[int, Any], None]:
    """Return a handler of a signal that stops the loops and the cluster at the same time."""

    def handle(number: int, frame: Any) -> None:
        request_stop()
        stop_cluster(number, frame)

    return handle
