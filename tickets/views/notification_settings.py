"""The page *Notifications* of one's account: of what, how and when, and in which browsers."""

import hashlib
import zoneinfo
from functools import cache
from typing import Any

from allauth.core.internal import ratelimit
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import dates
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from desk import mail
from desk.accounts.views import device_of
from desk.errors import Refused
from desk.languages import translated
from desk.requests import UserRequest
from desk.sentences import sentence
from tickets.models import NotificationSettings, PushSubscription
from tickets.services.notifications import browsers, choices, kinds, push
from tickets.services.notifications.choices import LEAST_MINUTES, MOST_MINUTES, Choices
from tickets.views.base import parse_id, time_zone_of

SAVED = sentence("Your notifications are saved.")
REMOVED = sentence("This browser gets no notifications any more.")


TESTED_TOO_OFTEN = sentence("You have sent several test notifications. Wait a minute, then try again.")
TURNED_ON_TOO_OFTEN = sentence("Notifications were turned on very often. Wait a minute, then try again.")
RATES = {"push_test": "5/m/user", "push_browser": "30/m/user"}  # English only: of allauth
WAIT_S = 60


class NotificationForm(forms.Form):
    """Everything that a person chooses about notifications."""

    push = forms.MultipleChoiceField(required=False)
    mail = forms.MultipleChoiceField(required=False)
    mail_minutes = forms.IntegerField(
        label=gettext_lazy("Minutes"),
        min_value=LEAST_MINUTES,
        max_value=MOST_MINUTES,
        widget=forms.NumberInput({"class": "field", "inputmode": "numeric"}),
    )
    shows_text = forms.BooleanField(required=False)
    when = forms.ChoiceField(choices=NotificationSettings.WHEN)
    has_quiet_hours = forms.BooleanField(required=False)
    quiet_from = forms.TimeField(
        label=pgettext_lazy("a time", "From"), widget=forms.TimeInput({"class": "field", "type": "time"})
    )
    quiet_to = forms.TimeField(label=gettext_lazy("Until"), widget=forms.TimeInput({"class": "field", "type": "time"}))
    quiet_days = forms.MultipleChoiceField(
        required=False, choices=[(str(day), dates.WEEKDAYS_ABBR[day]) for day in range(7)]
    )
    time_zone = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [(kind.name, kind.label) for kind in kinds.all_kinds()]
        for name in ("push", "mail"):
            self.fields[name].choices = names  # type: ignore[attr-defined]
        self.fields["time_zone"].choices = [("", ""), *((zone, zone) for zone in zones())]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Refuse quiet hours without a day."""
        cleaned = super().clean() or {}
        if cleaned.get("has_quiet_hours") and not cleaned.get("quiet_days"):
            self.add_error("quiet_days", gettext_lazy("Choose the days on which the quiet hours begin."))
        return cleaned

    def choices(self) -> Choices:
        """Return what was chosen in a valid form."""
        data = self.cleaned_data
        return Choices(
            push=frozenset(data["push"]),
            mail=frozenset(data["mail"]),
            shows_text=data["shows_text"],
            when=data["when"],
            has_quiet_hours=data["has_quiet_hours"],
            quiet_from=data["quiet_from"].replace(second=0, microsecond=0),
            quiet_to=data["quiet_to"].replace(second=0, microsecond=0),
            quiet_days=frozenset(map(int, data["quiet_days"])) or choices.Choices(frozenset(), frozenset()).quiet_days,
            time_zone=data["time_zone"],
            mail_minutes=data["mail_minutes"],
        )


@cache
def zones() -> list[str]:
    """Return the names of the time zones of places, as people know them."""
    names = zoneinfo.available_timezones()
    return sorted(name for name in names if "/" in name and not name.startswith("Etc/"))  # English only: a prefix


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def show(request: UserRequest) -> HttpResponse:
    """Show what the person is notified of, and how. POST saves it."""
    form = NotificationForm(request.POST or None, initial=_initial(request))
    if request.method == "POST" and form.is_valid():
        choices.save(request.user, form.choices())
        messages.success(request, SAVED)
        return redirect("account_notifications")
    own = PushSubscription.objects.filter(user=request.user).order_by("-pk")
    context = {
        "form": form,
        "kinds": kinds.all_kinds(),
        "chosen": {name: set(form[name].value() or ()) for name in ("push", "mail", "quiet_days")},
        "browsers": [
            {"row": row, "device": device_of(row.browser), "is_here": row.session_key == request.session.session_key}
            for row in own
        ],
        "saved_kinds": " ".join(sorted(choices.of(request.user).push)),
        "public_key": browsers.key().public_key,
        "installation_zone": settings.TIME_ZONE,
        "no_address": not request.user.email,
        "mail_is_off": mail.is_off(),
    }
    return render(request, "tickets/notifications/settings.html", context, status=422 if form.errors else 200)


def _initial(request: UserRequest) -> dict[str, Any]:
    chosen = choices.of(request.user)
    zone = chosen.time_zone
    if not NotificationSettings.objects.filter(user=request.user).exists():
        zone = str(time_zone_of(request.COOKIES))
    return {
        "push": chosen.push,
        "mail": chosen.mail,
        "mail_minutes": chosen.mail_minutes,
        "shows_text": chosen.shows_text,
        "when": chosen.when,
        "has_quiet_hours": chosen.has_quiet_hours,
        "quiet_from": chosen.quiet_from.strftime("%H:%M"),
        "quiet_to": chosen.quiet_to.strftime("%H:%M"),
        "quiet_days": [str(day) for day in chosen.quiet_days],
        "time_zone": zone if zone in zones() else "",
    }


def _too_often(reason: str) -> HttpResponse:
    content_type = "text/plain; charset=utf-8"
    return HttpResponse(translated(reason), content_type, status=429, headers={"Retry-After": str(WAIT_S)})


@require_POST
@login_required
def browser(request: UserRequest) -> JsonResponse:
    """Turn notifications on in this browser: `endpoint`, `p256dh`, `auth`. 422 with the reason when that cannot be.

    Without them the answer is 422 too. It always names Desk's public `key`, for which the browser must subscribe, and
    the `kinds` that come to it. 429 with the reason when this person does so too often, with other browsers.
    """
    digest = hashlib.sha256(request.POST.get("endpoint", "").encode()).hexdigest()
    is_known = PushSubscription.objects.filter(user=request.user, endpoint_digest=digest).exists()
    # Open pages renew what is known.
    if not is_known and not ratelimit.consume(request, app="tickets", action="push_browser", config=RATES):
        reason = translated(TURNED_ON_TOO_OFTEN)
        return JsonResponse({"reason": reason}, status=429, headers={"Retry-After": str(WAIT_S)})
    facts = {"key": browsers.key().public_key, "kinds": sorted(choices.of(request.user).push)}
    values = {name: request.POST.get(name, "") for name in ("endpoint", "p256dh", "auth")}
    try:
        browsers.subscribe(
            request.user,
            request.session.session_key or "",
            browser=request.headers.get("User-Agent", ""),
            **values,
        )
    except Refused as refused:
        return JsonResponse({**facts, "reason": translated(str(refused))}, status=422)
    return JsonResponse(facts)


@require_POST
@login_required
def remove(request: UserRequest) -> HttpResponse:
    """Turn notifications off in a browser of this person: `browser` (id, from the page) or `endpoint` (by a script)."""
    pk = parse_id(request.POST.get("browser", ""))
    browsers.unsubscribe(request.user, pk=pk, endpoint=request.POST.get("endpoint", ""))
    if "endpoint" in request.POST:
        return HttpResponse(status=204)
    messages.success(request, REMOVED)
    return redirect("account_notifications")


@require_POST
@login_required
def test(request: UserRequest) -> HttpResponse:
    """Send a notification to this browser (`endpoint`), to see whether it works; 404 when it is not known.

    429 with the reason as plain text when this person does so too often.
    """
    if not ratelimit.consume(request, app="tickets", action="push_test", config=RATES):
        return _too_often(TESTED_TOO_OFTEN)
    digest = hashlib.sha256(request.POST.get("endpoint", "").encode()).hexdigest()
    return HttpResponse(status=204 if push.send_test(request.user, digest) else 404)
