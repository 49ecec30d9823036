"""Instant Messaging → Journal: what Meta delivered, what became of it, and replay."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext, ngettext, pgettext
from django.views.decorators.http import require_POST, require_safe

from channels_im.messenger.values import load_json
from channels_im.models import WebhookDelivery
from channels_im.services.journal import store
from channels_im.services.journal.progress import DONE, unpack
from channels_im.setup.access import REPLAY_JOURNAL, VIEW_JOURNAL, may, may_read_content, page, setup_view
from desk import audit_log
from desk.languages import translated
from desk.requests import UserRequest
from desk.sentences import counted, sentence
from desk.setup_lists import Asked, Empty, SetupList, up_to

PER_PAGE = 50
COUNT_LIMIT = 1000  # more deliveries of a state are not counted
State = WebhookDelivery.State
LEVELS: dict[str, str] = {
    State.DONE: "success",
    State.FAILED: "danger",
    State.PARKED: "warning",
    State.PROCESSING: "accent",
}
MAX_SHOWN_BYTES = 200_000


@dataclass(frozen=True)
class DeliveryRow:
    """One line of the list, with the names that the template reads."""

    pk: int
    received_at: datetime
    attempts: int
    get_state_display: str
    level: str
    first_line: str


def _row(delivery: WebhookDelivery) -> DeliveryRow:
    return DeliveryRow(
        pk=delivery.pk,
        received_at=delivery.received_at,
        attempts=delivery.attempts,
        get_state_display=delivery.get_state_display(),
        level=LEVELS.get(delivery.state, ""),
        first_line=delivery.error.strip().partition("\n")[0],
    )


@setup_view(VIEW_JOURNAL)
@require_safe
def list_deliveries(request: UserRequest) -> HttpResponse:
    """List the deliveries, all or those in one state."""
    asked = Asked(request, "state")
    deliveries = WebhookDelivery.objects.defer("body", "progress")
    if asked["state"] in State.values:
        deliveries = deliveries.filter(state=asked["state"])
    counts = _counts()
    listed, pager = asked.newest_of(deliveries, PER_PAGE)
    shown_counts = {state: up_to(count, COUNT_LIMIT) for state, count in counts.items()}
    choices = [(value, translated(label)) for value, label in State.choices]
    listing = SetupList(
        asked,
        _columns(),
        [_row(delivery) for delivery in listed],
        pager,
        Empty(
            gettext("No deliveries yet"),
            gettext("When a customer writes to a connected Page, the delivery appears here at once."),
        ),
        chips=(asked.chips("state", choices, {"": up_to(sum(counts.values()), COUNT_LIMIT), **shown_counts}),),
    )
    return page(
        request,
        "journal.html",
        gettext("Journal"),
        list=listing,
        failed_count=counts.get(State.FAILED, 0),
        since=(timezone.localtime() - timedelta(days=7)).strftime("%Y-%m-%dT%H:%M"),
        may_replay=may(request.user, REPLAY_JOURNAL),
    )


def _columns() -> tuple[str, ...]:
    received = pgettext("a column with times", "Received")
    return (gettext("Delivery"), received, gettext("State"), gettext("Tries"), gettext("Reason"))


def _counts() -> dict[str, int]:
    """Return how many deliveries are in each state; at most one more than COUNT_LIMIT is counted."""
    rows = WebhookDelivery.objects.order_by()
    return {state: rows.filter(state=state)[: COUNT_LIMIT + 1].count() for state in State.values}


@setup_view(VIEW_JOURNAL)
@require_safe
def show(request: UserRequest, pk: int) -> HttpResponse:
    """Show one delivery; its content, and errors in full, only to users who may read every conversation.

    A traceback can contain what a customer wrote. Reading the content is recorded.
    """
    delivery = get_object_or_404(WebhookDelivery, pk=pk)
    may_read = may_read_content(request.user)
    if may_read:
        audit_log.record(request.user, delivery, audit_log.Action.VIEWED, sentence("Raw data viewed."))
    return page(
        request,
        "journal_entry.html",
        gettext("Delivery %(id)s") % {"id": delivery.pk},
        delivery=delivery,
        level=LEVELS.get(delivery.state, ""),
        may_read=may_read,
        raw=format_body(bytes(delivery.body)) if may_read else "",
        reason=_reason(delivery.error) if may_read else translated(delivery.error.strip().partition("\n")[0]),
        progress=_progress_in_words(delivery.progress, with_errors=may_read),
        size=len(delivery.body),
        may_replay=may(request.user, REPLAY_JOURNAL) and delivery.state not in (State.PROCESSING, State.EMPTIED),
    )


@setup_view(REPLAY_JOURNAL)
@require_POST
def replay_one(request: UserRequest, pk: int) -> HttpResponse:
    """Replay one delivery."""
    delivery = get_object_or_404(WebhookDelivery, pk=pk)
    if delivery.state == State.EMPTIED:
        gone = gettext("The content of delivery %(id)s was deleted because of its age. It cannot be replayed.")
        messages.error(request, gone % {"id": pk})
        return redirect("setup:journal_entry", pk)
    with transaction.atomic():
        replayed = store.replay([delivery.pk])
        if replayed:
            audit_log.record(request.user, delivery, audit_log.CHANGE, sentence("Replayed."))
    if replayed:
        messages.success(request, gettext("Delivery %(id)s is being processed again.") % {"id": pk})
    else:
        at_work = gettext("Delivery %(id)s is being processed right now. Try again when that is finished.")
        messages.info(request, at_work % {"id": pk})
    return redirect("setup:journal_entry", pk=pk)


@setup_view(REPLAY_JOURNAL)
@require_POST
def replay_failed(request: UserRequest) -> HttpResponse:
    """Replay every failed delivery received since a local time that the administrator enters."""
    since = _parse_local_time(request.POST.get("since", ""))
    if since is None:
        sentences = gettext("Enter a date and time. Failed deliveries received since then are processed again.")
        messages.error(request, sentences)
        return redirect("setup:journal")
    with transaction.atomic():
        count = store.replay_failed(since)
        newest = WebhookDelivery.objects.order_by("-pk").first()
        if count and newest is not None:
            moment = f"{since:%Y-%m-%d %H:%M %Z}"
            replayed = counted(
                "Replayed %(count)s failed delivery that was received since %(moment)s.",
                "Replayed %(count)s failed deliveries that were received since %(moment)s.",
                count,
                moment=moment,
            )
            audit_log.record(request.user, newest, audit_log.CHANGE, replayed)
    again = ngettext(
        "%(count)s failed delivery is being processed again.",
        "%(count)s failed deliveries are being processed again.",
        count,
    )
    messages.success(request, again % {"count": count})
    return redirect("setup:journal")


def _reason(error: str) -> str:
    """Return the reason with its traceback, of which only the first line is a sentence."""
    first, line_break, rest = error.partition("\n")
    return f"{translated(first)}{line_break}{rest}"


def format_body(body: bytes) -> str:
    """Return the body as indented JSON, or unchanged when it is not JSON; at most MAX_SHOWN_BYTES of it."""
    if len(body) > MAX_SHOWN_BYTES:
        left_out = len(body) - MAX_SHOWN_BYTES
        more = ngettext("… %(count)s byte more", "… %(count)s bytes more", left_out) % {"count": intcomma(left_out)}
        return f"{body[:MAX_SHOWN_BYTES].decode(errors='replace')}\n{more}"
    try:
        return json.dumps(load_json(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


def _progress_in_words(progress: dict[str, Any], *, with_errors: bool) -> str:
    """Return how many events are done, and the entries of the others as indented JSON; "" when none was tried."""
    if not progress:
        return ""
    entries = unpack(progress)
    others = {
        str(index): {name: value for name, value in entry.items() if with_errors or name != "error"}
        for index, entry in entries.items()
        if entry["state"] != DONE
    }
    return json.dumps({gettext("events done"): len(entries) - len(others), **others}, indent=2, ensure_ascii=False)


def _parse_local_time(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    if moment is None:
        return None
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
