"""Setup → Messenger → Go live: the steps to a live app, texts for App Review, and the privacy policy."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from channels_im.models import GoLiveStep
from channels_im.services.go_live import policy, progress, review
from channels_im.setup.access import CHANGE_CHANNEL, may, page, setup_view
from desk import site
from desk.errors import Refused
from desk.languages import translated
from desk.models import User
from desk.requests import UserRequest

DASHBOARD = "https://developers.facebook.com/apps/"
LEVELS: dict[str, str] = {
    GoLiveStep.State.DONE: "success",
    GoLiveStep.State.TO_DO: "warning",
    GoLiveStep.State.UNKNOWN: "",
}
WORDS: dict[str, object] = {state: state.label for state in GoLiveStep.State}


class PolicyForm(forms.Form):
    """The privacy policy. The service checks it."""

    contact = forms.CharField(required=False)
    text = forms.CharField(required=False, strip=False, widget=forms.Textarea(attrs={"rows": 24}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs |= {
                "class": "field",
                "aria-describedby": f"{name}-help {name}-error",
                "autocomplete": "off",
            }


@setup_view(CHANGE_CHANNEL)
@require_safe
def show(request: UserRequest) -> HttpResponse:
    """Show the steps with what is known about each, and the texts. Makes no call."""
    states = progress.states()
    sections: dict[str, list[dict[str, Any]]] = {}
    for number, state in enumerate(states, 1):
        line = {"number": number, "state": state, "level": LEVELS[state.state], "word": WORDS[state.state]}
        sections.setdefault(state.step.section, []).append(line)
    row = progress.row()
    return page(
        request,
        "go_live.html",
        gettext("Go live"),
        sections=[{"title": title, "lines": lines} for title, lines in sections.items()],
        done_count=sum(state.is_done for state in states),
        step_count=len(states),
        row=row,
        is_checking=row.due_at is not None and not progress.is_overdue(row),
        is_overdue=progress.is_overdue(row),
        dashboard=DASHBOARD,
        policy=policy.get(),
        review_texts=review.texts(),
        login_text=review.login_text(),
        scenes=review.scenes(),
        advice=review.advice(),
        human_agent_advice=review.human_agent_advice(),
    )


@setup_view(CHANGE_CHANNEL)
@require_POST
def check_now(request: UserRequest) -> HttpResponse:
    """Request the checks."""
    progress.request_checks()
    return redirect("setup:go_live")


@setup_view(CHANGE_CHANNEL)
@require_POST
def tick(request: UserRequest) -> HttpResponse:
    """Set (`done` is "yes") or remove the tick of the step `key`."""
    key = request.POST.get("key", "")
    try:
        progress.tick(request.user, key, done=request.POST.get("done") == "yes")
    except Refused as refusal:
        messages.error(request, translated(str(refusal)))
    return redirect(f"{reverse('setup:go_live')}#step-{key}")


@setup_view(CHANGE_CHANNEL)
@require_POST
def hide(request: UserRequest) -> HttpResponse:
    """Hide going live on the first page of Setup (`hidden` is "yes"), or show it again."""
    is_hidden = request.POST.get("hidden") == "yes"
    progress.hide(request.user, hidden=is_hidden)
    if is_hidden:
        messages.success(request, gettext("Go live is no longer on the first page of Setup."))
    else:
        messages.success(request, gettext("Go live is on the first page of Setup again."))
    return redirect("setup:go_live")


@setup_view(CHANGE_CHANNEL)
def edit_policy(request: UserRequest) -> HttpResponse:
    """Show the privacy policy, or the text to begin with, and publish it (POST)."""
    published = policy.get()
    beginning = {"contact": policy.contact_from_settings(), "text": policy.BEGINNING}
    if published:
        beginning = {"contact": published.contact, "text": published.text}
    form = PolicyForm(request.POST) if request.method == "POST" else PolicyForm(initial=beginning)
    if request.method == "POST" and form.is_valid():
        try:
            policy.save(request.user, contact=form.cleaned_data["contact"], text=form.cleaned_data["text"])
        except Refused as refusal:
            form.add_error(refusal.field or None, translated(str(refusal)))
        else:
            messages.success(request, gettext("The privacy policy is published."))
            return redirect("setup:privacy_policy_edit")
    status = 422 if form.errors else 200
    return page(
        request, "privacy_policy_form.html", gettext("Privacy policy"), status=status, form=form, policy=published
    )


def panel(user: User) -> site.Panel | None:
    """Return how far going live is, for the first page of Setup; None when it is done, or hidden."""
    if not may(user, CHANGE_CHANNEL) or progress.row().is_hidden:
        return None
    states = progress.states()
    following = next((state for state in states if not state.is_done), None)
    if following is None:
        return None
    done_count = sum(state.is_done for state in states)
    context = {"done_count": done_count, "step_count": len(states), "next": following.step}
    return site.Panel("channels_im/_go_live_panel.html", context)
