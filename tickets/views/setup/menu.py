"""What programs add to Setup: two lines of the menu, and subscriptions that fail."""

from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from channels_im.setup.access import may
from desk import site
from tickets.models import EventSubscription

SEE_TOKENS = ("authtoken.view_token", "authtoken.add_token", "authtoken.delete_token")
ADD_EVENTS = "tickets.add_eventsubscription"
CHANGE_EVENTS = "tickets.change_eventsubscription"
DELETE_EVENTS = "tickets.delete_eventsubscription"
SEE_EVENTS = ("tickets.view_eventsubscription", ADD_EVENTS, CHANGE_EVENTS, DELETE_EVENTS)
TROUBLE_AFTER = timedelta(minutes=30)


def register() -> None:
    """Called from `AppConfig.ready()`."""
    site.register_menu(site.MenuItem("API tokens", "programs:tokens", SEE_TOKENS, section="Integrations", order=70))
    site.register_menu(site.MenuItem("Webhooks", "programs:events", SEE_EVENTS, "Integrations", order=71))
    site.register_attention(attention)


def attention(user: Any) -> list[site.Attention]:
    """Return subscriptions that Desk turned off, and those that have been failing for a while."""
    if not may(user, *SEE_EVENTS):
        return []
    failing = Q(is_active=True, failing_since__lt=timezone.now() - TROUBLE_AFTER)
    found = EventSubscription.objects.filter(failing | (Q(is_active=False) & ~Q(disabled_reason="")))
    return [_trouble(subscription) for subscription in found]


def _trouble(subscription: EventSubscription) -> site.Attention:
    if subscription.is_active:
        sentence, level = f"Deliveries to the webhook “{subscription.name}” fail.", "warning"
    else:
        reason = subscription.disabled_reason
        sentence, level = f"Webhook “{subscription.name}” — {reason}", "danger"
    url = reverse("programs:event_edit", args=[subscription.pk])
    return site.Attention(sentence, url, "See why", level)
