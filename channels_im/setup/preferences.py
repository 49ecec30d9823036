"""Instant Messaging → Preferences: the threading intermission, and *Associate Channel* for each agent."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from channels_im.models import Channel
from channels_im.models.channels import DEFAULT_INTERMISSION_MINUTES, MAX_INTERMISSION_MINUTES
from channels_im.services import preferences as service
from channels_im.setup.access import CHANGE_PREFERENCES, VIEW_PREFERENCES, may, page, setup_view, wants_fragment
from channels_im.setup.forms import PreferencesForm
from desk.models import Agent, Department

PREVIEW_MINUTES = (60, 120, 240, 480, 720, 1440)


@setup_view(VIEW_PREFERENCES, CHANGE_PREFERENCES)
def show(request: HttpRequest) -> HttpResponse:
    departments = list(Department.objects.all())
    if not departments:
        return page(request, "preferences.html", "Preferences", departments=[])
    asked = request.POST.get("department") or request.GET.get("department", "")
    department = next((d for d in departments if str(d.pk) == asked), None)
    if department is None:
        if request.method == "POST":
            messages.error(request, "This department does not exist any more. Nothing was saved.")
        return redirect(_url(departments[0])) if request.method == "POST" or asked else _page(request, departments[0])
    if request.method != "POST":
        return _page(request, department)
    if not may(request.user, CHANGE_PREFERENCES):
        messages.error(request, "You may look at the preferences and not change them.")
        return redirect(_url(department))
    form = PreferencesForm(request.POST)
    if not form.is_valid():
        return _page(request, department, form)
    minutes = form.cleaned_data["threading_intermission"]
    if service.set_intermission(request.user, department, minutes):
        messages.success(request, f"Saved. In {department}, replies after {minutes} minutes open a new ticket.")
    else:
        messages.info(request, "Nothing was changed.")
    return redirect(_url(department))


@setup_view(CHANGE_PREFERENCES)
def associate(request: HttpRequest, department: int, agent: int) -> HttpResponse:
    """Tick the channels of a department that an agent answers."""
    place = get_object_or_404(Department, pk=department)
    person = get_object_or_404(Agent.objects.select_related("user"), pk=agent, departments=place)
    channels = list(Channel.objects.existing().filter(department=place).select_related("page"))
    if request.method == "POST":
        chosen = [channel for channel in channels if str(channel.pk) in request.POST.getlist("channels")]
        try:
            if len(chosen) != len(set(request.POST.getlist("channels"))):
                raise ValidationError("A channel that you chose has been deleted or moved meanwhile. Choose again.")
            service.associate(request.user, person, place, chosen)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            count = f"{len(chosen)} channel{'' if len(chosen) == 1 else 's'}"
            messages.success(request, f"{person} now has {count} in {place}.")
        return redirect(_url(place))
    context = {
        "department": place,
        "agent": person,
        "channels": channels,
        "associated": set(person.associations.values_list("channel_id", flat=True)),
    }
    if wants_fragment(request):
        return render(request, "channels_im/_associate.html", context)
    return page(request, "associate.html", f"Associate channels with {person}", **context)


def _page(request: HttpRequest, department: Department, form: PreferencesForm | None = None) -> HttpResponse:
    own_channels = Channel.objects.existing().filter(department=department)
    agents = (
        Agent.objects.filter(departments=department)
        .select_related("user")
        .prefetch_related(Prefetch("channels", own_channels, to_attr="own_channels"))
    )
    minutes = service.intermission(department)
    counted = service.previews(department, PREVIEW_MINUTES)
    most = max((preview.tickets for preview in counted), default=0)
    return page(
        request,
        "preferences.html",
        "Preferences",
        departments=Department.objects.all(),
        department=department,
        form=form or PreferencesForm(initial={"threading_intermission": minutes}),
        minutes=minutes,
        shortest=DEFAULT_INTERMISSION_MINUTES,
        longest=MAX_INTERMISSION_MINUTES,
        previews=counted,
        most=most,
        agents=agents,
        channel_count=own_channels.count(),
        may_change=may(request.user, CHANGE_PREFERENCES),
    )


def _url(department: Department) -> str:
    return f"{reverse('setup:preferences')}?department={department.pk}"
