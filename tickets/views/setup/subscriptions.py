"""Setup → Webhooks: other systems that receive events, what was sent to each, and sending it again."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib import messages
from django.db.models import Case, Count, Value, When
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from channels_im.setup.access import may, setup_view
from desk import audit_log, searching
from desk.accounts.reauthentication import recent_password_required
from desk.errors import Refused
from desk.languages import translated
from desk.requests import UserRequest
from desk.sentences import sentence
from desk.setup_lists import Asked, Empty, SetupList
from tickets.models import EventDelivery, EventSubscription
from tickets.services.conversation import access
from tickets.services.webhooks import subscriptions as service

from .forms import SubscriptionForm
from .menu import ADD_EVENTS, CHANGE_EVENTS, DELETE_EVENTS, VIEW_EVENTS
from .pages import page, show_once

PER_PAGE = 30
State = EventDelivery.State
UNFINISHED = (State.PENDING, State.SENDING)
LEVELS: dict[str, str] = {
    State.DELIVERED: "success",
    State.FAILED: "danger",
    State.SENDING: "accent",
    State.PENDING: "warning",
}


class Chip(NamedTuple):
    """The state of a webhook in a word or two; `level` is success, warning, danger or ""."""

    text: str
    level: str


@dataclass(frozen=True)
class SubscriptionRow:
    """A row of the list; `waiting` counts the events that are not sent yet."""

    pk: int
    name: str
    url: str
    chip: Chip
    waiting: int
    last_success_at: datetime | None


@setup_view(*VIEW_EVENTS)
@require_safe
def list_subscriptions(request: UserRequest) -> HttpResponse:
    """List the webhooks with their state and the number of events that wait."""
    asked = Asked(request, "state")
    subscriptions = EventSubscription.objects.filter(deliveries__state__in=UNFINISHED)
    counts = dict(subscriptions.annotate(count=Count("deliveries")).order_by().values_list("pk", "count"))
    found = [
        row
        for row in EventSubscription.objects.defer("secret", "previous_secret")
        if not asked.search or searching.matches(asked.search, row.name, row.url)
    ]
    states = Counter(chip(row).text for row in found)
    shown, pager = asked.page_of([row for row in found if asked["state"] in ("", chip(row).text)])
    listing = SetupList(
        asked,
        (gettext("Name"), gettext("Address"), gettext("State"), gettext("Waiting"), gettext("Last delivered")),
        [
            SubscriptionRow(row.pk, row.name, row.url, chip(row), counts.get(row.pk, 0), row.last_success_at)
            for row in shown
        ],
        pager,
        Empty(
            gettext("No webhook yet"),
            gettext(
                "Enter the address of your system. Desk calls it when a message arrives, a ticket is closed, and more."
            ),
            "link",
        ),
        search_words=gettext("Name or address"),
        chips=(asked.chips("state", [(text, translated(text)) for text in sorted(states)], _in_digits(states)),),
    )
    return page(request, "webhooks.html", gettext("Webhooks"), list=listing, may_add=may(request.user, ADD_EVENTS))


def _in_digits(counts: Counter[str]) -> dict[str, str]:
    return {"": str(counts.total()), **{text: str(count) for text, count in counts.items()}}


def chip(subscription: EventSubscription) -> Chip:
    """Return the state of a webhook, for a chip beside its name."""
    if not subscription.is_active:
        return Chip(sentence("Turned off"), "danger" if subscription.disabled_reason else "")
    if subscription.failing_since:
        return Chip(sentence("Failing"), "warning")
    return Chip(sentence("Active"), "success")


@setup_view(ADD_EVENTS)
@recent_password_required
def add(request: UserRequest) -> HttpResponse:
    """Add a webhook, and show its secret."""
    form = SubscriptionForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return page(request, "webhook_form.html", gettext("Add webhook"), 422 if form.errors else 200, form=form)
    values = form.cleaned_data
    made = service.create(request.user, name=values["name"], url=values["url"], events=values["events"])
    explanation = gettext("Added. Your system verifies with this secret what Desk sends.")
    return _show_secret(request, made, made.secret, explanation)


@setup_view(*VIEW_EVENTS)
@recent_password_required
def edit(request: UserRequest, pk: int) -> HttpResponse:
    """Show a webhook and what was sent to it; a POST changes it."""
    subscription = get_object_or_404(EventSubscription, pk=pk)
    may_change = may(request.user, CHANGE_EVENTS)
    form = SubscriptionForm.of(subscription)
    if request.method == "POST" and may_change:
        form = SubscriptionForm.of(subscription, request.POST)
        if form.is_valid():
            if service.change(request.user, subscription, **form.cleaned_data):
                messages.success(request, gettext("“%(name)s” is saved.") % {"name": form.cleaned_data["name"]})
            else:
                messages.info(request, gettext("Nothing was changed."))
            return redirect("programs:event_edit", pk=pk)
    elif request.method == "POST":
        messages.error(request, gettext("You can view webhooks, but not change them."))
        return redirect("programs:event_edit", pk=pk)
    return page(
        request,
        "webhook_edit.html",
        subscription.name,
        422 if form.errors else 200,
        subscription=subscription,
        form=form,
        chip=chip(subscription),
        history=audit_log.entries_of(subscription),
        may_change=may_change,
        may_delete=may(request.user, DELETE_EVENTS),
        **_deliveries(request, subscription),
    )


def _deliveries(request: UserRequest, subscription: EventSubscription) -> dict[str, Any]:
    """Return the context of one page of the events sent, newest first, with their number in each state."""
    asked = Asked(request, "state")
    rows = subscription.deliveries.defer("body")
    counts = dict(rows.order_by().values_list("state").annotate(Count("pk")))
    if asked["state"] in State.values:
        rows = rows.filter(state=asked["state"])
    level = Case(*(When(state=name, then=Value(level)) for name, level in LEVELS.items()), default=Value(""))
    listed, pager = asked.newest_of(rows.annotate(level=level), PER_PAGE)
    states = [(s.value, translated(str(s.label))) for s in State if s in counts]
    chips = asked.chips("state", states, _in_digits(Counter(counts)))
    return {"listed": listed, "pager": pager, "chips": chips, "is_narrowed": asked.is_narrowed}


@setup_view(CHANGE_EVENTS)
@recent_password_required
@require_POST
def rotate(request: UserRequest, pk: int) -> HttpResponse:
    """Give the webhook a new secret, and show it."""
    subscription = get_object_or_404(EventSubscription, pk=pk)
    secret = service.rotate(request.user, subscription)
    explanation = gettext("For one day, Desk also signs with the previous secret.")
    return _show_secret(request, subscription, secret, explanation)


def _show_secret(
    request: UserRequest, subscription: EventSubscription, secret: str | None, explanation: str
) -> HttpResponse:
    return show_once(
        request,
        gettext("The secret of %(name)s") % {"name": subscription.name},
        secret=secret,
        label=gettext("Secret"),
        explanation=explanation,
        back=reverse("programs:event_edit", args=[subscription.pk]),
        back_label=subscription.name,
    )


@setup_view(CHANGE_EVENTS)
@require_POST
def test(request: UserRequest, pk: int) -> HttpResponse:
    """Send a test event, and show its delivery."""
    delivery = service.send_test(request.user, get_object_or_404(EventSubscription, pk=pk))
    return redirect("programs:event_delivery", pk=delivery.pk)


@setup_view(DELETE_EVENTS)
@recent_password_required
def delete(request: UserRequest, pk: int) -> HttpResponse:
    """Ask whether to delete the webhook; a POST deletes it."""
    subscription = get_object_or_404(EventSubscription, pk=pk)
    if request.method == "POST":
        service.delete(request.user, subscription)
        words = gettext("“%(name)s” is deleted. Desk sends it no more events.") % {"name": subscription.name}
        messages.success(request, words)
        return redirect("programs:events")
    waiting = subscription.deliveries.filter(state__in=UNFINISHED).count()
    title = gettext("Delete %(name)s?") % {"name": subscription.name}
    return page(request, "webhook_delete.html", title, subscription=subscription, waiting=waiting)


@setup_view(*VIEW_EVENTS)
@require_safe
def delivery(request: UserRequest, pk: int) -> HttpResponse:
    """Show one event sent to a webhook; its body only to users who may see every conversation."""
    row = get_object_or_404(EventDelivery.objects.select_related("subscription"), pk=pk)
    may_read = access.sees_all(request.user)
    if may_read and row.body:
        viewed = sentence("Body of %(event)s viewed.", event=row)
        audit_log.record(request.user, row.subscription, audit_log.Action.VIEWED, viewed)
    return page(
        request,
        "webhook_event.html",
        row.type,
        delivery=row,
        level=LEVELS.get(row.state, ""),
        is_under_way=row.state in UNFINISHED,
        body=_indented(row.body) if may_read else "",
        may_read=may_read,
        may_change=may(request.user, CHANGE_EVENTS) and row.state != State.SENDING,
    )


def _indented(body: str) -> str:
    return json.dumps(json.loads(body), indent=2, ensure_ascii=False) if body else ""


@setup_view(CHANGE_EVENTS)
@require_POST
def resend(request: UserRequest, pk: int) -> HttpResponse:
    """Send an event again."""
    try:
        service.resend(request.user, get_object_or_404(EventDelivery, pk=pk))
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, gettext("The event is being sent again."))
    return redirect("programs:event_delivery", pk=pk)
