"""Setup → Event subscriptions: programs that are told of events, what they were told, and sending it again."""

import json

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from channels_im.setup.access import may, setup_view
from desk import audit_log
from desk.errors import Refused
from tickets.models import EventDelivery, EventSubscription
from tickets.services.conversation.access import SEES_ALL
from tickets.services.webhooks import subscriptions as service

from .forms import SubscriptionForm
from .menu import ADD_EVENTS, CHANGE_EVENTS, DELETE_EVENTS, SEE_EVENTS
from .pages import page, show_once

PER_PAGE = 30
States = EventDelivery.State
LEVELS = {States.DELIVERED: "success", States.FAILED: "danger", States.SENDING: "accent", States.PENDING: "warning"}
UNDER_WAY = Q(deliveries__state__in=(States.PENDING, States.SENDING))


@setup_view(*SEE_EVENTS)
@require_safe
def list_subscriptions(request: HttpRequest) -> HttpResponse:
    rows = list(EventSubscription.objects.defer("secret", "previous_secret"))
    waiting = EventSubscription.objects.filter(UNDER_WAY).annotate(count=Count("deliveries"))
    counts = dict(waiting.order_by().values_list("pk", "count"))
    for row in rows:
        row.chip, row.waiting = chip(row), counts.get(row.pk, 0)
    return page(request, "webhooks.html", "Webhooks", rows=rows, may_add=may(request.user, ADD_EVENTS))


def chip(subscription: EventSubscription) -> dict[str, str]:
    """What stands beside a subscription: a word or two, and how bad it is."""
    if not subscription.is_active:
        return {"text": "Turned off", "level": "danger" if subscription.disabled_reason else ""}
    if subscription.failing_since:
        return {"text": "Failing", "level": "warning"}
    return {"text": "Active", "level": "success"}


@setup_view(ADD_EVENTS)
def add(request: HttpRequest) -> HttpResponse:
    form = SubscriptionForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return page(request, "webhook_form.html", "Add webhook", form=form)
    values = form.cleaned_data
    made = service.create(request.user, name=values["name"], url=values["url"], events=values["events"])
    return _show_secret(request, made, made.secret, "Added. This is the secret with which it verifies what it is told.")


@setup_view(*SEE_EVENTS)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    subscription = get_object_or_404(EventSubscription, pk=pk)
    may_change = may(request.user, CHANGE_EVENTS)
    form = SubscriptionForm.of(subscription)
    if request.method == "POST" and may_change:
        form = SubscriptionForm.of(subscription, request.POST)
        if form.is_valid():
            if service.change(request.user, subscription, **form.cleaned_data):
                messages.success(request, f"“{form.cleaned_data['name']}” is saved.")
            else:
                messages.info(request, "Nothing was changed.")
            return redirect("programs:event_edit", pk=pk)
    elif request.method == "POST":
        messages.error(request, "You can view webhooks, but not change them.")
        return redirect("programs:event_edit", pk=pk)
    return page(
        request,
        "webhook_edit.html",
        subscription.name,
        subscription=subscription,
        form=form,
        chip=chip(subscription),
        history=audit_log.entries_of(subscription),
        may_change=may_change,
        may_delete=may(request.user, DELETE_EVENTS),
        **_deliveries(request, subscription),
    )


def _deliveries(request: HttpRequest, subscription: EventSubscription) -> dict[str, object]:
    """One page of what the subscription was told, newest first, with how many there are in each state."""
    state = request.GET.get("state", "")
    rows = subscription.deliveries.defer("body")
    counts = dict(rows.order_by().values_list("state").annotate(Count("pk")))
    if state in States.values:
        rows = rows.filter(state=state)
    listed = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    for row in listed:
        row.level = LEVELS.get(row.state, "")
    states = [{"value": s.value, "label": s.label, "count": counts.get(s.value, 0)} for s in States if s in counts]
    return {"listed": listed, "state": state, "states": states, "total": sum(counts.values())}


@setup_view(CHANGE_EVENTS)
@require_POST
def rotate(request: HttpRequest, pk: int) -> HttpResponse:
    subscription = get_object_or_404(EventSubscription, pk=pk)
    secret = service.rotate(request.user, subscription)
    return _show_secret(request, subscription, secret, "For one day Desk signs with the secret before this one too.")


def _show_secret(request: HttpRequest, subscription: EventSubscription, secret: str, sentence: str) -> HttpResponse:
    return show_once(
        request,
        f"The secret of {subscription.name}",
        secret=secret,
        label="Secret",
        explanation=sentence,
        back=reverse("programs:event_edit", args=[subscription.pk]),
        back_label=subscription.name,
    )


@setup_view(CHANGE_EVENTS)
@require_POST
def test(request: HttpRequest, pk: int) -> HttpResponse:
    delivery = service.send_test(request.user, get_object_or_404(EventSubscription, pk=pk))
    return redirect("programs:event_delivery", pk=delivery.pk)


@setup_view(DELETE_EVENTS)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    subscription = get_object_or_404(EventSubscription, pk=pk)
    if request.method == "POST":
        service.delete(request.user, subscription)
        messages.success(request, f"“{subscription.name}” is deleted. It is told of nothing any more.")
        return redirect("programs:events")
    waiting = subscription.deliveries.filter(state__in=(States.PENDING, States.SENDING)).count()
    return page(
        request, "webhook_delete.html", f"Delete {subscription.name}?", subscription=subscription, waiting=waiting
    )


@setup_view(*SEE_EVENTS)
@require_safe
def delivery(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(EventDelivery.objects.select_related("subscription"), pk=pk)
    may_read = may(request.user, SEES_ALL)
    return page(
        request,
        "webhook_event.html",
        row.type,
        delivery=row,
        level=LEVELS.get(row.state, ""),
        is_under_way=row.state in (States.PENDING, States.SENDING),
        body=readable(row.body) if may_read else "",
        may_read=may_read,
        may_change=may(request.user, CHANGE_EVENTS) and row.state != States.SENDING,
    )


def readable(body: str) -> str:
    return json.dumps(json.loads(body), indent=2, ensure_ascii=False) if body else ""


@setup_view(CHANGE_EVENTS)
@require_POST
def send_again(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        service.resend(request.user, get_object_or_404(EventDelivery, pk=pk))
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, "The event is being sent again.")
    return redirect("programs:event_delivery", pk=pk)
