"""Process a delivery that was tried before, event by event.

Each try is counted and committed before it runs, so that an event that kills the worker stops after its tries like one
that only fails. The other events of the delivery, tried less often, go first and are done. After MAX_PIECE_S seconds
the delivery is given back, so that others have their turn: the rest of its events is the next piece of the attempt.
"""

import logging
import time

from django.db import connection, transaction

from channels_im.models import WebhookDelivery
from channels_im.services.journal import mentions, routing, store
from channels_im.services.journal.processing import (
    WORKER_DIED,
    DeliveryEvent,
    EventState,
    ParsedDelivery,
    give_back,
    read_delivery,
    save_results,
    should_process,
    update_pages,
)
from channels_im.services.journal.routing import UNKNOWN_PAGE, Route
from desk import logs

logger = logging.getLogger(__name__)

MAX_PIECE_S = 5


def process(delivery: WebhookDelivery) -> None:
    """Process one claimed delivery alone."""
    with logs.working_on(delivery_id=delivery.pk):
        _process(delivery)


def _process(delivery: WebhookDelivery) -> None:
    parsed = read_delivery(delivery)
    mentions.record([(delivery, parsed.parsed_events)])
    began = renewed = time.monotonic()
    routes = routing.routes_for(event.page_id for event in parsed.open_events)
    for event in sorted(parsed.open_events, key=lambda event: (event.tries, *event.order)):
        now = time.monotonic()
        if now - began >= MAX_PIECE_S:
            break
        if now - renewed >= store.claims.renewal_s():
            renewed = now
            if not store.claims.renew([delivery]):
                return
        route = routes.get(event.page_id, UNKNOWN_PAGE)
        if should_process(event, route) and not _try_event(parsed, event, route):
            return
    store.receiver().after_batch()
    if parsed.is_unfinished:
        give_back([parsed])
        return
    update_pages([parsed], routes)
    save_results([parsed])


def _try_event(parsed: ParsedDelivery, event: DeliveryEvent, route: Route) -> bool:
    """Try one event; return False when the claim was taken back and another worker has the delivery."""
    event.begin_try()
    event.error = WORKER_DIED
    event.set_retry_or_failed()
    if not parsed.save_progress():
        return False
    try:
        with transaction.atomic():
            (handle,) = store.receiver().receive([route.sender(event.psid)], isolated=True)
            handle(event.incoming)
            event.state, event.error = EventState.DONE, ""
            parsed.save_progress()
    except Exception as error:
        if not connection.is_usable():
            raise
        event.record_failure(error)
        logger.warning("Processing a %s failed", event.kind, exc_info=error)
        return parsed.save_progress()
    return True
