"""A delivery that was tried before, taken in event by event.

Each try is counted and committed before it runs, so that an event that kills the worker stops after its tries like one
that merely fails, and its neighbours, tried less often, go first and are done.
"""

import logging

from django.db import connection, transaction

from channels_im.models import WebhookDelivery
from channels_im.services import journal, routes
from channels_im.services.opened import KILLED, Entry, Fate, Opened, open_delivery, send_on_its_way, settle, tell_routes
from channels_im.services.routes import NOWHERE, Route

logger = logging.getLogger(__name__)


def take(delivery: WebhookDelivery) -> None:
    """Take in a claimed delivery alone."""
    opened = open_delivery(delivery)
    known = routes.routes_for(entry.incoming.event.page_id for entry in opened.left)
    for entry in sorted(opened.left, key=lambda entry: (entry.tries, *entry.order)):
        route = known.get(entry.incoming.event.page_id, NOWHERE)
        if send_on_its_way(entry, route) and not _take_one(opened, entry, route):
            return
    journal.receiver().after_batch()
    tell_routes([opened], known)
    settle([opened])


def _take_one(opened: Opened, entry: Entry, route: Route) -> bool:
    """Try one event; False when the claim was taken back meanwhile and another worker has the delivery."""
    entry.tries += 1
    entry.error = KILLED
    entry.judge()
    if not opened.save_progress():
        return False
    try:
        with transaction.atomic():
            (take,) = journal.receiver().receive([route.sender(entry.incoming.event.psid)], isolated=True)
            take(entry.incoming)
            entry.fate, entry.error = Fate.DONE, ""
            opened.save_progress()
    except Exception as error:
        if not connection.is_usable():
            raise
        entry.failed_with(error)
        logger.warning("A %s could not be taken in", type(entry.incoming.event).__name__, exc_info=error)
        return opened.save_progress()
    return True
