"""A delivery that was tried before, taken in event by event.

Each try is counted and committed before it runs, so that an event that kills the worker stops after its tries like one
that merely fails, and its neighbours, tried less often, go first and are done.
"""

import logging

from django.db import connection, transaction

from channels_im.models import WebhookDelivery
from channels_im.services.journal import routing, store
from channels_im.services.journal.processing import (
    WORKER_DIED,
    DeliveryEvent,
    EventState,
    ParsedDelivery,
    apply_routes,
    is_to_be_processed,
    read_delivery,
    settle,
)
from channels_im.services.journal.routing import UNKNOWN_PAGE, Route

logger = logging.getLogger(__name__)


def process(delivery: WebhookDelivery) -> None:
    """Take in a claimed delivery alone."""
    opened = read_delivery(delivery)
    known = routing.routes_for(entry.incoming.event.page_id for entry in opened.left)
    for entry in sorted(opened.left, key=lambda entry: (entry.tries, *entry.order)):
        route = known.get(entry.incoming.event.page_id, UNKNOWN_PAGE)
        if is_to_be_processed(entry, route) and not _process_one(opened, entry, route):
            return
    store.receiver().after_batch()
    apply_routes([opened], known)
    settle([opened])


def _process_one(opened: ParsedDelivery, entry: DeliveryEvent, route: Route) -> bool:
    """Try one event; False when the claim was taken back meanwhile and another worker has the delivery."""
    entry.tries += 1
    entry.error = WORKER_DIED
    entry.judge()
    if not opened.save_progress():
        return False
    try:
        with transaction.atomic():
            (process,) = store.receiver().receive([route.sender(entry.incoming.event.psid)], isolated=True)
            process(entry.incoming)
            entry.fate, entry.error = EventState.DONE, ""
            opened.save_progress()
    except Exception as error:
        if not connection.is_usable():
            raise
        entry.failed_with(error)
        logger.warning("A %s could not be taken in", type(entry.incoming.event).__name__, exc_info=error)
        return opened.save_progress()
    return True
