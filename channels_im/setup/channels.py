"""Instant Messaging → Messenger: the list of channels, Add Channel, Edit Channel."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from channels_im.models import Channel
from channels_im.services import channels as service
from channels_im.services.facebook import subscriptions
from channels_im.setup import drafts, forms, history_import, page_checks, presenters
from channels_im.setup.access import (
    ADD_CHANNEL,
    CHANGE_CHANNEL,
    DELETE_CHANNEL,
    SEE_CHANNELS,
    may,
    page,
    setup_view,
)
from desk import audit_log
from desk.languages import translated
from desk.models import Department
from desk.requests import UserRequest


@setup_view(*SEE_CHANNELS)
@require_safe
def kinds(request: UserRequest) -> HttpResponse:
    """Show a card with *Configure* for each kind of channel."""
    return page(request, "kinds.html", gettext("Instant Messaging"), channel_count=Channel.objects.existing().count())


@setup_view(*SEE_CHANNELS)
@require_safe
def list_channels(request: UserRequest) -> HttpResponse:
    """Show a card for each channel."""
    rows = list(presenters.channels())
    imports = history_import.of_all(rows)
    return page(
        request,
        "messenger.html",
        "Messenger",  # English only: a name
        cards=[
            {"channel": channel, "chip": presenters.chip(channel), "history_import": imports.get(channel.pk)}
            for channel in rows
        ],
        channel_count=len(rows),
        department_count=Department.objects.count(),
        limit=service.limit_reached(),
        **_permissions(request),
    )


@setup_view(ADD_CHANNEL)
def add(request: UserRequest) -> HttpResponse:
    """Show Add Channel, and create the channel (POST). What was typed is kept in a draft."""
    draft = drafts.find(request.user, None)
    limit = service.limit_reached()
    if request.method != "POST":
        if draft and not drafts.differs(draft, None):
            drafts.drop(request.user, None)
            draft = None
        form = forms.ChannelForm(initial=draft.fields if draft else None, draft=draft)
        return _form_page(request, form, limit=limit)
    form = forms.ChannelForm(request.POST, request.FILES, draft=draft)
    if form.is_valid():
        data = form.cleaned_data
        try:
            channel = service.create_channel(request.user, **data)
        except service.ChannelError as refusal:
            form.add_error(refusal.field or None, str(refusal))
        else:
            drafts.drop(request.user, None)
            messages.success(
                request,
                gettext("The channel “%(name)s” has been created. Desk is checking it end to end.")
                % {"name": channel.name},
            )
            _tell_note(request, form)
            return redirect("setup:messenger_edit", pk=channel.pk)
    form.draft, _refusal = drafts.keep(request, None)
    return _form_page(request, form, limit=service.limit_reached())


@setup_view(ADD_CHANNEL)
@require_POST
def start_again(request: UserRequest) -> HttpResponse:
    """Delete the draft of Add Channel."""
    drafts.drop(request.user, None)
    return redirect("setup:messenger_add")


@setup_view(*SEE_CHANNELS)
def edit(request: UserRequest, pk: int) -> HttpResponse:
    """Show Edit Channel, and change the channel (POST). What was typed is kept in a draft."""
    channel = get_object_or_404(presenters.channels(), pk=pk)
    draft = drafts.find(request.user, channel)
    if request.method != "POST":
        if draft and not drafts.differs(draft, channel):
            drafts.drop(request.user, channel)
            draft = None
        typed = draft.fields if draft else {}
        form = forms.ChannelForm(initial=_initial(channel) | typed, channel=channel, draft=draft)
        return _form_page(request, form, channel=channel)
    if not may(request.user, CHANGE_CHANNEL):
        messages.error(request, gettext("You can view this channel but not change it."))
        return redirect("setup:messenger_edit", pk=channel.pk)
    form = forms.ChannelForm(request.POST, request.FILES, channel=channel, draft=draft)
    if form.is_valid():
        try:
            changes = service.change_channel(request.user, channel, **form.cleaned_data)
        except service.ChannelError as refusal:
            form.add_error(refusal.field or None, str(refusal))
        else:
            drafts.drop(request.user, channel)
            messages.success(request, _saved(changes))
            _tell_note(request, form)
            return redirect("setup:messenger_edit", pk=channel.pk)
    form.draft, _refusal = drafts.keep(request, channel)
    return _form_page(request, form, channel=channel)


@setup_view(*SEE_CHANNELS)
@require_safe
def checks(request: UserRequest, pk: int) -> HttpResponse:
    """Return only the list of checks; Edit Channel requests it again while a check is running."""
    channel = get_object_or_404(presenters.channels(), pk=pk)
    return render(request, "channels_im/_checks.html", _check_context(channel) | _permissions(request))


@setup_view(CHANGE_CHANNEL)
@require_POST
def check_now(request: UserRequest, pk: int) -> HttpResponse:
    """Request a check of the channel's Page, which also subscribes to what is missing."""
    channel = get_object_or_404(presenters.channels(), pk=pk)
    subscriptions.request_check(channel.page_id)
    if "from_health" in request.POST:
        return redirect(f"{reverse('setup:health')}#page-{channel.page_id}")
    return redirect("setup:messenger_edit", pk=pk)


def _saved(changes: list[str]) -> str:
    if not changes:
        return gettext("Nothing was changed.")
    return gettext("Saved: %(changes)s.") % {"changes": "; ".join(translated(change) for change in changes)}


def _tell_note(request: UserRequest, form: forms.ChannelForm) -> None:
    icon = form.cleaned_data["icon"]
    if icon and icon.note:
        messages.info(request, translated(icon.note))


def _form_page(
    request: UserRequest,
    form: forms.ChannelForm,
    *,
    channel: Channel | None = None,
    limit: str = "",
) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form,
        "channel": channel,
        "draft": form.draft,
        "limit": limit,
        **_permissions(request),
    }
    if channel:
        context |= _check_context(channel)
        context |= {
            "chip": presenters.chip(channel),
            "healing": presenters.healing(channel.page),
            "history": audit_log.entries_of(channel),
            "parked": service.parked_count(channel),
            "history_import": history_import.of(channel),
        }
    else:
        choices = presenters.page_choices(request.user)
        usable = [choice for choice in choices if not choice.obstacle]
        context |= {"choices": choices, "usable_count": len(usable), "selected_page": str(form["page"].value() or "")}
    title = gettext("Edit Channel: %(name)s") % {"name": channel.name} if channel else gettext("Add Channel")
    return page(request, "channel_form.html", title, **context)


def _check_context(channel: Channel) -> dict[str, Any]:
    return {
        "channel": channel,
        "checks": page_checks.of_channel(channel),
        "checking": presenters.is_checking(channel.page),
        "checks_url": reverse("setup:messenger_checks", args=[channel.pk]),
    }


def _initial(channel: Channel) -> dict[str, object]:
    return {
        "name": channel.name,
        "department": channel.department_id,
        **service.switch_values(channel),
    }


def _permissions(request: UserRequest) -> dict[str, bool]:
    return {
        "may_add": may(request.user, ADD_CHANNEL),
        "may_change": may(request.user, CHANGE_CHANNEL),
        "may_delete": may(request.user, DELETE_CHANNEL),
    }
