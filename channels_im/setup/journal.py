"""Instant Messaging → Journal: what Meta delivered, what became of it, and taking it in again."""

import json
from datetime import datetime, timedelta

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST, require_safe

from channels_im.models import WebhookDelivery
from channels_im.services.journal import store as service
from channels_im.setup.access import REPLAY_JOURNAL, VIEW_JOURNAL, may, page, setup_view
from desk import audit_log

PER_PAGE = 50
STATES = WebhookDelivery.State
LEVELS = {STATES.DONE: "success", STATES.FAILED: "danger", STATES.PARKED: "warning", STATES.PROCESSING: "accent"}
SHOWN_BYTES = 200_000


@setup_view(VIEW_JOURNAL)
@require_safe
def list_deliveries(request: HttpRequest) -> HttpResponse:
    state = request.GET.get("state", "")
    rows = WebhookDelivery.objects.defer("body", "progress")
    if state in STATES.values:
        rows = rows.filter(state=state)
    counts = dict(WebhookDelivery.objects.order_by().values_list("state").annotate(Count("pk")))
    listed = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    for delivery in listed:
        delivery.level = LEVELS.get(delivery.state, "")
        delivery.first_line = delivery.error.strip().partition("\n")[0]
    return page(
        request,
        "journal.html",
        "Journal",
        listed=listed,
        state=state,
        states=[{"value": s.value, "label": s.label, "count": counts.get(s.value, 0)} for s in STATES],
        total=sum(counts.values()),
        failed_count=counts.get(STATES.FAILED, 0),
        since=(timezone.localtime() - timedelta(days=7)).strftime("%Y-%m-%dT%H:%M"),
        may_replay=may(request.user, REPLAY_JOURNAL),
    )


@setup_view(VIEW_JOURNAL)
@require_safe
def show(request: HttpRequest, pk: int) -> HttpResponse:
    delivery = get_object_or_404(WebhookDelivery, pk=pk)
    return page(
        request,
        "journal_entry.html",
        f"Delivery {delivery.pk}",
        delivery=delivery,
        level=LEVELS.get(delivery.state, ""),
        raw=readable(bytes(delivery.body)),
        progress=json.dumps(delivery.progress, indent=2, ensure_ascii=False) if delivery.progress else "",
        size=len(delivery.body),
        may_replay=may(request.user, REPLAY_JOURNAL) and delivery.state != STATES.PROCESSING,
    )


@setup_view(REPLAY_JOURNAL)
@require_POST
def replay_one(request: HttpRequest, pk: int) -> HttpResponse:
    delivery = get_object_or_404(WebhookDelivery, pk=pk)
    if service.replay([delivery.pk]):
        audit_log.record(request.user, delivery, audit_log.CHANGE, "Replayed.")
        messages.success(request, f"Delivery {pk} is being taken in again.")
    else:
        messages.info(request, f"Delivery {pk} is being processed right now. Try again when it is settled.")
    return redirect("setup:journal_entry", pk=pk)


@setup_view(REPLAY_JOURNAL)
@require_POST
def replay_failed(request: HttpRequest) -> HttpResponse:
    """Take in every failed delivery since a time of the administrator's clock."""
    since = _moment(request.POST.get("since", ""))
    if since is None:
        messages.error(request, "Enter the date and time since when failed deliveries are to be taken in again.")
        return redirect("setup:journal")
    count = service.replay_failed(since)
    if count:
        newest = WebhookDelivery.objects.order_by("-pk").first()
        audit_log.record(
            request.user, newest, audit_log.CHANGE, f"Replayed {count} failed since {since:%Y-%m-%d %H:%M %Z}."
        )
    messages.success(
        request, f"{count} failed {'delivery is' if count == 1 else 'deliveries are'} being taken in again."
    )
    return redirect("setup:journal")


def readable(body: bytes) -> str:
    """Return a delivery as indented JSON, or as it came when it is not JSON; at most SHOWN_BYTES are shown."""
    if len(body) > SHOWN_BYTES:
        return f"{body[:SHOWN_BYTES].decode(errors='replace')}\n… {len(body) - SHOWN_BYTES:,} bytes more"
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    if moment is None:
        return None
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
