"""The state of notifications for the first page of Setup: shown only while none reach any browser."""

from django.urls import reverse

from desk.sentences import sentence
from desk.system_states import WARNING, State
from tickets.services.notifications import browsers


def state() -> State | None:
    """Return a warning when push services take no notification at all; None otherwise."""
    if not browsers.failing_for_all():
        return None
    reason = sentence(
        "Push services take no notifications, so agents get none while their pages are closed. Desk needs HTTPS to "
        "addresses on the internet."
    )
    return State(sentence("Notifications"), reason, WARNING, sentence("View health"), reverse("setup:health"))
