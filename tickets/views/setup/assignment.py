"""Setup → Assignment: who gets a department's conversations, how many each agent takes, and a preview of it."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.forms import BoundField
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from channels_im.setup.access import CHANGE_PREFERENCES, VIEW_PREFERENCES, may, setup_view
from desk import audit_log
from desk.errors import Refused
from desk.languages import translated
from desk.models import Agent, Department
from desk.requests import UserRequest
from tickets.models import AssignmentSettings
from tickets.models.assignment import LONGEST_AWAY_MINUTES
from tickets.rules.assigning import MOST_OPEN, Mode, Policy
from tickets.services.inbox import assignment_settings as service
from tickets.views.setup.pages import page

NUMBER = {"class": "field field--number", "inputmode": "numeric"}  # English only: classes of CSS
CAPACITY_NOTES = "capacity-error capacity-help"  # English only: ids of elements
HAND_BACK_NOTES = "hand_back_minutes-error hand_back_minutes-help"  # English only: ids of elements
NOT_A_NUMBER = gettext_lazy("Enter a whole number.")


def _numbers(least: int, most: int) -> dict[str, Any]:
    between = gettext_lazy("Enter a number from %(least)s to %(most)s.") % {"least": least, "most": most}
    return {"invalid": NOT_A_NUMBER, "min_value": between, "max_value": between}


class AssignmentForm(forms.Form):
    """The settings of a department, and the own capacity of each of its agents."""

    on_reply = forms.ChoiceField(
        label=gettext_lazy("After a reply in an unassigned conversation"),
        choices=AssignmentSettings.OnReplyChoice.choices,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose what a reply does.")},
    )
    mode = forms.ChoiceField(
        label=gettext_lazy("Automatic assignment"),
        choices=AssignmentSettings.ModeChoice.choices,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose how Desk assigns.")},
    )
    last_agent_first = forms.BooleanField(label=gettext_lazy("First to the agent who replied last"), required=False)
    capacity = forms.IntegerField(
        label=gettext_lazy("Open conversations of each agent"),
        min_value=1,
        max_value=MOST_OPEN,
        widget=forms.NumberInput({**NUMBER, "aria-describedby": CAPACITY_NOTES}),
        error_messages={"required": NOT_A_NUMBER, **_numbers(1, MOST_OPEN)},
    )
    hand_back_minutes = forms.IntegerField(
        label=gettext_lazy("Minutes until a conversation is handed back"),
        required=False,
        min_value=1,
        max_value=LONGEST_AWAY_MINUTES,
        widget=forms.NumberInput({**NUMBER, "aria-describedby": HAND_BACK_NOTES}),
        error_messages=_numbers(1, LONGEST_AWAY_MINUTES),
    )

    def __init__(self, settings: AssignmentSettings, agents: Iterable[Agent], data: Any = None) -> None:
        self.agents = {_field_of(agent): agent for agent in agents}
        initial: dict[str, Any] = {name: getattr(settings, name) for name in service.FIELDS}
        for name, agent in self.agents.items():
            initial[name] = agent.availability.capacity if hasattr(agent, "availability") else None
        super().__init__(data, initial=initial)
        for name, agent in self.agents.items():
            label = gettext("Own capacity of %(agent)s") % {"agent": agent}
            widget = forms.NumberInput({**NUMBER, "aria-label": label, "aria-describedby": f"{name}-error"})
            self.fields[name] = forms.IntegerField(
                required=False, min_value=0, max_value=MOST_OPEN, widget=widget, error_messages=_numbers(0, MOST_OPEN)
            )

    @property
    def rows(self) -> list[tuple[Agent, BoundField]]:
        """Return each agent with the field of their capacity."""
        return [(agent, self[name]) for name, agent in self.agents.items()]

    @property
    def values(self) -> dict[str, Any]:
        """Return the settings of the department."""
        return {name: self.cleaned_data[name] for name in service.FIELDS}

    @property
    def capacities(self) -> dict[int, int | None]:
        """Return the own capacity of each agent (id) who was on the page."""
        return {agent.pk: self.cleaned_data[name] for name, agent in self.agents.items() if name in self.data}

    @property
    def policy(self) -> Policy:
        """Return the policy to preview; without a choice of the mode, that of the least loaded."""
        mode = Mode(self.cleaned_data["mode"])
        chosen = Mode.LEAST_LOADED if mode is Mode.OFF else mode
        return Policy(chosen, self.cleaned_data["capacity"], self.cleaned_data["last_agent_first"])


def _field_of(agent: Agent) -> str:
    return f"capacity_{agent.pk}"


@setup_view(VIEW_PREFERENCES, CHANGE_PREFERENCES)
def show(request: UserRequest) -> HttpResponse:
    """Show the assignment of a department; save it, or with `preview` show what it would have done (POST)."""
    departments = list(Department.objects.all())
    asked = request.POST.get("department") or request.GET.get("department", "")
    department = next((one for one in departments if str(one.pk) == asked), None)
    if department is None and request.method == "POST":
        messages.error(request, gettext("This department no longer exists. Nothing was saved."))
        return redirect("assignment")
    department = department or next(iter(departments), None)
    if department is None:
        return page(request, "assignment.html", gettext("Assignment"), departments=[])
    if request.method != "POST":
        return _page(request, department, departments, _form(department))
    form = _form(department, request.POST)
    if "preview" in request.POST:
        shown = service.preview(department, form.policy, form.capacities) if form.is_valid() else None
        return _page(request, department, departments, form, 422 if form.errors else 200, shown)
    if not may(request.user, CHANGE_PREFERENCES):
        messages.error(request, gettext("You can view the assignment but not change it."))
        return redirect(_url(department))
    if not form.is_valid():
        return _page(request, department, departments, form, 422)
    try:
        is_changed = service.save_all(request.user, department, form.values, form.capacities)
    except (Refused, ValidationError) as error:
        texts = error.messages if isinstance(error, ValidationError) else [str(error)]
        form.add_error(None, [translated(text) for text in texts])
        return _page(request, department, departments, form, 422)
    if is_changed:
        messages.success(request, gettext("The assignment of %(department)s is saved.") % {"department": department})
    else:
        messages.info(request, gettext("Nothing was changed."))
    return redirect(_url(department))


def _form(department: Department, data: Any = None) -> AssignmentForm:
    return AssignmentForm(service.of_department(department), service.members(department), data)


def _page(
    request: UserRequest,
    department: Department,
    departments: list[Department],
    form: AssignmentForm,
    status: int = 200,
    preview: service.Preview | None = None,
) -> HttpResponse:
    return page(
        request,
        "assignment.html",
        gettext("Assignment"),
        status,
        departments=departments,
        department=department,
        form=form,
        preview=preview,
        preview_days=service.PREVIEW_DAYS,
        preview_tickets=service.PREVIEW_TICKETS,
        may_change=may(request.user, CHANGE_PREFERENCES),
        history=audit_log.entries_of(department),
    )


def _url(department: Department) -> str:
    return f"{reverse('assignment')}?department={department.pk}"
