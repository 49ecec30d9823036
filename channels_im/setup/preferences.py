"""Instant Messaging → Preferences: the threading intermission, and *Associate Channel* for each agent."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext, ngettext

from channels_im.models import Channel
from channels_im.models.channels import DEFAULT_INTERMISSION_MINUTES, MAX_INTERMISSION_MINUTES
from channels_im.services import preferences as service
from channels_im.setup.access import (
    CHANGE_PREFERENCES,
    VIEW_PREFERENCES,
    may,
    page,
    setup_view,
    wants_fragment,
)
from channels_im.setup.forms import PreferencesForm
from desk.languages import translated
from desk.models import Agent, Department
from desk.requests import UserRequest

PREVIEW_MINUTES = (60, 120, 240, 480, 720, 1440)


@setup_view(VIEW_PREFERENCES, CHANGE_PREFERENCES)
def show(request: UserRequest) -> HttpResponse:
    """Show the preferences of a department, and save its intermission (POST)."""
    departments = list(Department.objects.all())
    if not departments:
        return page(request, "preferences.html", gettext("Preferences"), departments=[])
    department_pk = request.POST.get("department") or request.GET.get("department", "")
    department = next((d for d in departments if str(d.pk) == department_pk), None)
    if department is None:
        if request.method == "POST":
            messages.error(request, gettext("This department no longer exists. Nothing was saved."))
        return (
            redirect(_url(departments[0]))
            if request.method == "POST" or department_pk
            else _page(request, departments[0])
        )
    if request.method != "POST":
        return _page(request, department)
    if not may(request.user, CHANGE_PREFERENCES):
        messages.error(request, gettext("You can view the preferences but not change them."))
        return redirect(_url(department))
    form = PreferencesForm(request.POST)
    if not form.is_valid():
        return _page(request, department, form)
    minutes = form.cleaned_data["threading_intermission"]
    if service.set_intermission(request.user, department, minutes):
        saved = ngettext(
            "Saved. In %(department)s, replies after %(minutes)s minute open a new ticket.",
            "Saved. In %(department)s, replies after %(minutes)s minutes open a new ticket.",
            minutes,
        )
        messages.success(request, saved % {"department": department, "minutes": minutes})
    else:
        messages.info(request, gettext("Nothing was changed."))
    return redirect(_url(department))


@setup_view(CHANGE_PREFERENCES)
def associate(request: UserRequest, department: int, agent: int) -> HttpResponse:
    """Show the channels of a department with those of an agent ticked, and save the ticks (POST)."""
    place = get_object_or_404(Department, pk=department)
    person = get_object_or_404(Agent.objects.select_related("user"), pk=agent, departments=place)
    channels = list(Channel.objects.existing().filter(department=place).select_related("page"))
    if request.method == "POST":
        chosen = [channel for channel in channels if str(channel.pk) in request.POST.getlist("channels")]
        try:
            if len(chosen) != len(set(request.POST.getlist("channels"))):
                raise ValidationError(service.CHANNEL_GONE)
            service.associate(request.user, person, place, chosen)
        except ValidationError as error:
            messages.error(request, " ".join(translated(text) for text in error.messages))
        else:
            saved = ngettext(
                "%(person)s now has %(count)s channel in %(department)s.",
                "%(person)s now has %(count)s channels in %(department)s.",
                len(chosen),
            )
            messages.success(request, saved % {"person": person, "count": len(chosen), "department": place})
        return redirect(_url(place))
    context: dict[str, Any] = {
        "department": place,
        "agent": person,
        "channels": channels,
        "associated": set(person.associations.values_list("channel_id", flat=True)),
    }
    if wants_fragment(request):
        return render(request, "channels_im/_associate.html", context)
    return page(
        request, "associate.html", gettext("Associate channels with %(person)s") % {"person": person}, **context
    )


def _page(request: UserRequest, department: Department, form: PreferencesForm | None = None) -> HttpResponse:
    own_channels = Channel.objects.existing().filter(department=department)
    agents = (
        Agent.objects.filter(departments=department)
        .select_related("user")
        .prefetch_related(Prefetch("channels", own_channels, to_attr="own_channels"))
    )
    minutes = service.intermission(department)
    previews = service.previews(department, PREVIEW_MINUTES)
    most = max((preview.tickets for preview in previews), default=0)
    return page(
        request,
        "preferences.html",
        gettext("Preferences"),
        departments=Department.objects.all(),
        department=department,
        form=form or PreferencesForm(initial={"threading_intermission": minutes}),
        minutes=minutes,
        shortest=DEFAULT_INTERMISSION_MINUTES,
        longest=MAX_INTERMISSION_MINUTES,
        previews=previews,
        most=most,
        agents=agents,
        channel_count=own_channels.count(),
        may_change=may(request.user, CHANGE_PREFERENCES),
    )


def _url(department: Department) -> str:
    return f"{reverse('setup:preferences')}?department={department.pk}"
